"""Comparisons, and choices by what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fakes.ptx.bind import Run, kind_of, pure, reader, writer
from tests.fakes.ptx.halves import lanes, wide
from tests.fakes.ptx.program import BITS, Instruction, Pair
from tests.fakes.ptx.step import Array, Step

ORDERED = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
    "gt": np.greater, "ge": np.greater_equal,
    "lo": np.less, "ls": np.less_equal, "hi": np.greater, "hs": np.greater_equal,
}  # fmt: skip
JOINS = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}


def comparison(name: str, floating: bool) -> Callable[[Array, Array], Any]:
    """The bool of two numbers. ``ltu`` and its like hold for NaN too."""
    if name == "num":
        return lambda a, b: ~(np.isnan(a) | np.isnan(b))
    if name == "nan":
        return lambda a, b: np.isnan(a) | np.isnan(b)
    if name == "ne" and floating:
        return lambda a, b: (a < b) | (a > b)
    if name == "neu":
        return np.not_equal
    if name in ("equ", "ltu", "leu", "gtu", "geu"):
        plain = ORDERED[name[:2]]
        return lambda a, b: plain(a, b) | np.isnan(a) | np.isnan(b)
    return ORDERED[name]


def _comparison_of(instruction: Instruction, kind: str) -> Callable[[Array, Array], Any]:
    return comparison(instruction.parts[1], "f" in kind)


def set_predicate(instruction: Instruction) -> Run:
    """setp: one predicate or two (the second of the opposite), joined with a third."""
    kind = kind_of(instruction)
    if kind in ("f16x2", "bf16x2"):
        return _set_two(instruction, kind)
    compare = _comparison_of(instruction, kind)
    to, *given = instruction.operands
    join = JOINS.get(instruction.parts[2])
    if join is None and not isinstance(to, Pair):
        return pure(compare, instruction, "pred", _read_as(kind), _read_as(kind))
    left, right = reader(given[0], _read_as(kind)), reader(given[1], _read_as(kind))
    third = reader(given[2], "pred") if join else None
    first, second = (to.first, to.second) if isinstance(to, Pair) else (to, None)
    write = writer(first, "pred")
    write_other = writer(second, "pred") if second else None

    def run(step: Step) -> None:
        holds = np.broadcast_to(compare(left(step), right(step)), step.threads.shape)
        other = ~holds
        if join is not None and third is not None:
            more = third(step)
            holds, other = join(holds, more), join(other, more)
        write(step, np.array(holds))
        if write_other:
            write_other(step, other)

    return run


def _read_as(kind: str) -> str:
    return kind if kind != "bf16" else "bf16"


def _set_two(instruction: Instruction, kind: str) -> Run:
    """A predicate for each half."""
    compare = _comparison_of(instruction, kind)
    to, a, b = instruction.operands[:3]
    if not isinstance(to, Pair) or len(instruction.operands) > 3:
        raise NotImplementedError("this comparison of pairs is not known")
    left, right = reader(a, "b32"), reader(b, "b32")
    low, high = writer(to.first, "pred"), writer(to.second, "pred")

    def run(step: Step) -> None:
        holds = compare(wide(lanes(left(step)), kind), wide(lanes(right(step)), kind))
        low(step, holds[0].copy())
        high(step, holds[1].copy())

    return run


def set_value(instruction: Instruction) -> Run:
    """set: all bits (or 1.0) where the comparison holds."""
    out, kind = [p for p in instruction.parts if p in BITS]
    compare = _comparison_of(instruction, kind)
    if out not in ("u32", "s32", "f32") or instruction.parts[2] in JOINS:
        raise NotImplementedError("this form of set is not known")
    if out == "f32":
        return pure(lambda a, b: compare(a, b).astype(np.float32), instruction, out, kind, kind)

    def run(a: Array, b: Array) -> Any:
        return np.where(compare(a, b), np.uint32(2**32 - 1), np.uint32(0))

    return pure(run, instruction, "u32", kind, kind)


def select(instruction: Instruction) -> Run:
    """selp."""
    raw = f"b{BITS[kind_of(instruction)]}"

    def run(a: Array, b: Array, holds: Array) -> Any:
        return np.where(holds, a, b)

    return pure(run, instruction, raw, raw, raw, "pred")


def select_by_sign(instruction: Instruction) -> Run:
    """slct."""
    out, kind = [p for p in instruction.parts if p in BITS]
    raw = f"b{BITS[out]}"

    def run(a: Array, b: Array, sign: Array) -> Any:
        return np.where(sign >= 0, a, b)

    return pure(run, instruction, raw, raw, raw, kind)


BINDERS = {"setp": set_predicate, "set": set_value, "selp": select, "slct": select_by_sign}
