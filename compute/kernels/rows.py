"""What the operators on rows share: how a row is cut into blocks, and the rows that break kernels.

A row belongs to one block and stays in its registers, so that memory sees it once. The CUDA side is
cuda/rows.cuh.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import triton

from compute.kernels.cuda_build import C_NAME, CudaKernel, NotCompiled
from compute.kernels.data import aligned, strided
from compute.kernels.operator import SIZES, Case, Cubin, Dims, Inputs
from compute.kernels.triton_build import aot

VECTOR_BYTES = 16
# Four loads of 16 bytes a thread are under way together, by at most 1,024 threads: 64 KiB a row.
# More of a longer row than that does not fit beside the loads of the rest in 64 registers.
HELD = 4
WARP, MOST_THREADS = 32, 1024
NARROW_THREADS = 256
# 16 values a thread, of 1,024 at most. So a longer row has a multiprocessor for itself, and its
# second reading finds it in L2: 132 rows of 128 k columns in bf16 are 34 MB, of 50.
MOST_BLOCK, LEAST_BLOCK = 16_384, 128
VALUES_A_WARP = 512


# --- Triton -----------------------------------------------------------------------------------


def block_of(columns: int) -> tuple[int, bool, int]:
    """(block, whole, warps) of a Triton program: 16 values a thread, and whether the row fits."""
    block = min(MOST_BLOCK, max(LEAST_BLOCK, triton.next_power_of_2(columns)))
    return block, columns <= block, max(1, block // VALUES_A_WARP)


def triton_builds(
    kernel: Any, arch: int, arguments: Mapping[str, str], constants: Mapping[str, Any] | None = None
) -> list[Cubin]:
    """A row of 4,096 in one block and a longer row, all pointers and 32-bit sizes promised to be
    multiples of 16; and a row of 4,096 whose sizes are not.
    """
    pointers = [name for name, kind in arguments.items() if kind.startswith("*")]
    sizes = [name for name, kind in arguments.items() if kind == "i32"]
    cubins = []
    for columns, promised in ((4096, pointers + sizes), (131_072, pointers + sizes), (4096, [])):
        block, whole, warps = block_of(columns)
        taken = {"BLOCK": block, "WHOLE": whole, **(constants or {})}
        cubins.append(aot(kernel, arch, arguments, taken, divisible=promised, num_warps=warps))
    return cubins


# --- CUDA C++ ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """How a CUDA kernel takes a row: the template arguments after the dtype.

    ``width``: elements a load, 1 where rows begin anywhere; ``held``: loads a thread keeps in
    registers; ``long``: whether the row has more than all threads hold.
    """

    width: int
    threads: int
    held: int
    long: bool

    def template(self, dtype: str) -> tuple[str | int, ...]:
        """For ``Row`` in cuda/rows.cuh."""
        return (C_NAME[dtype], self.width, self.threads, self.held, str(self.long).lower())


def plan(columns: int, dtype: str, wide: bool, held: int = HELD) -> Plan:
    """Enough threads for ``held`` loads each: a warp alone needs no barrier, 1,024 are the most."""
    if not wide:
        return Plan(1, NARROW_THREADS, held, True)
    width = VECTOR_BYTES // SIZES[dtype]
    vectors = max(1, columns // width)
    threads = min(MOST_THREADS, max(WARP, triton.next_power_of_2(triton.cdiv(vectors, held))))
    return Plan(width, threads, held, vectors > threads * held)


def plan_for(columns: int, *tensors: torch.Tensor, held: int = HELD) -> Plan:
    """The plan for these matrices: wide where all rows are whole 16-byte vectors."""
    first = tensors[0]
    wide = columns * first.element_size() % VECTOR_BYTES == 0 and aligned(*tensors)
    return plan(columns, dtype_name(first), wide, held)


def dtype_name(tensor: torch.Tensor) -> str:
    """torch's name, such as "bfloat16"."""
    return str(tensor.dtype).removeprefix("torch.")


def cuda_builds(kernel: CudaKernel, held: int = HELD) -> Callable[[str, int], list[Cubin] | str]:
    """``build`` of an operator on rows: a row in registers, a long row, and the narrow path."""

    def build(dtype: str, arch: int) -> list[Cubin] | str:
        cubins = []
        try:
            for columns, wide in ((4096, True), (131_072, True), (4096, False)):
                taken = plan(columns, dtype, wide, held)
                config: dict[str, Any] = {"columns": columns, "wide": wide}
                template = taken.template(dtype)
                cubins.append(kernel.aot(arch, *template, threads=taken.threads, config=config))
        except NotCompiled as error:
            return str(error)
        return cubins

    return build


# --- rows that break kernels ------------------------------------------------------------------

# Empty, single, odd, whole vectors.
SHAPES = ((0, 8), (3, 0), (1, 1), (5, 3), (7, 129), (2, 1000), (3, 2048))
# More than 1,024 threads hold, and than a Triton block.
LONG_COLUMNS = {"float32": 16_640, "float16": 33_280, "bfloat16": 33_280}


def row_cases(
    made: Callable[[Dims, str, int, str], Inputs],
    dtype: str,
    seed: int,
    device: str,
    rows: Sequence[str] = ("x",),
) -> list[Case]:
    """Odd and empty sizes, rows apart or across, huge and tiny values, a NaN in one row; ``rows``
    names the inputs of shape [M, N], the first of which is changed.
    """
    shapes = [*SHAPES, (1, LONG_COLUMNS[dtype])]
    cases = [Case(f"{m}x{n}", made({"M": m, "N": n}, dtype, seed, device)) for m, n in shapes]
    base = made({"M": 6, "N": 136}, dtype, seed, device)
    x = base[rows[0]]

    def case(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Case:
        return Case(name, {**base, **{r: change(base[r]) for r in rows}})

    cases.append(case("rows of a wider buffer", strided))
    cases.append(case("not aligned", lambda t: strided(t, pad=5, offset=3)))
    cases.append(case("transposed", lambda t: t.t().contiguous().t()))
    factor = 100 if dtype == "float16" else 1e4
    cases.append(Case("large", {**base, rows[0]: x * factor}))
    cases.append(Case("tiny", {**base, rows[0]: x * 1e-4}))
    hole = x.clone()
    hole[2, 5] = float("nan")
    cases.append(Case("a NaN in one row", {**base, rows[0]: hole}))
    cases.append(Case("zeros", {**base, rows[0]: torch.zeros_like(x)}))
    return cases


def shapes(pairs: Sequence[tuple[int, int]]) -> list[Dims]:
    """dims of matrices."""
    return [{"M": m, "N": n} for m, n in pairs]
