"""What the element-wise operators share: how a matrix is cut into pieces, and how it is launched.

The CUDA side is cuda/pieces.cuh.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import triton

from compute.kernels.build.cuda import C_NAME, CudaKernel, NotCompiled
from compute.kernels.build.triton import aot, pointer
from compute.kernels.cases.data import aligned, dense_rows, dtype_name, row_stride
from compute.kernels.operator import SIZES, Cubin, Dims
from compute.kernels.plans.choosing import Choice, Config

VECTOR_BYTES = 16
# Four loads of 16 bytes by 256 threads: 16 KiB an input under way in a block.
THREADS, EACH = 256, 4
BLOCK, WARPS = 2048, 4  # a Triton program: 16 values a thread, as many bytes as two vectors in bf16
LARGE = 1 << 22  # elements: above it a launch is long enough that memory alone counts


def as_rows(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Matrices with a dense last axis; one single row where all of them are dense.

    A tensor whose last axis is not dense is copied first.
    """
    if all(t.is_contiguous() for t in tensors) or tensors[0].dim() == 1:
        return tuple(t.contiguous().view(1, -1) for t in tensors)
    return tuple(dense_rows(t) for t in tensors)


def strides(*tensors: torch.Tensor) -> tuple[int, ...]:
    """Elements between the rows of each."""
    return tuple(row_stride(t) for t in tensors)


def bucket_of(elements: int) -> str:
    """What is tuned together."""
    return "large" if elements >= LARGE else "small"


def _bucket(dims: Dims, dtype: str, processors: int) -> str:
    return bucket_of(math.prod(dims.values()))


# --- Triton -----------------------------------------------------------------------------------


def line_by_triton(choice: Choice, kernel: Any, *inputs: torch.Tensor) -> torch.Tensor:
    """For [N]: one launch, after a copy of what is not dense."""
    dense = [t.contiguous() for t in inputs]
    out = torch.empty_like(dense[0])
    if count := out.numel():
        block, warps = choice.taken(out, dtype_name(out), bucket_of(count))
        kernel[(triton.cdiv(count, block),)](*dense, out, count, block, num_warps=warps)
    return out


def pair_by_triton(
    choice: Choice, kernel: Any, gate: torch.Tensor, up: torch.Tensor
) -> torch.Tensor:
    """For two [M, N]: one launch, after a copy of what has no dense rows."""
    g, u = as_rows(gate, up)
    out = torch.empty(gate.shape, dtype=gate.dtype, device=gate.device)
    if out.numel():
        rows, columns = g.shape
        block, warps = choice.taken(out, dtype_name(out), bucket_of(out.numel()))
        pieces = triton.cdiv(columns, block)
        kernel[(rows * pieces,)](g, u, out, *strides(g, u), columns, pieces, block, num_warps=warps)
    return out


Kinds = tuple[dict[str, str], tuple[str, ...]]  # types at run time; what is a multiple of 16


def line_kinds(inputs: Sequence[str], dtype: str, whole: bool = True) -> Kinds:
    """Of a kernel on [N]: whole vectors, or a count that is not a multiple of 16."""
    pointers = (*inputs, "out")
    kinds = dict.fromkeys(pointers, pointer(dtype)) | {"count": "i64"}
    return kinds, (*pointers, "count") if whole else pointers


def pair_kinds(dtype: str, whole: bool = True) -> Kinds:
    """Of a kernel on gate and up: whole vectors, or rows that begin anywhere."""
    pointers = ("gate", "up", "out")
    sizes = ("gate_stride", "up_stride", "columns")
    kinds = dict.fromkeys(pointers, pointer(dtype)) | dict.fromkeys((*sizes, "pieces"), "i32")
    return kinds, (*pointers, *sizes) if whole else pointers


def triton_builds(kernel: Any, arch: int, *variants: Kinds) -> list[Cubin]:
    """The kernel in its usual configuration for each of ``variants``."""
    block = {"BLOCK": BLOCK}
    return [
        aot(kernel, arch, kinds, block, divisible=promised, num_warps=WARPS)
        for kinds, promised in variants
    ]


def block_choice(operator: str, kernel: Any, kinds_of: Callable[[str], Kinds]) -> Choice:
    """What the Triton launcher of an element-wise operator may choose."""
    every = [(BLOCK, WARPS)]
    every += [(b, w) for b in (1024, 2048, 4096, 8192) for w in (4, 8) if 8 <= b // (32 * w) <= 32]

    def cubin(dtype: str, arch: int, bucket: str, config: Config) -> Cubin:
        (block, warps), (kinds, promised) = config, kinds_of(dtype)
        return aot(kernel, arch, kinds, {"BLOCK": block}, divisible=promised, num_warps=warps)

    return Choice(
        operator, "triton", ("BLOCK", "num_warps"), _bucket, lambda *_: (BLOCK, WARPS),
        lambda *_: list(dict.fromkeys(every)), cubin,
    )  # fmt: skip


# --- CUDA C++ ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """``width`` elements a load (1 where rows begin anywhere), ``each`` loads a thread; ``pieces``
    blocks a row.
    """

    width: int
    threads: int
    each: int
    pieces: int

    def template(self, dtype: str) -> tuple[str | int, ...]:
        """For ``make_piece`` in cuda/pieces.cuh."""
        return (C_NAME[dtype], self.width, self.threads, self.each)


def plan_for(choice: Choice, *rows: torch.Tensor) -> Plan:
    """Wide where every row begins at 16 bytes; a single row may end inside a vector."""
    first = rows[0]
    threads, each = choice.taken(first, dtype_name(first), bucket_of(first.numel()))
    columns = first.shape[1]
    wide = VECTOR_BYTES // first.element_size()
    whole = columns % wide == 0 or first.shape[0] == 1
    width = wide if whole and columns >= wide and aligned(*rows) else 1
    pieces = triton.cdiv(max(1, columns // width), threads * each)
    return Plan(width, threads, each, pieces)


def line_by_cuda(choice: Choice, kernel: CudaKernel, *inputs: torch.Tensor) -> torch.Tensor:
    """For [N]: one launch, after a copy of what is not dense."""
    rows = as_rows(*inputs)
    out = torch.empty_like(rows[0])
    if count := out.numel():
        taken = plan_for(choice, *rows, out)
        arguments = (*rows, out, ctypes.c_longlong(count), ctypes.c_uint(taken.pieces))
        template = taken.template(dtype_name(out))
        kernel.launch((taken.pieces,), taken.threads, arguments, template=template)
    return out.view(-1)


def pair_by_cuda(
    choice: Choice, kernel: CudaKernel, gate: torch.Tensor, up: torch.Tensor
) -> torch.Tensor:
    """For two [M, N]: one launch, after a copy of what has no dense rows."""
    g, u = as_rows(gate, up)
    out = torch.empty(gate.shape, dtype=gate.dtype, device=gate.device)
    if out.numel():
        rows, columns = g.shape
        taken = plan_for(choice, g, u, out.view(rows, columns))
        sizes = map(ctypes.c_longlong, (*strides(g, u), columns))
        arguments = (g, u, out, *sizes, ctypes.c_uint(taken.pieces))
        template = taken.template(dtype_name(out))
        kernel.launch((rows * taken.pieces,), taken.threads, arguments, template=template)
    return out


def cuda_builds(kernel: CudaKernel) -> Callable[[str, int], list[Cubin] | str]:
    """``build`` of an element-wise operator: whole vectors, and one element at a time."""

    def build(dtype: str, arch: int) -> list[Cubin] | str:
        cubins = []
        try:
            for width in (VECTOR_BYTES // SIZES[dtype], 1):
                template = Plan(width, THREADS, EACH, 1).template(dtype)
                config = {"width": width, "each": EACH}
                cubins.append(kernel.aot(arch, *template, threads=THREADS, config=config))
        except NotCompiled as error:
            return str(error)
        return cubins

    return build


def plan_choice(operator: str, kernel: CudaKernel) -> Choice:
    """What the CUDA launcher of an element-wise operator may choose."""
    every = [(THREADS, EACH)]
    every += [(threads, each) for threads in (128, 256, 512) for each in (1, 2, 4, 8)]

    def cubin(dtype: str, arch: int, bucket: str, config: Config) -> Cubin:
        threads, each = config
        template = Plan(VECTOR_BYTES // SIZES[dtype], threads, each, 1).template(dtype)
        return kernel.aot(arch, *template, threads=threads)

    return Choice(
        operator, "cuda", ("threads", "each"), _bucket, lambda *_: (THREADS, EACH),
        lambda *_: list(dict.fromkeys(every)), cubin,
    )  # fmt: skip
