"""Tensor descriptors for Triton: what the copy engine of sm_90 and later (TMA) can address.

One thread asks for a whole tile, and what lies outside the tensor arrives as zeros: no addresses
and no masks in registers, and a ragged inner axis costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from triton.tools.tensor_descriptor import TensorDescriptor

from compute.kernels.build.static import LIMITS
from compute.kernels.shared.matrices import CHUNK_BYTES, Operand

ARCHS = (90, 100)  # where Triton makes TMA of descriptors, and a table here knows the GPU
BLOCK_EXTRA_BYTES = 1024  # that the hardware keeps of every block's shared memory


def of_operand(
    found: Operand, rows: int, columns: int, block: Sequence[int]
) -> TensorDescriptor | None:
    """``rows`` x ``columns`` of a matrix as it lies in memory, in tiles of ``block`` with the axis
    of its lines last; None where lines overlap or a size is 0.
    """
    lines, length = (rows, columns) if found.along_columns else (columns, rows)
    if not lines or not length or found.stride < length:
        return None
    return TensorDescriptor(found.tensor, [lines, length], [found.stride, 1], list(block))


def of_lines(matrix: torch.Tensor, block: Sequence[int]) -> TensorDescriptor | None:
    """[lines, length] as it is; None where it is empty or expanded. Lines begin at 16 bytes."""
    strides = strides_of(matrix)
    if not matrix.numel() or 0 in strides:
        return None
    return TensorDescriptor(matrix, list(matrix.shape), strides, list(block))


def of_result(out: torch.Tensor, block: Sequence[int]) -> TensorDescriptor | None:
    """A dense matrix to store into; None where its lines begin at no multiple of 16 bytes."""
    rows, columns = out.shape
    if columns * out.element_size() % CHUNK_BYTES:
        return None
    return TensorDescriptor(out, [rows, columns], [columns, 1], list(block))


def strides_of(heads: torch.Tensor) -> list[int]:
    """Strides in elements; of an axis of one element, where they say nothing, that of a dense
    tensor: the copy engine takes no 0.
    """
    strides, each = list(heads.stride()), CHUNK_BYTES // heads.element_size()
    dense = math.ceil(heads.shape[-1] / each) * each
    for axis in reversed(range(heads.dim() - 1)):
        if heads.shape[axis] == 1:
            strides[axis] = dense
        dense = max(dense, strides[axis] * heads.shape[axis])
    return [*strides[:-1], 1]


def of_heads(heads: torch.Tensor, lines: int, length: int) -> TensorDescriptor | None:
    """[B, H, S, D], so many lines of one head at a time; None where an axis is empty or expanded,
    or lines do not begin at multiples of 16 bytes.
    """
    strides = strides_of(heads)
    odd = any(s * heads.element_size() % CHUNK_BYTES for s in strides[:-1])
    if not heads.numel() or 0 in strides or odd:
        return None
    return TensorDescriptor(heads, list(heads.shape), strides, [1, 1, lines, length])


def together(shared_bytes: int) -> int:
    """Blocks of so much shared memory that a multiprocessor of Hopper or Blackwell holds, one at
    least; more than two only wait for each other's tensor cores.
    """
    return max(1, min(2, LIMITS[90][2] // (shared_bytes + BLOCK_EXTRA_BYTES)))
