"""cp.async: copies of 4 to 16 bytes a thread, there after wait_group and not before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.ptx.barriers import Barrier
from tests.fakes.ptx.mbarrier import barrier_at
from tests.fakes.ptx.program import Immediate, Instruction, Operand, Register
from tests.fakes.ptx.step import Step

Array = NDArray[Any]
POISON = 0xFF  # a NaN in every format


@dataclass(eq=False)
class Copy:
    """One instruction of some threads: ``group`` counts each thread's commits before it."""

    threads: Array
    group: Array
    to: Array
    data: Array  # [threads, bytes]

    def only(self, which: Array) -> Copy:
        """The part of some of its threads."""
        return Copy(self.threads[which], self.group[which], self.to[which], self.data[which])


@dataclass
class State:
    """``committed``: groups of each thread of the batch."""

    committed: Array
    pending: list[Copy] = field(default_factory=list)


def _state(step: Step) -> State:
    if "cp.async" not in step.state:
        step.state["cp.async"] = State(np.zeros(step.count, np.int64))
    state: State = step.state["cp.async"]
    return state


# --- handlers ---------------------------------------------------------------------------------


def copy(step: Step, instruction: Instruction) -> None:
    """cp.async.ca|cg.shared.global [to], [from], size (, bytes that are read | ignore)."""
    to, source, size, *rest = instruction.operands
    assert isinstance(size, Immediate)
    if size.value not in (4, 8, 16) or ("cg" in instruction.parts and size.value != 16):
        raise ValueError(f"line {instruction.line}: cp.async of {size.value} bytes")
    taken = _taken(step, size.value, rest[0] if rest else None)
    addresses, places = step.address(source), step.address(to)
    if ((addresses | places) % np.uint64(size.value)).any():
        raise RuntimeError(f"line {instruction.line}: cp.async at an address that is not aligned")
    data = np.zeros((len(step.threads), size.value), np.uint8)
    for count in np.unique(taken):
        which = np.flatnonzero(taken == count)
        if count:
            data[which, :count] = step.memory.load_bytes(
                "global", addresses[which], int(count), step.threads[which]
            )
    if step.eager:
        step.store_bytes("shared", places, data)
        return
    step.store_bytes("shared", places, np.full_like(data, POISON))
    state = _state(step)
    state.pending.append(Copy(step.threads, state.committed[step.threads], places, data))


def _taken(step: Step, size: int, how: Operand | None) -> Array:
    """Bytes each thread reads; zeros follow. A predicate says that it reads none."""
    if how is None:
        return np.full(len(step.threads), size)
    if isinstance(how, Register) and how.bits == 1:
        return np.where(step.read(how, "pred"), 0, size)
    if isinstance(how, Register) and how.bits == 64:
        return np.full(len(step.threads), size)  # a hint to the caches
    return np.minimum(step.read(how, "u32"), size)


def commit(step: Step, instruction: Instruction) -> None:
    """What was begun since the last one is a group."""
    _state(step).committed[step.threads] += 1


def wait_group(step: Step, instruction: Instruction) -> None:
    """Until at most so many groups of each thread are under way."""
    left = instruction.operands[0]
    assert isinstance(left, Immediate)
    state = _state(step)
    if state.pending:
        limit = np.full(step.count, -1)
        limit[step.threads] = state.committed[step.threads] - left.value
        _arrive(step, state, limit)


def wait_all(step: Step, instruction: Instruction) -> None:
    """Whatever was begun, committed or not."""
    state = _state(step)
    limit = np.full(step.count, -1)
    limit[step.threads] = state.committed[step.threads] + 1
    _arrive(step, state, limit)


def _arrive(step: Step, state: State, limit: Array) -> None:
    """Copies of groups before each thread's ``limit`` are there."""
    kept = []
    for copied in state.pending:
        due = copied.group < limit[copied.threads]
        if due.any():
            now = copied if due.all() else copied.only(due)
            step.memory.store_bytes("shared", now.to, now.data, now.threads)
        if not due.all():
            kept.append(copied.only(~due) if due.any() else copied)
    state.pending = kept


@dataclass(eq=False)
class Arrival:
    """cp.async.mbarrier.arrive: some threads arrive when their copies so far are there."""

    step: Step
    threads: Array
    barriers: list[Barrier]

    def run(self) -> None:
        """Now they are."""
        state = _state(self.step)
        limit = np.full(self.step.count, -1)
        limit[self.threads] = state.committed[self.threads] + 1
        _arrive(self.step, state, limit)
        races = self.step.memory.races
        for barrier, thread in zip(self.barriers, self.threads, strict=True):
            if races is not None:
                races.give(id(barrier), np.array([thread]))
            barrier.arrive()


def arrive(step: Step, instruction: Instruction) -> None:
    """Without .noinc one more arrival is expected of the phase, so that it counts as none."""
    addresses = step.address(instruction.operands[0])
    barriers = [
        barrier_at(step, int(cta), int(a)) for cta, a in zip(step.cta, addresses, strict=True)
    ]
    if "noinc" not in instruction.parts:
        for barrier in barriers:
            barrier.pending += 1
    work = Arrival(step, step.threads.copy(), barriers)
    if step.eager:
        work.run()
    else:
        step.later(work)


HANDLERS: dict[str, Callable[[Step, Instruction], None]] = {
    "cp.async.ca": copy,
    "cp.async.cg": copy,
    "cp.async.commit_group": commit,
    "cp.async.wait_group": wait_group,
    "cp.async.wait_all": wait_all,
    "cp.async.mbarrier": arrive,
}
