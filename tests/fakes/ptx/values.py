"""PTX's types as numpy's, and numbers of one type as another's bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.ptx.program import BITS, Immediate

Array = NDArray[Any]
UNSIGNED: dict[int, np.dtype[Any]] = {
    8: np.dtype(np.uint8), 16: np.dtype(np.uint16), 32: np.dtype(np.uint32),
    64: np.dtype(np.uint64), 128: np.dtype(np.complex128),
}  # fmt: skip
SIGNED: dict[int, np.dtype[Any]] = {
    8: np.dtype(np.int8), 16: np.dtype(np.int16), 32: np.dtype(np.int32), 64: np.dtype(np.int64)
}  # fmt: skip
FLOAT: dict[str, np.dtype[Any]] = {
    "f16": np.dtype(np.float16),
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
}
BOOL = np.dtype(np.bool_)


def dtype_of(kind: str) -> np.dtype[Any]:
    """numpy's type that holds the bits of a PTX type: uint16 for bf16, uint32 for f16x2."""
    if kind in FLOAT:
        return FLOAT[kind]
    if kind == "pred":
        return BOOL
    return SIGNED[BITS[kind]] if kind[0] == "s" else UNSIGNED[BITS[kind]]


def from_bf16(bits: Array) -> Array:
    """float32 of uint16 bits, exact."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def to_bf16(value: Array) -> Array:
    """uint16 bits of float32, to the nearest, ties to even; a NaN becomes 0x7fff."""
    bits = np.ascontiguousarray(value, dtype=np.float32).view(np.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    made = ((bits + np.uint32(0x7FFF) + odd) >> np.uint32(16)).astype(np.uint16)
    strange = np.isnan(value)
    return np.where(strange, np.uint16(0x7FFF), made) if strange.any() else made


def constant(immediate: Immediate, kind: str) -> Any:
    """The number as a numpy scalar of this type (a bf16 as float32)."""
    value = immediate.value
    if immediate.kind == "int":
        if kind == "pred":
            return np.bool_(value)
        if kind == "bf16":
            return from_bf16(np.array([value % 2**16], dtype=np.uint16))[0]
        bits = BITS[kind]
        return UNSIGNED[bits].type(value % 2**bits).view(dtype_of(kind))
    raw = np.uint32(value) if immediate.kind == "f32" else np.uint64(value)
    number = raw.view(np.float32 if immediate.kind == "f32" else np.float64)
    if kind in FLOAT:
        return FLOAT[kind].type(number)
    return raw.astype(UNSIGNED[BITS[kind]]).view(dtype_of(kind))


def narrowed(value: Array, bits: int, kind: str) -> Array:
    """The lowest bits of a register ``bits`` wide, as ``kind``."""
    if bits == 1:
        return value if kind == "pred" else value.astype(dtype_of(kind))
    wanted = BITS[kind]
    if wanted != bits:
        value = value.view(UNSIGNED[bits]).astype(UNSIGNED[wanted])
    return from_bf16(value.view(np.uint16)) if kind == "bf16" else value.view(dtype_of(kind))


def widened(value: Array, bits: int, kind: str) -> Array:
    """``value`` of ``kind`` as a register ``bits`` wide holds it; signed types are extended."""
    if bits == 1:
        return value.astype(BOOL)
    if kind == "bf16":
        value = to_bf16(value)
    made = np.ascontiguousarray(value.astype(dtype_of(kind), copy=False))
    if BITS[kind] == bits:
        return made
    if kind[0] == "s":
        return made.astype(SIGNED[bits])
    return made.view(UNSIGNED[BITS[kind]]).astype(UNSIGNED[bits])
