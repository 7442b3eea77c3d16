"""cvt: numbers of one type as another's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fakes.ptx.bind import Run, pure
from tests.fakes.ptx.formats import small_floats
from tests.fakes.ptx.halves import lanes, narrow, packed, wide
from tests.fakes.ptx.program import BITS, Instruction
from tests.fakes.ptx.step import Array
from tests.fakes.ptx.values import dtype_of

WHOLE = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}
SMALL = ("e4m3x2", "e5m2x2")
LARGEST = {"e4m3": 448.0, "e5m2": 57344.0}
KINDS = (*BITS, *SMALL)


def convert(instruction: Instruction) -> Run:
    """Every form of cvt that compilers for sm_80 to sm_90 write."""
    parts = instruction.parts
    to, source = [part for part in parts if part in KINDS][-2:]
    if to in SMALL:
        return _to_small(instruction, to, source)
    if source in SMALL:
        return _from_small(instruction, to, source)
    if to.endswith("x2"):
        return _to_pair(instruction, to)
    if to == "tf32":
        return pure(nearest_tf32, instruction, "b32", "f32")
    if source == "pred" or "pack" in parts:
        raise NotImplementedError("this form of cvt is not known")
    floating = "f" in source, "f" in to
    if floating == (False, False):
        return _between_integers(instruction, to, source)
    if floating == (True, False):
        return pure(to_integer(parts, to), instruction, to, source)
    if any(p in ("rz", "rm", "rp") for p in parts) and (to, source) != ("bf16", "f32"):
        raise NotImplementedError("only rounding to the nearest is known")
    if floating == (False, True):
        return pure(lambda a: from_integer(a, to), instruction, to, source)
    return _between_floats(instruction, to, source)


# --- integers ---


def _between_integers(instruction: Instruction, to: str, source: str) -> Run:
    dtype = dtype_of(to)
    if "sat" not in instruction.parts:
        return pure(lambda a: a.astype(dtype), instruction, to, source)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max

    def clamped(a: Array) -> Any:
        reach = np.iinfo(a.dtype)
        return np.clip(a, max(low, reach.min), min(high, reach.max)).astype(dtype)

    return pure(clamped, instruction, to, source)


def to_integer(parts: tuple[str, ...], to: str) -> Callable[[Array], Any]:
    """Of a float: rounded as asked, held to the type's range; a NaN is 0."""
    round_ = next(WHOLE[p] for p in parts if p in WHOLE)
    dtype = dtype_of(to)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max

    def run(a: Array) -> Any:
        exact = np.nan_to_num(round_(a.astype(np.float64)), nan=0.0)
        inside = np.clip(exact, float(low), float(high))
        made = np.where(inside >= float(high), 0.0, inside).astype(dtype)
        return np.where(inside >= float(high), dtype.type(high), made)

    return run


def from_integer(a: Array, to: str) -> Any:
    """To the nearest, ties to even."""
    if to == "bf16":  # given as float32, rounded when written: integers to 2^24 are exact there
        if np.any(np.abs(a.astype(np.float64)) > 2**24):
            raise NotImplementedError("bf16 of integers above 2^24 is not known")
        return a.astype(np.float32)
    return a.astype(dtype_of(to))


# --- floats ---


def _between_floats(instruction: Instruction, to: str, source: str) -> Run:
    parts = instruction.parts
    whole = next((WHOLE[p] for p in parts if p in WHOLE), None)
    dtype = np.dtype(np.float32) if to == "bf16" else dtype_of(to)
    relu, saturated, cut = "relu" in parts, "sat" in parts, "rz" in parts

    def run(a: Array) -> Any:
        made = (np.array(a) if whole is None else whole(a)).astype(dtype)
        if cut:  # float32 to bf16 towards zero
            made = (made.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
        if relu:
            made = np.where(np.isnan(made), made, np.maximum(made, dtype.type(0)))
        if saturated:
            made = np.clip(np.where(np.isnan(made), dtype.type(0), made), 0, 1).astype(dtype)
        return made

    return pure(run, instruction, to, source)


def nearest_tf32(a: Array) -> Any:
    """uint32: 13 bits fewer, halves away from zero (cvt.rna)."""
    bits = np.ascontiguousarray(a).view(np.uint32)
    made = (bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
    return np.where(np.isfinite(a), made, bits)


def _to_pair(instruction: Instruction, to: str) -> Run:
    """f16x2 or bf16x2 of two f32: the first is the upper half."""
    relu = "relu" in instruction.parts
    if "rz" in instruction.parts or "satfinite" in instruction.parts:
        raise NotImplementedError("this rounding of pairs is not known")

    def run(upper: Array, lower: Array) -> Any:
        upper, lower = np.broadcast_arrays(upper, lower)
        both = np.stack([lower, upper])
        if relu:
            both = np.where(np.isnan(both), both, np.maximum(both, np.float32(0)))
        return packed(narrow(both, to))

    return pure(run, instruction, "b32", "f32", "f32")


# --- 8-bit floats ---


def to_small(value: Array, kind: str) -> Any:
    """uint8 of float32: to the nearest, ties to even, held to the largest number."""
    table = small_floats(kind)[:128].astype(np.float64)
    numbers = table[np.isfinite(table)]
    size = np.minimum(np.abs(value.astype(np.float64)), LARGEST[kind])
    above = np.searchsorted(numbers, np.nan_to_num(size), "left").clip(0, len(numbers) - 1)
    below = (above - 1).clip(0)
    up, down = numbers[above] - size, size - numbers[below]
    code = np.where((up < down) | ((up == down) & (above % 2 == 0)), above, below)
    code = np.where(np.isnan(value), 0x7F, code)
    return (code | np.where(np.signbit(value) & ~np.isnan(value), 0x80, 0)).astype(np.uint8)


def _to_small(instruction: Instruction, to: str, source: str) -> Run:
    kind, relu = to[:4], "relu" in instruction.parts

    def joined(upper: Array, lower: Array) -> Any:
        if relu:
            upper, lower = (np.where(v < 0, np.float32(0), v) for v in (upper, lower))
        high = to_small(upper, kind).astype(np.uint16)
        return (high << np.uint16(8)) | to_small(lower, kind)

    if source == "f32":
        return pure(joined, instruction, "b16", "f32", "f32")

    def of_pair(words: Array) -> Any:
        lower, upper = wide(lanes(words), source)
        return joined(upper, lower)

    return pure(of_pair, instruction, "b16", "b32")


def _from_small(instruction: Instruction, to: str, source: str) -> Run:
    table = small_floats(source[:4])

    def run(words: Array) -> Any:
        both = np.stack([table[words & np.uint16(255)], table[words >> np.uint16(8)]])
        return packed(narrow(both, to))

    return pure(run, instruction, "b32", "b16")


BINDERS = {"cvt": convert}
