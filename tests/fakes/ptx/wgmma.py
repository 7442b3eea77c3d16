"""Matrix products of warpgroups (wgmma): begun by one instruction, there after wait_group.

A product is computed when it is waited for: only then are its operands in shared memory read and
its registers written, which until then hold NaNs. Both are what the hardware may do at the latest.
With ``step.eager`` it is computed at once, which is the earliest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.ptx.pending import (
    NUMBERS,
    arrive,
    carriers,
    fill,
    owner_of,
    spoil,
    waits_in,
)
from tests.fakes.ptx.products import Form, Product, form_of
from tests.fakes.ptx.program import Immediate, Instruction, Kernel, Register, Vector
from tests.fakes.ptx.step import Step
from tests.fakes.ptx.tensor import whole_warps
from tests.fakes.ptx.tiles import MatrixAddress

Array = NDArray[Any]
GROUP = 128  # threads of a warpgroup


@dataclass
class State:
    """Products under way, by warpgroup of the batch (a number of its first thread)."""

    pending: dict[int, list[Product]] = field(default_factory=dict)
    committed: dict[int, int] = field(default_factory=dict)
    fenced: set[int] = field(default_factory=set)
    serial: int = 0

    def next_number(self) -> int:
        """Used again only when nobody can hold it any more."""
        self.serial = self.serial % NUMBERS + 1
        return self.serial


def _state(step: Step) -> State:
    state: State = step.state.setdefault("wgmma", State())
    return state


def _warpgroups(step: Step, instruction: Instruction) -> list[Array]:
    """Threads of each warpgroup here; all of its four warps come together."""
    if not whole_warps(step, instruction):
        return []
    threads = step.threads
    first = threads - step.within[threads] % GROUP
    numbers, counts = np.unique(first, return_counts=True)
    away = np.isin(first, numbers[counts != GROUP])
    if away.any():
        step.block("the other warps of its warpgroup", None, away)
    return [np.arange(n, n + GROUP) for n in numbers[counts == GROUP]]


# --- handlers ---------------------------------------------------------------------------------


def fence(step: Step, instruction: Instruction) -> None:
    """Orders registers between products and everything else."""
    _state(step).fenced.update(int(g[0]) for g in _warpgroups(step, instruction))


def commit(step: Step, instruction: Instruction) -> None:
    """All products begun since the last one are a group."""
    committed = _state(step).committed
    for threads in _warpgroups(step, instruction):
        committed[int(threads[0])] = committed.get(int(threads[0]), 0) + 1


def wait(step: Step, instruction: Instruction) -> None:
    """Until at most so many of the groups are under way."""
    state = _state(step)
    left = instruction.operands[0]
    assert isinstance(left, Immediate)
    for threads in _warpgroups(step, instruction):
        key = int(threads[0])
        due = state.committed.get(key, 0) - left.value
        pending = state.pending.get(key, [])
        for product in [p for p in pending if p.group < due]:
            pending.remove(product)
            arrive(step, product)
        state.fenced.discard(key)


def wait_for(step: Step, registers: frozenset[Register]) -> None:
    """As ptxas does where an instruction uses registers of a product under way ("wait_group is
    injected", C7517): wait for it and all before it.
    """
    state = _state(step)
    here = set((step.threads - step.within[step.threads] % GROUP).tolist())
    for key in here & {k for k, pending in state.pending.items() if pending}:
        pending = state.pending[key]
        used = [i for i, p in enumerate(pending) if waits_in(step, p, registers)]
        for product in pending[: used[-1] + 1] if used else []:
            pending.remove(product)
            arrive(step, product)


def accumulators(kernel: Kernel) -> frozenset[Register]:
    """Every register that products of a kernel are written to, or ``mov`` copies them to."""
    found: set[Register] = set()
    for instruction in kernel.body:
        if instruction.opcode.startswith("wgmma.mma_async"):
            d = instruction.operands[0]
            assert isinstance(d, Vector)
            found.update(carriers(kernel, tuple(r for r in d.items if isinstance(r, Register)))[0])
    return frozenset(found)


def mma_async(step: Step, instruction: Instruction) -> None:
    """Begins a product of each warpgroup here."""
    groups = _warpgroups(step, instruction)
    if not groups:
        return
    state, form = _state(step), form_of(instruction)
    d, a, b, scale = instruction.operands[:4]
    at = {int(t): i for i, t in enumerate(step.threads[::GROUP])}
    held = np.stack(step.read_list(d, "b32"))
    adds = step.read(scale, "pred")
    left = np.stack(step.read_list(a, "b32" if isinstance(a, Vector) else "b64"))
    right = step.read(b, "b64")
    registers = (
        tuple(r for r in d.items if isinstance(r, Register)) if isinstance(d, Vector) else ()
    )
    for threads in groups:
        mine = slice(at[int(threads[0])] * GROUP, (at[int(threads[0])] + 1) * GROUP)
        _begin(
            step, state, form, instruction, threads, registers,
            held=held[:, mine] if adds[mine][0] else None,
            a=left[:, mine] if isinstance(a, Vector) else _address(left[0, mine], instruction),
            b=_address(right[mine], instruction),
        )  # fmt: skip


def _begin(
    step: Step, state: State, form: Form, instruction: Instruction, threads: Array,
    registers: tuple[Register, ...], *, held: Array | None, a: MatrixAddress | Array,
    b: MatrixAddress,
) -> None:  # fmt: skip
    key = int(threads[0])
    if key not in state.fenced:
        raise RuntimeError(
            f"line {instruction.line}: {instruction.opcode} without a wgmma.fence since the last "
            "wait_group"
        )
    pending = state.pending.setdefault(key, [])
    after = None if held is None else owner_of(held, pending)
    made = Product(
        state.next_number(), form, state.committed.get(key, 0), threads, registers, a, b,
        None if after is not None else held, after, instruction.line,
    )  # fmt: skip
    if step.eager:
        made.compute(step)
        assert made.result is not None
        fill(step, made, made.result)
        return
    pending.append(made)
    spoil(step, made)


def _address(words: Array, instruction: Instruction) -> MatrixAddress:
    """One descriptor for a whole warpgroup."""
    if (words != words[0]).any():
        raise RuntimeError(f"line {instruction.line}: threads give different matrix descriptors")
    return MatrixAddress.read(int(words[0]))


HANDLERS: dict[str, Callable[[Step, Instruction], None]] = {
    "wgmma.fence": fence,
    "wgmma.commit_group": commit,
    "wgmma.wait_group": wait,
    "wgmma.mma_async": mma_async,
}
