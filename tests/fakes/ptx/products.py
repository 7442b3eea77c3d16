"""What a wgmma computes: its opcode, its operands in shared memory or registers, its sums."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.ptx import fragments
from tests.fakes.ptx.fences import need_fence
from tests.fakes.ptx.formats import FP8, SIZES, fp8_sums, values
from tests.fakes.ptx.memory import SHARED_BASE
from tests.fakes.ptx.program import Immediate, Instruction, Register, Vector
from tests.fakes.ptx.step import Step
from tests.fakes.ptx.tiles import MatrixAddress

Array = NDArray[Any]


@dataclass(frozen=True)
class Form:
    """What the opcode and the immediates say."""

    n: int
    d: str
    a: str
    b: str
    signs: float = 1.0
    a_along_k: bool = True
    b_along_k: bool = True

    @staticmethod
    def of(instruction: Instruction) -> Form:
        """wgmma.mma_async.sync.aligned.m64nNkK.d.a.b d, a, b, scale-d, signs..., orders..."""
        parts = [p for p in instruction.parts if p != "satfinite"]
        shape = re.fullmatch(r"m64n(\d+)k(\d+)", parts[4])
        if shape is None or len(parts) != 8:
            raise NotImplementedError(instruction.opcode)
        d, a, b = parts[5:]
        n, k = int(shape[1]), int(shape[2])
        if k * SIZES[a] != 32 or n % 8 or not 8 <= n <= 256:
            raise ValueError(f"line {instruction.line}: no such shape: {instruction.opcode}")
        if SIZES[a] != SIZES[b]:
            raise ValueError(f"line {instruction.line}: operands of different sizes")
        numbers = [o.value for o in instruction.operands[4:] if isinstance(o, Immediate)]
        signs = numbers[:2] if d != "s32" else []
        turned = iter(numbers[len(signs) :])
        in_registers = isinstance(instruction.operands[1], Vector)
        a_turned = 0 if in_registers else next(turned, 0)
        b_turned = next(turned, 0)
        if (a_turned or b_turned) and SIZES[a] != 2:
            raise ValueError(f"line {instruction.line}: only 16-bit operands can be transposed")
        sign = float(np.prod(signs)) if signs else 1.0
        return Form(n, d, a, b, sign, not a_turned, not b_turned)


@dataclass(eq=False)
class Product:
    """One instruction of one warpgroup. ``after``: the pending product it adds to."""

    number: int
    form: Form
    group: int  # commit group
    threads: Array  # [128] of the batch
    registers: tuple[Register, ...]
    a: MatrixAddress | Array
    b: MatrixAddress
    before: Array | None
    after: Product | None
    line: int
    result: Array | None = None

    def compute(self, step: Step) -> None:
        """[registers, 128] words, from what is in shared memory now."""
        form = self.form
        if isinstance(self.a, MatrixAddress):
            left = self._operand(step, self.a, 64, form.a_along_k, form.a)
        else:
            left = values(fragments.group_a_tile(self.a[:, None]), form.a)[0]
        right = self._operand(step, self.b, form.n, form.b_along_k, form.b)
        product = form.signs * (left @ right.T)
        before = self.after.result if self.after is not None else self.before
        if form.a in FP8 and form.d == "f32":
            before = None if before is None else fp8_sums(before).view(np.uint32)
            self.result = fp8_sums(_summed(product, before, form.d)).view(np.uint32)
        else:
            self.result = _summed(product, before, form.d)
        self.after = self.before = None

    def _operand(
        self, step: Step, at: MatrixAddress, lines: int, along_k: bool, kind: str
    ) -> Array:
        size, cta = SIZES[kind], int(step.cta_of[self.threads[0]])
        shared = step.shared[cta]
        places = at.places(lines, along_k, size) - SHARED_BASE
        if places.min() < 0 or places.max() + size > len(shared):
            raise RuntimeError(
                f"line {self.line}: a product reads shared memory at byte {int(places.min())} to "
                f"{int(places.max()) + size} of {len(shared)} ({at})"
            )
        need_fence(step, places // size, size, f"line {self.line}: a product")
        raw = shared.view(f"u{size}")[places // size]
        return values(np.ascontiguousarray(raw).view(np.uint8).reshape(lines, 32), kind)


def _summed(product: Array, before: Array | None, kind: str) -> Array:
    """Words of the accumulators; ``before`` are their words, or None for zero."""
    if kind == "f16":
        if before is not None:
            held = fragments.unpacked(before).view(np.float16).astype(np.float32)
            product = product + fragments.group_d_tile(held[:, None])[0]
        made = fragments.group_d_registers(product[None])[:, 0]
        return fragments.packed(made.astype(np.float16))
    made = fragments.group_d_registers(product[None])[:, 0]
    if kind == "s32":
        total = made.astype(np.int32)
        return (total if before is None else total + before.view(np.int32)).view(np.uint32)
    made = made if before is None else made + np.ascontiguousarray(before).view(np.float32)
    return np.ascontiguousarray(made).view(np.uint32)


@cache
def form_of(instruction: Instruction) -> Form:
    """Each instruction is read once."""
    return Form.of(instruction)
