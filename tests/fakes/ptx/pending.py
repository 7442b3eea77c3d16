"""Registers that wait for a product: each holds a NaN that says which, until the product is there.

``mov`` may carry such a NaN to other registers, whole or as two halves, while the product is under
way: compilers write loops that way, and the hardware's registers are the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.ptx.products import Product
from tests.fakes.ptx.program import Kernel, Register, Vector
from tests.fakes.ptx.step import Step

Array = NDArray[Any]
Halves = tuple[Register, Register]
# 15 bits of the product's number and 7 of the register's place.
PENDING = np.uint32(0x7FC0_0000)
NUMBERS = 32_766  # from 1: numpy's own NaN looks like 0, PTX's like 32,767
MOVES = ("mov.b32", "mov.f32", "mov.u32", "mov.s32")


def tokens_of(product: Product) -> Array:
    """What each of its registers holds until it is there."""
    places = np.arange(len(product.registers), dtype=np.uint32)
    return PENDING | np.uint32(product.number << 7) | places


def owner_of(held: Array, pending: list[Product]) -> Product | None:
    """The product under way whose result these accumulators [registers, threads] are to be."""
    for product in pending:
        if np.array_equal(held[:, 0], tokens_of(product)):  # others have another count
            return product
    return None


def waits_in(step: Step, product: Product, registers: frozenset[Register]) -> bool:
    """Whether some of ``registers`` are to hold a part of its result."""
    first, low = int(product.threads[0]), int(tokens_of(product)[0])
    for register in registers:
        held = step.registers[register.index]
        if held is not None and 0 <= int(held.view(np.uint32)[first]) - low < len(
            product.registers
        ):
            return True
    return False


def spoil(step: Step, product: Product) -> None:
    """Its registers hold no number from now on."""
    fill(step, product, tokens_of(product)[:, None])


def fill(step: Step, product: Product, words: Array) -> None:
    """[registers, 1 or 128] to its own registers."""
    index, step.index = step.index, product.threads
    try:
        for register, word in zip(product.registers, words, strict=True):
            step.put(register, np.broadcast_to(word, product.threads.shape))
    finally:
        step.index = index


def arrive(step: Step, product: Product) -> None:
    """Its result stands wherever its NaNs are."""
    product.compute(step)
    assert product.result is not None
    tokens, first = tokens_of(product), int(product.threads[0])
    whole, halves = carriers(step.kernel, product.registers)
    for register in whole:
        held = step.registers[register.index]
        if held is None:
            continue
        word = held.view(np.uint32)
        place = int(word[first]) - int(tokens[0])
        if 0 <= place < len(tokens):
            word[product.threads] = product.result[place]
    for pair in halves:
        low, high = (step.registers[half.index] for half in pair)
        if low is None or high is None:
            continue
        low, high = low.view(np.uint16), high.view(np.uint16)
        place = (int(high[first]) << 16 | int(low[first])) - int(tokens[0])
        if 0 <= place < len(tokens):
            low[product.threads] = product.result[place] & np.uint32(0xFFFF)
            high[product.threads] = product.result[place] >> np.uint32(16)


# --- where mov carries them -------------------------------------------------------------------


def carriers(
    kernel: Kernel, registers: tuple[Register, ...]
) -> tuple[tuple[Register, ...], tuple[Halves, ...]]:
    """``registers`` and all that ``mov`` copies them to, whole and as halves."""
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
def _moves(same: _Same) -> dict[str, list[Register | Halves]]:
    """By the name of a source, or by the first half of two, where it goes."""
    made: dict[str, list[Register | Halves]] = {}
    for instruction in same.kernel.body:
        if instruction.opcode in MOVES:
            to, source = (_halves(o) if isinstance(o, Vector) else o for o in instruction.operands)
            name = source[0] if isinstance(source, tuple) else source
            if isinstance(name, Register) and isinstance(to, Register | tuple):
                made.setdefault(name.name, []).append(to)
    return made


def _halves(operand: Vector) -> Halves | None:
    match operand.items:
        case (Register() as low, Register() as high):
            return low, high
    return None


@cache
def _carriers(
    same: _Same, registers: tuple[Register, ...]
) -> tuple[tuple[Register, ...], tuple[Halves, ...]]:
    moves = _moves(same)
    found: dict[str, Register | Halves] = {r.name: r for r in registers}
    waiting = list(found)
    while waiting:
        for to in moves.get(waiting.pop(), []):
            name = to[0].name if isinstance(to, tuple) else to.name
            if name not in found:
                found[name] = to
                waiting.append(name)
    whole = tuple(r for r in found.values() if isinstance(r, Register))
    return whole, tuple(r for r in found.values() if isinstance(r, tuple))
