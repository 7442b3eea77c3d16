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

from compute.kernels.build.cuda import C_NAME, CudaKernel, NotCompiled
from compute.kernels.build.triton import aot
from compute.kernels.cases.data import aligned, dtype_name, strided
from compute.kernels.operator import SIZES, Case, Cubin, Dims, Inputs
from compute.kernels.plans.choosing import Choice, Config

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


def block_of(columns: int, long: int = MOST_BLOCK) -> tuple[int, bool, int]:
    """(block, whole, warps) of a Triton program: 16 values a thread, and whether the row fits;
    ``long`` is the block of one that does not.
    """
    whole = columns <= MOST_BLOCK
    block = max(LEAST_BLOCK, triton.next_power_of_2(columns)) if whole else long
    return block, whole, max(1, block // VALUES_A_WARP)


def row_bucket(columns: int) -> str:
    """Rows are tuned by the power of two that they fit into."""
    return f"{triton.next_power_of_2(max(1, columns))} columns"


def columns_of(bucket: str) -> int:
    """The longest rows of a bucket."""
    return int(bucket.split()[0])


def block_for(choice: Choice, x: torch.Tensor) -> tuple[int, bool, int]:
    """(block, whole, warps) for the rows of ``x``."""
    columns = x.shape[1]
    block, warps = choice.taken(x, dtype_name(x), row_bucket(columns))
    return block, columns <= block, warps


def _blocks(bucket: str, long: int) -> list[Config]:
    """A whole row on half to four times the warps; a long one also in other blocks."""
    usual, whole, warps = block_of(columns_of(bucket), long)
    blocks = [usual] if whole else [MOST_BLOCK // 4, MOST_BLOCK // 2, MOST_BLOCK]
    found = [(usual, warps)]
    for block in blocks:
        count = max(1, block // VALUES_A_WARP)
        found += [(block, max(1, min(32, w))) for w in (count // 2, count, count * 2, count * 4)]
    return list(dict.fromkeys(found))


def row_choice(
    operator: str, kernel: Any, arguments: Callable[[str], dict[str, str]], long: int = MOST_BLOCK
) -> Choice:
    """What the Triton launcher of an operator on rows may choose."""

    def usual(dtype: str, arch: int, bucket: str) -> Config:
        block, _, warps = block_of(columns_of(bucket), long)
        return block, warps

    def offered(dtype: str, arch: int, bucket: str) -> list[Config]:
        return _blocks(bucket, long)

    def cubin(dtype: str, arch: int, bucket: str, config: Config) -> Cubin:
        kinds, (block, warps) = arguments(dtype), config
        promised = [name for name, kind in kinds.items() if kind.startswith("*") or kind == "i32"]
        constants = {"BLOCK": block, "WHOLE": columns_of(bucket) <= block}
        return aot(kernel, arch, kinds, constants, divisible=promised, num_warps=warps)

    return Choice(
        operator, "triton", ("BLOCK", "num_warps"), lambda dims, *_: row_bucket(dims["N"]),
        usual, offered, cubin,
    )  # fmt: skip


def triton_builds(
    kernel: Any, arch: int, arguments: Mapping[str, str],
    constants: Mapping[str, Any] | None = None, long: int = MOST_BLOCK,
) -> list[Cubin]:  # fmt: skip
    """A row of 4,096 in one block and a longer row, all pointers and 32-bit sizes promised to be
    multiples of 16; and a row of 4,096 whose sizes are not.
    """
    pointers = [name for name, kind in arguments.items() if kind.startswith("*")]
    sizes = [name for name, kind in arguments.items() if kind == "i32"]
    cubins = []
    for columns, promised in ((4096, pointers + sizes), (131_072, pointers + sizes), (4096, [])):
        block, whole, warps = block_of(columns, long)
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


def plan_for(choice: Choice, columns: int, *tensors: torch.Tensor) -> Plan:
    """The plan for these matrices: wide where all rows are whole 16-byte vectors."""
    first = tensors[0]
    dtype = dtype_name(first)
    wide = columns * first.element_size() % VECTOR_BYTES == 0 and aligned(*tensors)
    bucket = row_bucket(columns)
    if not wide:
        return plan(columns, dtype, wide, choice.usual(dtype, 0, bucket)[1])
    return _plan(columns, dtype, choice.taken(first, dtype, bucket))


def _plan(columns: int, dtype: str, config: Config) -> Plan:
    """Whole vectors in rows of ``columns`` by a configuration (threads, held)."""
    (threads, held), width = config, VECTOR_BYTES // SIZES[dtype]
    return Plan(width, threads, held, columns // width > threads * held)


def plan_choice(operator: str, kernel: CudaKernel, held: int = HELD) -> Choice:
    """What the CUDA launcher of an operator on rows may choose, where rows are whole vectors."""

    def usual(dtype: str, arch: int, bucket: str) -> Config:
        taken = plan(columns_of(bucket), dtype, True, held)
        return taken.threads, taken.held

    def offered(dtype: str, arch: int, bucket: str) -> list[Config]:
        first = usual(dtype, arch, bucket)
        threads = [t for t in (first[0] // 2, first[0], first[0] * 2) if WARP <= t <= MOST_THREADS]
        every = [(t, h) for t in threads for h in (held // 2, held, held * 2)]
        return list(dict.fromkeys([first, *every]))

    def cubin(dtype: str, arch: int, bucket: str, config: Config) -> Cubin:
        taken = _plan(columns_of(bucket), dtype, config)
        return kernel.aot(arch, *taken.template(dtype), threads=taken.threads)

    return Choice(
        operator, "cuda", ("threads", "held"), lambda dims, *_: row_bucket(dims["N"]), usual,
        offered, cubin,
    )  # fmt: skip


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
