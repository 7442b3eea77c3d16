"""Integers, bits, comparisons and choices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fakes.ptx.bind import Run, kind_of, pure
from tests.fakes.ptx.program import BITS, Instruction
from tests.fakes.ptx.step import Array
from tests.fakes.ptx.values import SIGNED, UNSIGNED

Binder = Callable[[Instruction], Run]


def _plain(function: Callable[..., Any], arity: int, unsigned: bool = False) -> Binder:
    """All operands and the result of one type; ``unsigned``: the sign does not matter."""

    def bind(instruction: Instruction) -> Run:
        kind = kind_of(instruction)
        if unsigned and kind != "pred":
            kind = f"u{BITS[kind]}"
        if "relu" in instruction.parts:  # of min and max: nothing below zero comes out
            return pure(lambda a, b: np.maximum(function(a, b), 0), instruction, kind, kind, kind)
        return pure(function, instruction, kind, *[kind] * arity)

    return bind


# --- arithmetic ---


def high_product(a: Array, b: Array) -> Any:
    """The upper half of a product, of 16 to 64 bits."""
    bits = 8 * a.dtype.itemsize
    if bits < 64:
        wide = (SIGNED if a.dtype.kind == "i" else UNSIGNED)[2 * bits]
        return ((a.astype(wide) * b.astype(wide)) >> wide.type(bits)).astype(a.dtype)
    x, y = np.asarray(a).view(np.uint64), np.asarray(b).view(np.uint64)
    low, half = np.uint64(2**32 - 1), np.uint64(32)
    xl, xh, yl, yh = x & low, x >> half, y & low, y >> half
    middle = xh * yl + ((xl * yl) >> half)
    top = xh * yh + (middle >> half) + ((xl * yh + (middle & low)) >> half)
    if a.dtype.kind == "i":
        zero = np.uint64(0)
        top = top - np.where(np.asarray(a) < 0, y, zero) - np.where(np.asarray(b) < 0, x, zero)
    return top.view(a.dtype)


def multiply(instruction: Instruction) -> Run:
    """mul and mad with lo, hi or wide."""
    kind = kind_of(instruction)
    arity = 2 if instruction.parts[0] == "mul" else 3
    if "wide" in instruction.parts:
        out = f"{kind[0]}{2 * BITS[kind]}"
        wide = (SIGNED if kind[0] == "s" else UNSIGNED)[2 * BITS[kind]]

        def product(a: Array, b: Array) -> Any:
            return a.astype(wide) * b.astype(wide)

        if arity == 2:
            return pure(product, instruction, out, kind, kind)
        return pure(lambda a, b, c: product(a, b) + c, instruction, out, kind, kind, out)
    if "hi" in instruction.parts:
        if arity == 2:
            return pure(high_product, instruction, kind, kind, kind)
        return pure(lambda a, b, c: high_product(a, b) + c, instruction, *[kind] * 4)
    kind = f"u{BITS[kind]}"
    if arity == 2:
        return pure(np.multiply, instruction, kind, kind, kind)
    return pure(lambda a, b, c: a * b + c, instruction, *[kind] * 4)


def quotient(a: Array, b: Array) -> Any:
    """Towards zero; by zero all bits are set, as GPUs answer."""
    zero = b == 0
    by = np.where(zero, b.dtype.type(1), b)
    exact = (a - np.fmod(a, by)) // by
    return np.where(zero, ~a.dtype.type(0), exact)


def remainder(a: Array, b: Array) -> Any:
    """Of ``quotient``; by zero the dividend."""
    zero = b == 0
    return np.where(zero, a, np.fmod(a, np.where(zero, b.dtype.type(1), b)))


def difference_sum(a: Array, b: Array, c: Array) -> Any:
    """sad."""
    return c + (np.maximum(a, b) - np.minimum(a, b)).view(c.dtype)


# --- bits ---


def shift(function: Callable[..., Any]) -> Binder:
    """shl and shr: amounts of the width and more give zeros (or the sign)."""

    def bind(instruction: Instruction) -> Run:
        kind = kind_of(instruction)
        bits = BITS[kind]
        amounts = (SIGNED if kind[0] == "s" else UNSIGNED)[bits]

        def run(a: Array, amount: Array) -> Any:
            if bits == 16:
                amount = np.minimum(amount, np.uint32(16))
            return function(a, amount.astype(amounts))

        return pure(run, instruction, kind, kind, "u32")

    return bind


def funnel_shift(instruction: Instruction) -> Run:
    """shf: of the 64 bits b:a, the upper 32 shifted left, or the lower 32 shifted right."""
    left, wrap = "l" in instruction.parts, "wrap" in instruction.parts

    def run(a: Array, b: Array, c: Array) -> Any:
        amount = (c & np.uint32(31)) if wrap else np.minimum(c, np.uint32(32))
        both = (b.astype(np.uint64) << np.uint64(32)) | a
        wide = amount.astype(np.uint64)
        if left:
            return ((both << wide) >> np.uint64(32)).astype(np.uint32)
        return (both >> wide).astype(np.uint32)

    return pure(run, instruction, *["u32"] * 4)


def logic3(instruction: Instruction) -> Run:
    """lop3: any function of three bits, by its table."""
    table = int(getattr(instruction.operands[4], "value", 0))

    def run(a: Array, b: Array, c: Array, _: Array) -> Any:
        made = np.zeros_like(np.asarray(a | b | c))
        for row in range(8):
            if table >> row & 1:
                made |= (a if row & 4 else ~a) & (b if row & 2 else ~b) & (c if row & 1 else ~c)
        return made

    return pure(run, instruction, *["u32"] * 5)


PERMUTATIONS = {
    "f4e": (0x3210, 0x4321, 0x5432, 0x6543),
    "b4e": (0x5670, 0x6701, 0x7012, 0x0123),
    "rc8": (0x0000, 0x1111, 0x2222, 0x3333),
    "ecl": (0x3210, 0x3211, 0x3222, 0x3333),
    "ecr": (0x0000, 0x1110, 0x2210, 0x3210),
    "rc16": (0x1010, 0x3232, 0x1010, 0x3232),
}  # PTX ISA, prmt: the selector that each mode stands for


def permute(instruction: Instruction) -> Run:
    """prmt: four bytes of eight, chosen by nibbles; bit 3 of a nibble spreads the byte's sign."""
    mode = instruction.parts[2] if len(instruction.parts) > 2 else ""

    def run(a: Array, b: Array, selector: Array) -> Any:
        if mode:
            table = np.array(PERMUTATIONS[mode], dtype=np.uint32)
            selector = table[selector & np.uint32(3)]
        both = (np.asarray(b).astype(np.uint64) << np.uint64(32)) | a
        made = np.zeros(both.shape, dtype=np.uint32)
        for place in range(4):
            nibble = (selector >> np.uint32(4 * place)) & np.uint32(15)
            amount = ((nibble & np.uint32(7)) * np.uint32(8)).astype(np.uint64)
            byte = ((both >> amount) & np.uint64(255)).astype(np.uint32)
            sign = np.where(byte & np.uint32(128), np.uint32(255), np.uint32(0))
            byte = np.where(nibble & np.uint32(8), sign, byte)
            made |= byte << np.uint32(8 * place)
        return made

    return pure(run, instruction, *["u32"] * 4)


def field_extract(instruction: Instruction) -> Run:
    """bfe: ``c`` bits from place ``b`` on, the sign spread for signed types."""
    kind = kind_of(instruction)
    bits = BITS[kind]
    wide = SIGNED[64] if kind[0] == "s" else UNSIGNED[64]

    def run(a: Array, b: Array, c: Array) -> Any:
        place = (b & np.uint32(255)).astype(wide)
        count = np.minimum(c & np.uint32(255), np.uint32(bits)).astype(wide)
        shifted = a.astype(wide) >> np.minimum(place, wide.type(63))
        if kind[0] == "s":
            top = wide.type(64) - count
            got = np.where(count == 0, wide.type(0), (shifted << top) >> top)
        else:
            got = shifted & _ones(count)
            got = np.where(place >= bits, wide.type(0), got)
        return got.astype(a.dtype)

    return pure(run, instruction, kind, kind, "u32", "u32")


def _ones(count: Array) -> Any:
    """So many of the lowest bits of 64."""
    none = np.uint64(0)
    return np.where(count >= 64, ~none, (np.uint64(1) << count.astype(np.uint64)) - np.uint64(1))


def field_insert(instruction: Instruction) -> Run:
    """bfi: the lowest ``d`` bits of ``a`` into ``b`` from place ``c`` on."""
    kind = f"u{BITS[kind_of(instruction)]}"

    def run(a: Array, b: Array, c: Array, d: Array) -> Any:
        place = (c & np.uint32(255)).astype(np.uint64)
        mask = _ones((d & np.uint32(255)).astype(np.uint64)) << place
        made = ((a.astype(np.uint64) << place) & mask) | (b.astype(np.uint64) & ~mask)
        return made.astype(UNSIGNED[BITS[kind]])

    return pure(run, instruction, kind, kind, kind, "u32", "u32")


def count_bits(instruction: Instruction) -> Run:
    """popc, clz, bfind: one number of the bits."""
    kind = kind_of(instruction)
    bits = BITS[kind]
    word = instruction.parts[0]

    def highest(a: Array) -> Any:
        """The place of the highest set bit, -1 of none; exact, as 32 bits fit a double."""
        wide = a.astype(np.uint64)
        upper = wide >> np.uint64(32)
        part = np.where(upper > 0, upper, wide & np.uint64(2**32 - 1)).astype(np.float64)
        return np.frexp(part)[1] - 1 + np.where(upper > 0, 32, 0)

    def run(a: Array) -> Any:
        if word == "popc":
            return np.bitwise_count(a).astype(np.uint32)
        if kind[0] == "s":
            a = np.where(a < 0, ~a, a).view(UNSIGNED[bits])
        top = highest(a)
        if word == "clz":
            return (bits - 1 - top).astype(np.uint32)
        if "shiftamt" in instruction.parts:
            top = np.where(top < 0, -1, bits - 1 - top)
        return top.astype(np.int32).view(np.uint32)

    return pure(run, instruction, "u32", kind)


def reversed_bits(instruction: Instruction) -> Run:
    """brev."""
    kind = f"u{BITS[kind_of(instruction)]}"

    def run(a: Array) -> Any:
        raw = np.ascontiguousarray(a).view(np.uint8).reshape(-1, a.dtype.itemsize)
        return np.packbits(np.unpackbits(raw, axis=1, bitorder="little")[:, ::-1], axis=1,
                           bitorder="little").view(a.dtype).reshape(-1)  # fmt: skip

    return pure(run, instruction, kind, kind)


def dot4(instruction: Instruction) -> Run:
    """dp4a: four products of bytes, added."""
    first, second = [p for p in instruction.parts if p in ("u32", "s32")]

    def parts(value: Array, kind: str) -> Any:
        raw = np.ascontiguousarray(value).view(np.int8 if kind == "s32" else np.uint8)
        return raw.reshape(-1, 4).astype(np.int64)

    def run(a: Array, b: Array, c: Array) -> Any:
        total = (parts(a, first) * parts(b, second)).sum(1) + c.astype(np.int64)
        return total.astype(np.uint32)

    return pure(run, instruction, "u32", "u32", "u32", "s32" if "s32" in (first, second) else "u32")


BINDERS: dict[str, Binder] = {
    "add": _plain(np.add, 2, unsigned=True),
    "sub": _plain(np.subtract, 2, unsigned=True),
    "mul": multiply,
    "mad": multiply,
    "div": _plain(quotient, 2),
    "rem": _plain(remainder, 2),
    "min": _plain(np.minimum, 2),
    "max": _plain(np.maximum, 2),
    "abs": _plain(np.abs, 1),
    "neg": _plain(np.negative, 1),
    "sad": _plain(difference_sum, 3),
    "and": _plain(np.bitwise_and, 2),
    "or": _plain(np.bitwise_or, 2),
    "xor": _plain(np.bitwise_xor, 2),
    "not": _plain(np.invert, 1),
    "shl": shift(np.left_shift),
    "shr": shift(np.right_shift),
    "shf": funnel_shift,
    "lop3": logic3,
    "prmt": permute,
    "bfe": field_extract,
    "bfi": field_insert,
    "popc": count_bits,
    "clz": count_bits,
    "bfind": count_bits,
    "brev": reversed_bits,
    "dp4a": dot4,
}
