"""Arithmetic of f16, bf16 and pairs of them: computed in float32, rounded once to 16 bits.

A float32 has more than twice the bits of either, so that sums, products, quotients and roots come
out as if rounded once; fma goes through float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fakes.ptx.bind import Run, kind_of, pure
from tests.fakes.ptx.floats import function_of
from tests.fakes.ptx.program import Instruction
from tests.fakes.ptx.step import Array
from tests.fakes.ptx.values import from_bf16, to_bf16


def wide(bits: Array, kind: str) -> Any:
    """float32 of uint16."""
    if kind.startswith("bf16"):
        return from_bf16(bits)
    return bits.view(np.float16).astype(np.float32)


def narrow(value: Array, kind: str) -> Any:
    """uint16 of float32 (or of float64 where that was exact)."""
    if kind.startswith("bf16"):
        return to_bf16(value.astype(np.float32))
    got = value.astype(np.float16).view(np.uint16)
    strange = np.isnan(value)
    return np.where(strange, np.uint16(0x7FFF), got) if strange.any() else got


def lanes(words: Array) -> Any:
    """uint16 [2, n] of uint32 [n], the lower half first."""
    words = np.asarray(words)
    low = (words & np.uint32(0xFFFF)).astype(np.uint16)
    return np.stack([low, (words >> np.uint32(16)).astype(np.uint16)])


def packed(halves: Array) -> Any:
    """The mirror of ``lanes``."""
    return halves[0].astype(np.uint32) | (halves[1].astype(np.uint32) << np.uint32(16))


def exact_fused(a: Array, b: Array, c: Array) -> Any:
    """a b + c in float64: products of 16-bit numbers are exact there, sums nearly always."""
    return a.astype(np.float64) * b + c


def rounded(function: Callable[..., Any], kind: str, relu: bool) -> Callable[..., Any]:
    """``function`` of float32 as one of uint16."""

    def run(*bits: Array) -> Any:
        got = function(*(wide(b, kind) for b in bits))
        if relu:
            got = np.where(np.isnan(got), got, np.maximum(got, 0))
        return narrow(got, kind)

    return run


def arithmetic(instruction: Instruction) -> Run:
    """An instruction on 16-bit numbers or pairs."""
    kind = kind_of(instruction)
    word = instruction.parts[0]
    if word in ("abs", "neg"):
        return _signs(instruction, kind)
    function, arity = function_of(instruction)
    if word == "fma":
        function = exact_fused
    if "sat" in instruction.parts:
        raise NotImplementedError("saturated arithmetic of 16-bit numbers is not known")
    run = rounded(function, kind, "relu" in instruction.parts)
    if not kind.endswith("x2"):
        return pure(run, instruction, "b16", *["b16"] * arity)
    return pure(
        lambda *words: packed(run(*(lanes(w) for w in words))), instruction, "b32", *["b32"] * arity
    )


def _signs(instruction: Instruction, kind: str) -> Run:
    """abs and neg touch the sign's bit alone."""
    raw, signs = (
        ("b32", np.uint32(0x80008000)) if kind.endswith("x2") else ("b16", np.uint16(32768))
    )
    if instruction.parts[0] == "neg":
        return pure(lambda a: a ^ signs, instruction, raw, raw)
    return pure(lambda a: a & ~signs, instruction, raw, raw)
