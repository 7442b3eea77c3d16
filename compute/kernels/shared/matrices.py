"""What the matrix operators share: operands as the tensor cores load them, and how a launch fills
a GPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from compute.kernels.build.places import interpreted, multiprocessors

CHUNK_BYTES = 16  # of cp.async, and of the widest load
DIVISIBLE = 16  # elements: what Triton specialises on, and what makes its loads asynchronous
# On a CPU: few, so that checks with sides below 256 take the paths of large matrices too.
EMULATED_MULTIPROCESSORS = 2
# Blocks that share a multiprocessor, by kind of shape, where Triton decides: what its shared
# memory leaves room for.
TOGETHER = {"large": 1, "medium": 2, "small": 3, "skinny": 4}
LEAST = 256  # of a split inner axis: shorter parts are all prologue


@dataclass(frozen=True)
class TilePlan:
    """How a CUDA block multiplies (cuda/tile.cuh): ``bm`` x ``bn`` of the result, ``bk`` of the
    inner axis at a time, ``wm`` x ``wn`` a warp; ``blocks`` that share a multiprocessor. With 16
    rows and all columns a warp it is one of Hopper's (hopper/cuda_gemm.py).
    """

    bm: int
    bn: int
    bk: int
    wm: int
    wn: int
    stages: int
    blocks: int

    FIELDS: ClassVar = ("bm", "bn", "bk", "wm", "wn", "stages", "blocks")

    @property
    def numbers(self) -> tuple[int, ...]:
        """By ``FIELDS``."""
        return (self.bm, self.bn, self.bk, self.wm, self.wn, self.stages, self.blocks)

    @property
    def threads(self) -> int:
        """Of a block."""
        return self.bm // self.wm * (self.bn // self.wn) * 32

    @property
    def by_warpgroups(self) -> bool:
        """As wgmma cuts a tile; with mma.sync a warp of 16 rows would load eight times as much."""
        return self.wm == 16 and self.wn == self.bn and self.bm >= 128

    def shared_bytes(self, size: int, a_k: bool, b_k: bool) -> int:
        """Of the ring of stages; ``a_k``, ``b_k``: lines run along the inner axis."""
        a = lines_bytes(self.bk if a_k else self.bm, size) * (self.bm if a_k else self.bk)
        b = lines_bytes(self.bk if b_k else self.bn, size) * (self.bn if b_k else self.bk)
        return self.stages * (a + b)

    def template(self, *types: str, a_k: bool, b_k: bool) -> tuple[str | int, ...]:
        """The kernel's template arguments after ``types``."""
        sizes = (self.bm, self.bn, self.bk, self.wm, self.wn, self.stages)
        return (*types, *sizes, str(a_k).lower(), str(b_k).lower(), self.blocks)


def kind_of(m: int, n: int, processors: int) -> str:
    """Which row of a table: the largest tiles that still give every multiprocessor one."""
    if m <= 16:
        return "skinny"
    for kind, bm, bn in (("large", 128, 256), ("medium", 128, 128)):
        if math.ceil(m / bm) * math.ceil(n / bn) >= processors and m > 64:
            return kind
    return "small"


def lines_bytes(elements: int, size: int) -> int:
    """From one line of a tile in shared memory to the next: an odd number of 16-byte chunks."""
    return (elements * size // CHUNK_BYTES | 1) * CHUNK_BYTES


@dataclass(frozen=True)
class Operand:
    """A matrix with one dense axis, ``along_columns`` or along its rows; ``stride`` elements from
    one dense line to the next, ``dense`` elements in one (more than the matrix has when padded
    with zeros). Lines begin at multiples of 16 bytes.
    """

    tensor: torch.Tensor
    along_columns: bool
    stride: int
    dense: int


def operand(matrix: torch.Tensor, whole: int = 1) -> Operand:
    """``matrix`` as it is if its lines begin at 16 bytes and hold a multiple of ``whole``
    elements, else a copy padded with zeros: loads of 2 bytes would cost far more than the copy
    (no cp.async at all; research: 175 registers instead of 108 in the same Triton kernel).
    """
    for found in (_along_columns(matrix), _along_columns(matrix.t())):
        if found and found.dense % whole == 0:
            return found if found.tensor is matrix else _turned(found, matrix)
    rows, columns = matrix.shape
    across = matrix.stride(0) == 1 and rows > 1  # the copy keeps the order of memory
    lines, length = (columns, rows) if across else (rows, columns)
    held = matrix.new_zeros((lines, max(1, math.ceil(length / DIVISIBLE)) * DIVISIBLE))
    held[:, :length].copy_(matrix.t() if across else matrix)
    return Operand(held, not across, held.shape[1], held.shape[1])


def _along_columns(matrix: torch.Tensor) -> Operand | None:
    rows, columns = matrix.shape
    if columns > 1 and matrix.stride(1) != 1:
        return None
    each = CHUNK_BYTES // matrix.element_size()
    stride = matrix.stride(0) if rows > 1 else math.ceil(columns / each) * each
    if stride % each or matrix.data_ptr() % CHUNK_BYTES:
        return None
    return Operand(matrix, True, stride, columns)


def _turned(found: Operand, matrix: torch.Tensor) -> Operand:
    return Operand(matrix, False, found.stride, found.dense)


def multiprocessors_of(tensor: torch.Tensor) -> int:
    """Of the GPU that holds it."""
    if not tensor.is_cuda:
        return EMULATED_MULTIPROCESSORS
    return multiprocessors(tensor.device.index or 0)


def parts_of(length: int, tiles: int, slots: int, block: int) -> tuple[int, int]:
    """(parts, length of one) of an inner axis, so that ``tiles`` fill ``slots`` places; a part is
    whole blocks and ``LEAST`` long or longer.
    """
    wanted = max(1, min(slots // max(1, tiles), length // LEAST))
    part = max(1, math.ceil(math.ceil(length / wanted) / block)) * block
    return max(1, math.ceil(length / part)), part


def upcast(tensor: torch.Tensor) -> bool:
    """Whether ``tl.dot`` needs fp32 operands: Triton's interpreter multiplies bf16 wrongly
    (relative error 1e10, and no word about it).
    """
    return interpreted() and tensor.dtype == torch.bfloat16


def head_lines(heads: torch.Tensor, whole: int = 1) -> tuple[torch.Tensor, list[int], int]:
    """(tensor, strides of all axes but the last, elements of a line) for vectors along the last
    axis that begin at 16 bytes; a padded copy where they do not, or are no multiple of ``whole``.
    """
    size, each = heads.shape[-1], CHUNK_BYTES // heads.element_size()
    strides = _outer_strides(heads)
    ready = (size <= 1 or heads.stride(-1) == 1) and heads.data_ptr() % CHUNK_BYTES == 0
    if ready and size % whole == 0 and all(s % each == 0 for s in strides):
        return heads, strides, size
    padded = max(1, math.ceil(size / DIVISIBLE)) * DIVISIBLE
    held = heads.new_zeros((*heads.shape[:-1], padded))
    held[..., :size].copy_(heads)
    return held, _outer_strides(held), padded


def _outer_strides(heads: torch.Tensor) -> list[int]:
    # Of an axis of one element the stride says nothing, and torch leaves anything in it.
    return [s if n > 1 else 0 for s, n in zip(heads.stride(), heads.shape, strict=True)][:-1]


def positive(q: torch.Tensor, scale: float) -> tuple[torch.Tensor, float]:
    """The same logits with a scale above 0, which kernels apply after they took the maximum."""
    if scale > 0:
        return q, scale
    return (-q, -scale) if scale < 0 else (q * 0, 1.0)
