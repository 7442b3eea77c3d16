"""Instructions bound to their registers once, before they run thousands of times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fakes.ptx.program import (
    BITS,
    Immediate,
    Instruction,
    Operand,
    Pair,
    Register,
    Sink,
    Vector,
)
from tests.fakes.ptx.step import Array, Step
from tests.fakes.ptx.values import SIGNED, UNSIGNED, constant, dtype_of, from_bf16, to_bf16

Run = Callable[[Step], Any]
Read = Callable[[Step], Any]
Write = Callable[[Step, Array], None]
Handler = Callable[[Step, Instruction], None]
# What an instruction says about the threads that ran it: their new places stand in step.moves.
MOVED = -1


def reader(operand: Operand, kind: str) -> Read:
    """The operand of every thread at work; a number of the text as a numpy scalar."""
    if isinstance(operand, Immediate):
        value = constant(operand, kind)
        return lambda step: value
    if not isinstance(operand, Register):
        return lambda step: step.read(operand, kind)
    if kind == "bf16":
        bits = reader(operand, "b16")
        return lambda step: from_bf16(bits(step))
    if operand.bits == 1 or BITS[kind] == operand.bits:
        return _same_width(operand, dtype_of(kind))
    whole = _same_width(operand, UNSIGNED[operand.bits])
    wanted, narrow = dtype_of(kind), UNSIGNED[BITS[kind]]
    return lambda step: whole(step).astype(narrow).view(wanted)


def _same_width(register: Register, dtype: np.dtype[Any]) -> Read:
    at = register.index

    def read(step: Step) -> Array:
        value: Array = step.registers[at]
        if value is None:
            value = step.unwritten(register)
        if value.dtype is not dtype:
            value = value.view(dtype)
        return value if step.index is None else value[step.index]

    return read


def writer(operand: Operand, kind: str) -> Write:
    """Puts a new array of the type ``dtype_of(kind)`` (a bf16 as float32) into the operand."""
    if isinstance(operand, Sink):
        return lambda step, value: None
    if isinstance(operand, Pair):
        operand = operand.first
    if not isinstance(operand, Register):
        raise NotImplementedError(f"{operand} cannot be written")
    at, bits = operand.index, operand.bits
    if kind == "bf16":
        words = writer(operand, "b16")
        return lambda step, value: words(step, to_bf16(value))
    if bits == 1 or BITS[kind] == bits:
        return lambda step, value: put(step, at, value)
    wide = SIGNED[bits] if kind[0] == "s" else UNSIGNED[bits]
    source = dtype_of(kind) if kind[0] == "s" else UNSIGNED[BITS[kind]]
    return lambda step, value: put(step, at, value.view(source).astype(wide))


def put(step: Step, at: int, value: Array) -> None:
    """``value`` becomes the register where all threads are at work: nobody else may hold it."""
    index = step.index
    if index is None:
        step.registers[at] = value
        return
    held = step.registers[at]
    if held is None:
        held = step.unwritten(step.kernel.registers[at])
    if held.dtype is not value.dtype:
        held = held.view(value.dtype)
    held[index] = value


def pure(function: Callable[..., Any], instruction: Instruction, out: str, *kinds: str) -> Run:
    """``operands[0] = function(operands[1:])``; ``function`` makes a new array. Where no operand
    is an array it gets arrays all the same.
    """
    reads = [reader(o, k) for o, k in zip(instruction.operands[1:], kinds, strict=True)]
    write = writer(instruction.operands[0], out)
    if all(isinstance(o, Immediate) for o in instruction.operands[1:]):
        first = reads[0]
        reads[0] = lambda step: np.full(len(step.threads), first(step))
    if len(reads) == 1:
        (one,) = reads
        return lambda step: write(step, function(one(step)))
    if len(reads) == 2:
        left, right = reads
        return lambda step: write(step, function(left(step), right(step)))
    if len(reads) == 3:
        left, middle, right = reads
        return lambda step: write(step, function(left(step), middle(step), right(step)))
    return lambda step: write(step, function(*(read(step) for read in reads)))


def guarded(run: Run, instruction: Instruction) -> Run:
    """Only for the threads whose predicate holds."""
    if instruction.guard is None:
        return run
    register, negated = instruction.guard
    read = reader(register, "pred")

    def only(step: Step) -> Any:
        holds = read(step)
        if negated:
            holds = ~holds
        if holds.all():
            return run(step)
        if not holds.any():
            return None
        before = step.index
        step.index = np.flatnonzero(holds) if before is None else before[holds]
        try:
            return run(step)
        finally:
            step.index = before

    return only


def items_of(operand: Operand) -> tuple[Operand, ...]:
    """Of ``{...}``, or the operand alone."""
    return operand.items if isinstance(operand, Vector) else (operand,)


def kind_of(instruction: Instruction, nth: int = -1) -> str:
    """The nth of the types among the words of an opcode."""
    return [part for part in instruction.parts[1:] if part in BITS][nth]
