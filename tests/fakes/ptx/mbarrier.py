"""mbarrier instructions, and the fences and hints that have no effect on a machine in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.ptx.barriers import Barrier
from tests.fakes.ptx.memory import SHARED_BASE, WINDOW, Fault
from tests.fakes.ptx.program import Immediate, Instruction, Operand, Sink
from tests.fakes.ptx.step import Step
from tests.fakes.ptx.tensor import whole_warps

Array = NDArray[Any]
COOKIE = np.frombuffer(b"mbarrier", np.uint8)  # lies where the barrier does: stores over it show


@dataclass
class State:
    """Barriers by CTA of the batch and byte of its shared memory."""

    barriers: dict[tuple[int, int], Barrier] = field(default_factory=dict)


def _barriers(step: Step) -> dict[tuple[int, int], Barrier]:
    state: State = step.state.setdefault("mbarrier", State())
    return state.barriers


def place_of(address: int) -> int:
    """Byte of shared memory that an address, also a generic one, means."""
    return int(address & (1 << WINDOW) - 1) - SHARED_BASE


def barrier_at(step: Step, cta: int, address: int) -> Barrier:
    """Raises ``Fault`` where none was made, or something was stored over it."""
    place = place_of(address)
    found = _barriers(step).get((cta, place))
    if found is None:
        raise Fault(f"CTA {cta} of its batch uses an mbarrier at byte {place}, where none is")
    if (step.shared[cta, place : place + 8] != COOKIE).any():
        raise Fault(f"CTA {cta} of its batch stored over its mbarrier at byte {place}")
    return found


def _each(step: Step, where: Operand) -> Iterator[tuple[Barrier, str, Array]]:
    """Every barrier that threads here address: its name, and which of the threads."""
    addresses, ctas = step.address(where), step.cta
    keys = np.stack([ctas.astype(np.uint64), addresses])
    unique, inverse = np.unique(keys, axis=1, return_inverse=True)
    for number, (cta, address) in enumerate(unique.T):
        name = f"mbarrier at byte {place_of(int(address))} of CTA {cta}"
        yield barrier_at(step, int(cta), int(address)), name, np.flatnonzero(inverse == number)


# --- handlers ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """What threads wait for, as it is when somebody asks."""

    barriers: list[tuple[Barrier, str]]

    def __str__(self) -> str:
        return "; ".join(f"{name} ({barrier})" for barrier, name in self.barriers[:4])


def init(step: Step, instruction: Instruction) -> None:
    """So many arrivals a phase."""
    where, count = instruction.operands
    counts = step.read(count, "u32")
    for cta, address, arrivals in zip(step.cta, step.address(where), counts, strict=True):
        place = place_of(int(address))
        if place % 8 or not 0 <= place <= step.shared.shape[1] - 8:
            raise Fault(f"line {instruction.line}: an mbarrier at byte {place} of shared memory")
        _barriers(step)[int(cta), place] = Barrier.of(int(arrivals))
        step.shared[cta, place : place + 8] = COOKIE


def inval(step: Step, instruction: Instruction) -> None:
    """The memory is free for something else."""
    for cta, address in zip(step.cta, step.address(instruction.operands[0]), strict=True):
        barrier_at(step, int(cta), int(address))
        del _barriers(step)[int(cta), place_of(int(address))]


def arrive(step: Step, instruction: Instruction) -> None:
    """mbarrier.arrive[.expect_tx][.noComplete] token, [bar] (, bytes or count)."""
    token, where, *rest = instruction.operands
    number = step.read(rest[0], "u32") if rest else np.ones(len(step.threads), np.uint32)
    tokens = np.zeros(len(step.threads), np.uint64)
    announced = "expect_tx" in instruction.parts
    for barrier, _, which in _each(step, where):
        for thread in which:
            if announced:
                barrier.expect(int(number[thread]))
            tokens[thread] = barrier.arrive(1 if announced else int(number[thread]))
        if step.memory.races is not None:
            step.memory.races.give(id(barrier), step.threads[which])
    if not isinstance(token, Sink):
        step.write(token, tokens, "b64")


def expect(step: Step, instruction: Instruction) -> None:
    """mbarrier.expect_tx: bytes without an arrival."""
    where, count = instruction.operands
    counts = step.read(count, "u32")
    for barrier, _, which in _each(step, where):
        barrier.expect(int(counts[which].sum()))


def complete(step: Step, instruction: Instruction) -> None:
    """mbarrier.complete_tx: as if a copy had."""
    where, count = instruction.operands
    counts = step.read(count, "u32")
    for barrier, _, which in _each(step, where):
        barrier.bytes_came(int(counts[which].sum()))


def pending_count(step: Step, instruction: Instruction) -> None:
    """Of a token: nothing that the machine keeps in one."""
    raise NotImplementedError(instruction.opcode)


def wait(step: Step, instruction: Instruction) -> None:
    """try_wait and test_wait: threads stay here until their phase is complete, then it is true.
    (A test that fails would only run again.)
    """
    done_to, where, which_phase, *_ = instruction.operands
    by_parity = "parity" in instruction.parts
    wanted = step.read(which_phase, "u32" if by_parity else "b64").astype(np.int64)
    parts: list[tuple[Barrier, int, Array]] = []
    names: list[str] = []
    for barrier, name, threads in _each(step, where):
        for phase in np.unique(wanted[threads]):
            parts.append((barrier, int(phase), threads[wanted[threads] == phase]))
            names.append(f"{name}, {'parity' if by_parity else 'phase'} {phase}")

    def finished(barrier: Barrier, phase: int) -> bool:
        return barrier.complete(phase) if by_parity else barrier.phase != phase

    if step.memory.races is not None:
        for barrier, phase, threads in parts:
            if finished(barrier, phase):
                step.memory.races.take(id(barrier), step.threads[threads])
    waiting = np.zeros(len(step.threads), bool)
    late = [(p, name) for p, name in zip(parts, names, strict=True) if not finished(*p[:2])]
    for (_, _, threads), _ in late:
        waiting[threads] = True
    if late:
        order = np.cumsum(waiting) - 1

        def until() -> Array:
            made = np.zeros(int(waiting.sum()), bool)
            for (barrier, phase, threads), _ in late:
                made[order[threads]] = finished(barrier, phase)
            return made

        said = Said([(part[0], name) for part, name in late])
        step.block(said, until, waiting)
    if len(step.threads):
        step.write(done_to, np.ones(len(step.threads), bool), "pred")


# --- fences, hints, registers -----------------------------------------------------------------


def nothing(step: Step, instruction: Instruction) -> None:
    """The machine runs in order: what this orders is in order."""


def set_registers(step: Step, instruction: Instruction) -> None:
    """setmaxnreg: all warps of a warpgroup; between 24 and 256, a multiple of 8."""
    if not whole_warps(step, instruction):
        return
    count = instruction.operands[0]
    if not isinstance(count, Immediate) or count.value % 8 or not 24 <= count.value <= 256:
        raise ValueError(f"line {instruction.line}: {instruction.text}: no such register count")


HANDLERS: dict[str, Callable[[Step, Instruction], None]] = {
    "mbarrier.init": init,
    "mbarrier.inval": inval,
    "mbarrier.arrive": arrive,
    "mbarrier.expect_tx": expect,
    "mbarrier.complete_tx": complete,
    "mbarrier.try_wait": wait,
    "mbarrier.test_wait": wait,
    "mbarrier.pending_count": pending_count,
    "fence.mbarrier_init": nothing,
    "fence.proxy.tensormap": nothing,
    "fence.proxy.alias": nothing,
    "griddepcontrol": nothing,
    "setmaxnreg": set_registers,
}
