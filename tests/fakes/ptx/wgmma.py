"""Matrix products of warpgroups (wgmma): begun by one instruction, there after wait_group.

A product is computed when it is waited for: only then are its operands in shared memory read and
its registers written, which until then hold NaNs. Both are what the hardware may do at the latest.
With ``step.eager`` it is computed at once, which is the earliest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.ptx import fragments
from tests.fakes.ptx.fences import need_fence
from tests.fakes.ptx.formats import SIZES, values
from tests.fakes.ptx.memory import SHARED_BASE
from tests.fakes.ptx.program import Immediate, Instruction, Kernel, Register, Vector
from tests.fakes.ptx.step import Step
from tests.fakes.ptx.tensor import whole_warps
from tests.fakes.ptx.tiles import MatrixAddress

Array = NDArray[Any]
GROUP = 128  # threads of a warpgroup
# A register that waits for a product holds a quiet NaN that says which: 15 bits of the product's
# number and 7 of the register's place.
PENDING, NUMBERS = np.uint32(0x7FC0_0000), 32_767


@dataclass(frozen=True)
class Form:
    """What the opcode and the immediates say."""

    n: int
    d: str
    a: str
    b: str
    signs: float = 1.0
    a_along_k: bool = True
    b_along_k: bool = True

    @staticmethod
    def of(instruction: Instruction) -> Form:
        """wgmma.mma_async.sync.aligned.m64nNkK.d.a.b d, a, b, scale-d, signs..., orders..."""
        parts = [p for p in instruction.parts if p != "satfinite"]
        shape = re.fullmatch(r"m64n(\d+)k(\d+)", parts[4])
        if shape is None or len(parts) != 8:
            raise NotImplementedError(instruction.opcode)
        d, a, b = parts[5:]
        n, k = int(shape[1]), int(shape[2])
        if k * SIZES[a] != 32 or n % 8 or not 8 <= n <= 256:
            raise ValueError(f"line {instruction.line}: no such shape: {instruction.opcode}")
        if SIZES[a] != SIZES[b]:
            raise ValueError(f"line {instruction.line}: operands of different sizes")
        numbers = [o.value for o in instruction.operands[4:] if isinstance(o, Immediate)]
        signs = numbers[:2] if d != "s32" else []
        turned = iter(numbers[len(signs) :])
        in_registers = isinstance(instruction.operands[1], Vector)
        a_turned = 0 if in_registers else next(turned, 0)
        b_turned = next(turned, 0)
        if (a_turned or b_turned) and SIZES[a] != 2:
            raise ValueError(f"line {instruction.line}: only 16-bit operands can be transposed")
        sign = float(np.prod(signs)) if signs else 1.0
        return Form(n, d, a, b, sign, not a_turned, not b_turned)


@dataclass(eq=False)
class Product:
    """One instruction of one warpgroup. ``after``: the pending product it adds to."""

    number: int
    form: Form
    group: int  # commit group
    threads: Array  # [128] of the batch
    registers: tuple[Register, ...]
    a: MatrixAddress | Array
    b: MatrixAddress
    before: Array | None
    after: Product | None
    line: int
    result: Array | None = None

    def compute(self, step: Step) -> None:
        """[registers, 128] words, from what is in shared memory now."""
        form = self.form
        if isinstance(self.a, MatrixAddress):
            left = self._operand(step, self.a, 64, form.a_along_k, form.a)
        else:
            left = values(fragments.group_a_tile(self.a[:, None]), form.a)[0]
        right = self._operand(step, self.b, form.n, form.b_along_k, form.b)
        product = form.signs * (left @ right.T)
        before = self.after.result if self.after is not None else self.before
        self.result = _summed(product, before, form.d)
        self.after = self.before = None

    def _operand(
        self, step: Step, at: MatrixAddress, lines: int, along_k: bool, kind: str
    ) -> Array:
        size, cta = SIZES[kind], int(step.cta_of[self.threads[0]])
        shared = step.shared[cta]
        places = at.places(lines, along_k, size) - SHARED_BASE
        if places.min() < 0 or places.max() + size > len(shared):
            raise RuntimeError(
                f"line {self.line}: a product reads shared memory at byte {int(places.min())} to "
                f"{int(places.max()) + size} of {len(shared)} ({at})"
            )
        need_fence(step, cta, places // size, size, f"line {self.line}: a product")
        raw = shared.view(f"u{size}")[places // size]
        return values(np.ascontiguousarray(raw).view(np.uint8).reshape(lines, 32), kind)


def _summed(product: Array, before: Array | None, kind: str) -> Array:
    """Words of the accumulators; ``before`` are their words, or None for zero."""
    if kind == "f16":
        if before is not None:
            held = fragments.unpacked(before).view(np.float16).astype(np.float32)
            product = product + fragments.group_d_tile(held[:, None])[0]
        made = fragments.group_d_registers(product[None])[:, 0]
        return fragments.packed(made.astype(np.float16))
    made = fragments.group_d_registers(product[None])[:, 0]
    if kind == "s32":
        total = made.astype(np.int32)
        return (total if before is None else total + before.view(np.int32)).view(np.uint32)
    made = made if before is None else made + np.ascontiguousarray(before).view(np.float32)
    return np.ascontiguousarray(made).view(np.uint32)


@dataclass
class State:
    """Products under way, by warpgroup of the batch (a number of its first thread)."""

    pending: dict[int, list[Product]] = field(default_factory=dict)
    committed: dict[int, int] = field(default_factory=dict)
    fenced: set[int] = field(default_factory=set)
    serial: int = 0

    def next_number(self) -> int:
        """1 ... 32,766: numpy's own NaN looks like 0 and PTX's like 32,767."""
        self.serial = self.serial % (NUMBERS - 1) + 1
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
            _arrive(step, product)
        state.fenced.discard(key)


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
    after = None if held is None else _owner(held, pending)
    made = Product(
        state.next_number(), form, state.committed.get(key, 0), threads, registers, a, b,
        None if after is not None else held, after, instruction.line,
    )  # fmt: skip
    if step.eager:
        made.compute(step)
        _write(step, made, registers, made.result)
        return
    pending.append(made)
    _write(step, made, registers, _tokens(made)[:, None])


@cache
def form_of(instruction: Instruction) -> Form:
    """Each instruction is read once."""
    return Form.of(instruction)


def _address(words: Array, instruction: Instruction) -> MatrixAddress:
    """One descriptor for a whole warpgroup."""
    if (words != words[0]).any():
        raise RuntimeError(f"line {instruction.line}: threads give different matrix descriptors")
    return MatrixAddress.read(int(words[0]))


# --- registers that wait ----------------------------------------------------------------------


def _tokens(product: Product) -> Array:
    places = np.arange(len(product.registers), dtype=np.uint32)
    return PENDING | np.uint32(product.number << 7) | places


def _owner(held: Array, pending: list[Product]) -> Product | None:
    """The pending product whose result these accumulators are to be."""
    for product in pending:
        if np.array_equal(held[:, 0], _tokens(product)):  # others have another count
            return product
    return None


def _arrive(step: Step, product: Product) -> None:
    """Compute, and write wherever its tokens are, also where ``mov`` took them."""
    product.compute(step)
    assert product.result is not None
    tokens = _tokens(product)
    first = int(product.threads[0])
    for register in carriers(step.kernel, product.registers):
        held = step.registers[register.index]
        if held is None:
            continue
        word = held.view(np.uint32)
        place = int(word[first]) - int(tokens[0])
        if 0 <= place < len(tokens):
            word[product.threads] = product.result[place]


def _write(step: Step, product: Product, registers: tuple[Register, ...], value: Any) -> None:
    threads, index = product.threads, step.index
    step.index = threads
    try:
        for register, words in zip(registers, value, strict=True):
            step.put(register, np.broadcast_to(words, (GROUP,)))
    finally:
        step.index = index


_KEEP = ("mov.b32", "mov.f32", "mov.u32", "mov.s32")


def carriers(kernel: Kernel, registers: tuple[Register, ...]) -> tuple[Register, ...]:
    """``registers`` and all that ``mov`` copies them to."""
    return _carriers(_Same(kernel), registers)


@dataclass(frozen=True)
class _Same:
    """A kernel as a key: itself."""

    kernel: Kernel = field(hash=False)

    def __hash__(self) -> int:
        return id(self.kernel)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.kernel is self.kernel


@cache
def _moves(same: _Same) -> dict[str, list[Register]]:
    made: dict[str, list[Register]] = {}
    for instruction in same.kernel.body:
        if instruction.opcode in _KEEP:
            to, source = instruction.operands
            if isinstance(to, Register) and isinstance(source, Register):
                made.setdefault(source.name, []).append(to)
    return made


@cache
def _carriers(same: _Same, registers: tuple[Register, ...]) -> tuple[Register, ...]:
    moves, found = _moves(same), {r.name: r for r in registers}
    waiting = list(registers)
    while waiting:
        for register in moves.get(waiting.pop().name, []):
            if register.name not in found:
                found[register.name] = register
                waiting.append(register)
    return tuple(found.values())


HANDLERS: dict[str, Callable[[Step, Instruction], None]] = {
    "wgmma.fence": fence,
    "wgmma.commit_group": commit,
    "wgmma.wait_group": wait,
    "wgmma.mma_async": mma_async,
}
