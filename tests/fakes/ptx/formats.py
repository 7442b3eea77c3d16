"""Bytes of the machine's number formats to float32 and back, as tensor cores read them."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

SIZES = {"f16": 2, "bf16": 2, "tf32": 4, "e4m3": 1, "e5m2": 1, "s8": 1, "u8": 1}
TF32_BITS = np.uint32(0xFFFFE000)  # 10 bits of mantissa; the 13 below are not looked at

FP8 = ("e4m3", "e5m2")
FP8_SUM_BITS = np.uint32(0xFFFFFC00)


def fp8_sums(sums: Floats) -> Floats:
    """fp32 sums as tensor cores of Ada and Hopper hold them between products of fp8: with 13 bits
    of mantissa, the ten below are cut off (Zhang et al. 2024, SageAttention2, measured).
    """
    return (np.ascontiguousarray(sums).view(np.uint32) & FP8_SUM_BITS).view(np.float32)


def values(raw: Bytes, kind: str) -> Floats:
    """``raw`` [..., bytes] -> float32 [..., elements]; exact for every format here."""
    raw = np.ascontiguousarray(raw)
    if kind == "f16":
        return raw.view(np.float16).astype(np.float32)
    if kind == "bf16":
        return (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if kind == "tf32":
        return (raw.view(np.uint32) & TF32_BITS).view(np.float32)
    if kind in FP8:
        return small_floats(kind)[raw]
    if kind in ("s8", "u8"):
        return raw.view(np.int8 if kind == "s8" else np.uint8).astype(np.float32)
    raise ValueError(f"no tensor-core operand is called {kind!r}")


@cache
def small_floats(kind: str) -> Floats:
    """The 256 values of an 8-bit format. e4m3 has no infinity: only 0x7f and 0xff are no number."""
    exponent_bits, bias = (4, 7) if kind == "e4m3" else (5, 15)
    mantissa_bits = 7 - exponent_bits
    code = np.arange(256)
    exponent = code >> mantissa_bits & (1 << exponent_bits) - 1
    fraction = (code & (1 << mantissa_bits) - 1) / (1 << mantissa_bits)
    size = np.where(
        exponent == 0,
        fraction * 2.0 ** (1 - bias),
        (1 + fraction) * 2.0 ** (exponent.astype(np.float64) - bias),
    )
    if kind == "e4m3":
        size[code & 0x7F == 0x7F] = np.nan
    else:
        last = exponent == (1 << exponent_bits) - 1
        size[last] = np.where(fraction[last] == 0, np.inf, np.nan)
    return np.where(code < 128, size, -size).astype(np.float32)
