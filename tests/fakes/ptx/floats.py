"""Arithmetic of f32 and f64: one IEEE rounding an operation.

fma.f32 is computed in float64 and rounded to float32: in one of some 2^29 cases, a tie that the
sum's own rounding made, its last bit differs from a GPU's. Approximations (ex2, lg2, rcp, rsqrt,
sin, cos, tanh) are closer to the exact value than the GPU's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fakes.ptx.bind import Run, kind_of, pure
from tests.fakes.ptx.program import Instruction
from tests.fakes.ptx.step import Array

Function = Callable[..., Any]
TINY = np.float32(2.0**-126)  # the smallest normal number
HUGE = np.float32(2.0**126)  # div.approx gives 0 for larger divisors


def fused(a: Array, b: Array, c: Array) -> Any:
    """a b + c with one rounding (see above); f64 in long double."""
    if a.dtype == np.float64:
        wide = np.longdouble
        return (a.astype(wide) * b.astype(wide) + c.astype(wide)).astype(np.float64)
    return (a.astype(np.float64) * b + c).astype(np.float32)


def divided_roughly(a: Array, b: Array) -> Any:
    """div.approx: by more than 2^126 the result is 0."""
    exact = a / b
    return np.where(
        (np.abs(b) > HUGE) & np.isfinite(a), np.copysign(exact.dtype.type(0), exact), exact
    )


def through_double(function: Function) -> Function:
    """float32 by way of float64, where numpy's own float32 functions are less exact."""

    def run(a: Array) -> Any:
        return function(a.astype(np.float64)).astype(np.float32)

    return run


def flushed(value: Array) -> Any:
    """Subnormal float32 as zeros of the same sign."""
    return np.where(np.abs(value) < TINY, np.copysign(np.float32(0), value), value)


def smallest(a: Array, b: Array) -> Any:
    """min: a NaN loses, -0 is below +0."""
    return np.where((a == b) & np.signbit(a), a, np.fmin(a, b))


def largest(a: Array, b: Array) -> Any:
    """max: a NaN loses, +0 is above -0."""
    return np.where((a == b) & np.signbit(b), a, np.fmax(a, b))


def smallest_or_nan(a: Array, b: Array) -> Any:
    """min.NaN."""
    return np.where((a == b) & np.signbit(a), a, np.minimum(a, b))


def largest_or_nan(a: Array, b: Array) -> Any:
    """max.NaN."""
    return np.where((a == b) & np.signbit(b), a, np.maximum(a, b))


def function_of(instruction: Instruction) -> tuple[Function, int]:
    """What the instruction computes, and of how many operands."""
    word, parts = instruction.parts[0], instruction.parts
    if any(p in ("rz", "rm", "rp") for p in parts):
        raise NotImplementedError("only rounding to the nearest is known")
    if word in ("min", "max") and "NaN" in parts:
        return (smallest_or_nan if word == "min" else largest_or_nan), 2
    if word == "div" and "approx" in parts:
        return divided_roughly, 2
    if word not in FUNCTIONS:
        raise NotImplementedError(f"{word} of floating-point numbers is not known")
    return FUNCTIONS[word]


def _root(a: Array) -> Any:
    return (1.0 / np.sqrt(a.astype(np.float64))).astype(a.dtype)


FUNCTIONS: dict[str, tuple[Function, int]] = {
    "add": (np.add, 2),
    "sub": (np.subtract, 2),
    "mul": (np.multiply, 2),
    "div": (np.divide, 2),
    "fma": (fused, 3),
    "mad": (fused, 3),
    "min": (smallest, 2),
    "max": (largest, 2),
    "abs": (np.abs, 1),
    "neg": (np.negative, 1),
    "rcp": (np.reciprocal, 1),
    "sqrt": (np.sqrt, 1),
    "rsqrt": (_root, 1),
    "ex2": (np.exp2, 1),
    "lg2": (through_double(np.log2), 1),
    "sin": (through_double(np.sin), 1),
    "cos": (through_double(np.cos), 1),
    "tanh": (through_double(np.tanh), 1),
    "copysign": (lambda a, b: np.copysign(b, a), 2),
}


def arithmetic(instruction: Instruction) -> Run:
    """An instruction on f32 or f64, with ftz and sat."""
    kind = kind_of(instruction)
    function, arity = function_of(instruction)
    exact = function
    if "ftz" in instruction.parts and kind == "f32":

        def with_flush(*values: Array) -> Any:
            return flushed(exact(*(flushed(v) for v in values)))

        function = with_flush
    if "sat" in instruction.parts:
        unclamped = function

        def clamped(*values: Array) -> Any:
            got = unclamped(*values)
            return np.clip(np.where(np.isnan(got), got.dtype.type(0), got), 0, 1).astype(got.dtype)

        function = clamped
    return pure(function, instruction, kind, *[kind] * arity)


def test_property(instruction: Instruction) -> Run:
    """testp."""
    kind, asked = kind_of(instruction), instruction.parts[1]

    def run(a: Array) -> Any:
        normal = np.abs(a) >= np.finfo(a.dtype).tiny
        answers = {
            "finite": np.isfinite(a), "infinite": np.isinf(a), "number": ~np.isnan(a),
            "notanumber": np.isnan(a), "normal": np.isfinite(a) & normal,
            "subnormal": ~normal & (a != 0) & ~np.isnan(a),
        }  # fmt: skip
        return answers[asked]

    return pure(run, instruction, "pred", kind)
