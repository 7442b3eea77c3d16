"""What the element-wise operators share: how a matrix is cut into pieces, and inputs that break
kernels. The CUDA side is cuda/pieces.cuh.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import triton

from compute.kernels.cuda_build import C_NAME, CudaKernel, NotCompiled
from compute.kernels.data import aligned, dense_rows, row_stride, strided
from compute.kernels.operator import SIZES, Case, Cubin, Dims, Inputs
from compute.kernels.triton_build import aot, pointer

VECTOR_BYTES = 16
# Four loads of 16 bytes by 256 threads: 16 KiB an input under way in a block.
THREADS, EACH = 256, 4
BLOCK, WARPS = 2048, 4  # a Triton program: 16 values a thread, as many bytes as two vectors in bf16


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


@dataclass(frozen=True)
class Plan:
    """``width`` elements a load (1 where rows begin anywhere); ``pieces`` blocks a row."""

    width: int
    pieces: int

    def template(self, dtype: str) -> tuple[str | int, ...]:
        """For ``make_piece`` in cuda/pieces.cuh."""
        return (C_NAME[dtype], self.width, THREADS, EACH)


def plan_for(*rows: torch.Tensor) -> Plan:
    """Wide where every row begins at 16 bytes; a single row may end inside a vector."""
    first = rows[0]
    columns = first.shape[1]
    wide = VECTOR_BYTES // first.element_size()
    whole = columns % wide == 0 or first.shape[0] == 1
    width = wide if whole and columns >= wide and aligned(*rows) else 1
    return Plan(width, triton.cdiv(max(1, columns // width), THREADS * EACH))


def pieces_of(columns: int) -> int:
    """Triton programs a row."""
    return int(triton.cdiv(columns, BLOCK))


def triton_builds(kernel: Any, dtype: str, arch: int) -> list[Cubin]:
    """A kernel on gate and up: whole vectors, and rows that begin anywhere."""
    pointers = ["gate", "up", "out"]
    sizes = ["gate_stride", "up_stride", "columns"]
    arguments = dict.fromkeys(pointers, pointer(dtype))
    arguments |= dict.fromkeys([*sizes, "pieces"], "i32")
    return [
        aot(kernel, arch, arguments, {"BLOCK": BLOCK}, divisible=promised, num_warps=WARPS)
        for promised in (pointers + sizes, pointers)
    ]


def cuda_builds(kernel: CudaKernel) -> Callable[[str, int], list[Cubin] | str]:
    """``build`` of an element-wise operator: whole vectors, and one element at a time."""

    def build(dtype: str, arch: int) -> list[Cubin] | str:
        cubins = []
        try:
            for width in (VECTOR_BYTES // SIZES[dtype], 1):
                template = Plan(width, 1).template(dtype)
                config = {"width": width, "each": EACH}
                cubins.append(kernel.aot(arch, *template, threads=THREADS, config=config))
        except NotCompiled as error:
            return str(error)
        return cubins

    return build


# --- inputs that break kernels ----------------------------------------------------------------

LENGTHS = (0, 1, 7, 8, 129, 8192, 8197, 20_000)


def line_cases(
    made: Callable[[Dims, str, int, str], Inputs], dtype: str, seed: int, device: str
) -> list[Case]:
    """For operators on [N]: odd and empty lengths, a step of two, an offset, special values."""
    cases = [Case(str(n), made({"N": n}, dtype, seed, device)) for n in LENGTHS]
    base = made({"N": 1000}, dtype, seed, device)

    def case(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Case:
        return Case(name, {key: change(value) for key, value in base.items()})

    cases.append(case("every second element", lambda t: t.repeat_interleave(2)[::2]))
    cases.append(case("not aligned", lambda t: strided(t, pad=3, offset=1)))
    cases.append(case("one value for all", lambda t: t[:1].expand(100)))
    cases.append(case("special values", _special))
    return cases


def pair_cases(
    made: Callable[[Dims, str, int, str], Inputs],
    dtype: str,
    seed: int,
    device: str,
    names: Sequence[str],
) -> list[Case]:
    """For operators on two matrices [M, N]: halves of one buffer, rows apart, huge values."""
    sizes = ((0, 8), (3, 0), (1, 1), (5, 3), (7, 129), (2, 4104), (3, 2048))
    cases = [Case(f"{m}x{n}", made({"M": m, "N": n}, dtype, seed, device)) for m, n in sizes]
    base = made({"M": 6, "N": 136}, dtype, seed, device)
    first, second = names

    def case(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Case:
        return Case(name, {key: change(base[key]) for key in names})

    for columns in (136, 67):
        both = torch.cat([base[first][:, :columns], base[second][:, :columns]], dim=1)
        halves = {first: both[:, :columns], second: both[:, columns:]}
        cases.append(Case(f"halves of [6, {2 * columns}]", halves))
    cases.append(case("not aligned", lambda t: strided(t, pad=5, offset=3)))
    cases.append(case("transposed", lambda t: t.t().contiguous().t()))
    cases.append(Case("one transposed", {**base, first: base[first].t().contiguous().t()}))
    factor = 100.0 if dtype == "float16" else 1e4
    cases.append(Case("large", {**base, first: base[first] * factor}))
    cases.append(Case("tiny", {**base, first: base[first] * 1e-4}))
    cases.append(Case("special values", {**base, first: _special(base[first])}))
    return cases


def _special(tensor: torch.Tensor) -> torch.Tensor:
    """NaN, both infinities and zeros at some places."""
    changed = tensor.clone()
    for place, value in enumerate((float("nan"), float("inf"), -float("inf"), 0.0, -0.0)):
        changed[..., 3 + 5 * place] = value
    return changed
