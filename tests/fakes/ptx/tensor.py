"""Tensor-core instructions of a warp: mma.sync, ldmatrix, stmatrix."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.ptx import fragments
from tests.fakes.ptx.formats import FP8, fp8_sums, values
from tests.fakes.ptx.program import Instruction, Operand
from tests.fakes.ptx.step import Step

Array = NDArray[Any]


def whole_warps(step: Step, instruction: Instruction) -> bool:
    """Wait for the other lanes; an .aligned instruction needs all 32. False: none is complete."""
    if not step.converge():
        return False
    if len(step.threads) % 32 or (step.lane[::32] != 0).any():
        raise RuntimeError(f"line {instruction.line}: {instruction.text}: not all lanes are here")
    return True


def words(step: Step, operand: Operand) -> Array:
    """32-bit registers of whole warps: [registers, warps, 32]."""
    return np.stack(step.read_list(operand, "b32")).reshape(-1, len(step.threads) // 32, 32)


def write_words(step: Step, operand: Operand, made: Array) -> None:
    """The mirror of ``words``."""
    flat = np.ascontiguousarray(made).view(np.uint32).reshape(len(made), -1)
    step.write_list(operand, list(flat), "b32")


def space_of(instruction: Instruction) -> str:
    """Where an address leads."""
    return "shared" if any(p.startswith("shared") for p in instruction.parts) else "generic"


# --- mma.sync ---------------------------------------------------------------------------------

FP8_BY_WARPS = ("sm_89",)  # sm_90 and sm_100 widen fp8 to fp16 for mma.sync, whose sums are fp32


def mma(step: Step, instruction: Instruction) -> None:
    """d = a b + c on 16 x K by K x 8: parts are mma.sync.aligned.shape.row.col.d.a.b.c."""
    if not whole_warps(step, instruction):
        return
    shape, *orders, d_kind, a_kind, b_kind, c_kind = [
        part for part in instruction.parts[3:] if part != "satfinite"
    ]
    if orders != ["row", "col"] or not re.fullmatch(r"m16n8k(4|8|16|32)", shape):
        raise NotImplementedError(instruction.opcode)
    d, a, b, c = instruction.operands
    left = values(fragments.a_tile(words(step, a)), a_kind)
    right = values(fragments.b_tile(words(step, b)), b_kind)
    if left.shape[2] != int(shape.split("k")[1]):
        raise ValueError(f"line {instruction.line}: {shape} with {left.shape[2]} values of K")
    product, before = np.matmul(left, right.swapaxes(1, 2)), sums(step, c, c_kind)
    if a_kind in FP8 and d_kind == "f32" and step.kernel.target in FP8_BY_WARPS:
        made = fp8_sums(product + fp8_sums(before))
        product, before = made, np.zeros_like(made)
    write_sums(step, d, d_kind, product, before)


def sums(step: Step, operand: Operand, kind: str) -> Array:
    """Accumulators [warps, 16, 8] as float32, or int32."""
    held = words(step, operand)
    if kind == "f16":
        held = fragments.unpacked(held).view(np.float16).astype(np.float32)
    return fragments.d_tile(held.view(np.int32 if kind == "s32" else np.float32))


def write_sums(step: Step, operand: Operand, kind: str, product: Array, before: Array) -> None:
    """Integers wrap; f16 is rounded once, after the sum."""
    if kind == "s32":
        made = fragments.d_registers(product.astype(np.int32) + before)
    else:
        made = fragments.d_registers(product + before)
        made = fragments.packed(made.astype(np.float16)) if kind == "f16" else made
    write_words(step, operand, made)


# --- ldmatrix, stmatrix -----------------------------------------------------------------------


def _matrices(
    step: Step, instruction: Instruction, where: Operand
) -> tuple[int, bool, Array, Array]:
    """Count, whether transposed, and address and thread of each row: lane i has row i % 8 of
    matrix i / 8.
    """
    if "m8n8" not in instruction.parts or "b16" not in instruction.parts:
        raise NotImplementedError(instruction.opcode)
    count = next(int(part[1]) for part in instruction.parts if part in ("x1", "x2", "x4"))
    rows = step.address(where).reshape(-1, 32)[:, : 8 * count]
    if (rows & np.uint64(15)).any():
        raise RuntimeError(f"line {instruction.line}: a row of 16 bytes is not aligned to them")
    threads = step.threads.reshape(-1, 32)[:, : 8 * count]
    return count, "trans" in instruction.parts, rows.ravel(), threads.ravel()


def ldmatrix(step: Step, instruction: Instruction) -> None:
    """8 x 8 matrices of 16-bit values from rows in shared memory."""
    if not whole_warps(step, instruction):
        return
    d, where = instruction.operands
    count, transposed, rows, threads = _matrices(step, instruction, where)
    raw = step.memory.load_bytes(space_of(instruction), rows, 16, threads)
    tiles = raw.reshape(-1, count, 8, 16).swapaxes(0, 1)
    write_words(step, d, fragments.matrix_registers(tiles, transposed))


def stmatrix(step: Step, instruction: Instruction) -> None:
    """The mirror of ldmatrix."""
    if not whole_warps(step, instruction):
        return
    where, a = instruction.operands
    _, transposed, rows, threads = _matrices(step, instruction, where)
    tiles = fragments.matrix_rows(words(step, a), transposed).swapaxes(0, 1)
    raw = np.ascontiguousarray(tiles).reshape(-1, 16)
    step.memory.store_bytes(space_of(instruction), rows, raw, threads)


HANDLERS: dict[str, Callable[[Step, Instruction], None]] = {
    "mma.sync": mma,
    "ldmatrix.sync": ldmatrix,
    "stmatrix.sync": stmatrix,
}
