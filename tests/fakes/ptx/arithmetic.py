"""Arithmetic by the type of its operands."""

from __future__ import annotations

from collections.abc import Callable

from tests.fakes.ptx import carries, floats, halves, integers
from tests.fakes.ptx.bind import Run, kind_of
from tests.fakes.ptx.program import Instruction


def arithmetic(instruction: Instruction) -> Run:
    """Integers and bits, f32 and f64, 16-bit floats and their pairs."""
    kind = kind_of(instruction)
    if kind in ("f32", "f64"):
        return floats.arithmetic(instruction)
    if kind in ("f16", "f16x2", "bf16", "bf16x2"):
        return halves.arithmetic(instruction)
    word, parts = instruction.parts[0], instruction.parts
    if "cc" in parts or word in ("addc", "subc"):
        return carries.carried(instruction)
    if word not in integers.BINDERS or "sat" in parts:
        raise NotImplementedError("this arithmetic of integers is not known")
    return integers.BINDERS[word](instruction)


BINDERS: dict[str, Callable[[Instruction], Run]] = {
    **dict.fromkeys([*integers.BINDERS, *floats.FUNCTIONS, *carries.WORDS], arithmetic),
    "testp": floats.test_property,
}
