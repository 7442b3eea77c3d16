"""Sums longer than a register: instructions that leave a carry for the next one."""

from __future__ import annotations

import numpy as np

from tests.fakes.ptx.bind import Run, kind_of, reader, writer
from tests.fakes.ptx.program import BITS, Instruction
from tests.fakes.ptx.step import Array, Step
from tests.fakes.ptx.values import UNSIGNED

WORDS = ("addc", "subc")
KEPT = "carry"  # in Step.state: a bool of every thread of the batch


def carried(instruction: Instruction) -> Run:
    """add.cc, addc, sub.cc and subc; a carry of a difference is what was borrowed."""
    word, leaves = instruction.parts[0], "cc" in instruction.parts
    if word not in ("add", "sub", *WORDS):
        raise NotImplementedError("this instruction with a carry is not known")
    bits = BITS[kind_of(instruction)]
    one = UNSIGNED[bits].type(1)
    to, *given = instruction.operands
    write = writer(to, f"u{bits}")
    left, right = (reader(operand, f"u{bits}") for operand in given)

    def run(step: Step) -> None:
        flags: Array = step.state.setdefault(KEPT, np.zeros(step.count, dtype=bool))
        a = np.broadcast_to(left(step), step.threads.shape)
        b = np.broadcast_to(right(step), step.threads.shape)
        more = flags[step.threads] if word in WORDS else np.zeros(len(a), dtype=bool)
        if word.startswith("add"):
            total = a + b + more * one
            over = (total < a) | (more & (total == a))
        else:
            total = a - b - more * one
            over = (a < b) | (more & (a == b))
        write(step, total)
        if leaves:
            flags[step.threads] = over

    return run
