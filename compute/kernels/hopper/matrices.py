"""What the matrix kernels for Hopper share (cuda/gemm_hopper.cuh): which products they take, their
operands as the copy engine addresses them, and what a block of theirs needs.
"""

from __future__ import annotations

import math

import torch

from compute.kernels.build.tensor_maps import TensorMap, matrix_map, why_not_mapped
from compute.kernels.shared.matrices import TilePlan

LINE_BYTES = 128  # of a tile in shared memory
ROWS = 64  # of the result that one warpgroup multiplies
STORED = (64, 16)  # 16-bit results in one store, by the rows of a warp


def fills(m: int, n: int, processors: int) -> bool:
    """Whether half of the multiprocessors or more have a tile of 128 x 128. With 64 rows and fewer
    a product waits for the weights' bytes, whatever multiplies them.
    """
    return m > 64 and 2 * math.ceil(m / 128) * math.ceil(n / 128) >= processors


def operand_map(
    tensor: torch.Tensor, along_k: bool, stride: int, lines: int, k: int, tile: int
) -> TensorMap | None:
    """Of ``lines`` rows of a or columns of b, of which ``tile`` are one tile; None where there
    can be none. Along the inner axis a tile is one box, across it one box for 64 lines.
    """
    each = LINE_BYTES // tensor.element_size()
    sizes = (k, lines) if along_k else (lines, k)
    if sizes[1] == 1:  # whatever is said of the distance to a second line
        stride = math.ceil(sizes[0] / each) * each
    if why_not_mapped(tensor, sizes, (stride * tensor.element_size(),)):
        return None
    box = (each, tile if along_k else each)
    return matrix_map(tensor, sizes[1], sizes[0], stride, box)


def result_map(out: torch.Tensor) -> TensorMap | None:
    """Of a dense result; None where its rows do not begin at multiples of 16 bytes."""
    m, n = out.shape
    if why_not_mapped(out, (n, m), (n * out.element_size(),)):
        return None
    return matrix_map(out, m, n, n, STORED)


def threads(plan: TilePlan) -> int:
    """A warpgroup for each 64 rows, and the one that copies."""
    return (plan.bm // ROWS + 1) * 128


def shared_bytes(plan: TilePlan) -> int:
    """The ring, two pieces of results a warp, two barriers a stage."""
    ring = plan.stages * (plan.bm + plan.bn) * LINE_BYTES
    pieces = plan.bm // STORED[1] * 2 * STORED[1] * LINE_BYTES
    return ring + pieces + 2 * plan.stages * 8
