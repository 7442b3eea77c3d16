"""How gemm is cut into tiles: the tables, and what else is worth a try on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from compute.kernels.build.static import BLOCK_BYTES
from compute.kernels.hopper.descriptors import ARCHS
from compute.kernels.hopper.matrices import fills
from compute.kernels.operator import Cubin, Dims
from compute.kernels.plans.choosing import Choice, Config
from compute.kernels.shared.matrices import TilePlan, kind_of

WHOLE = 64  # an inner axis that is a multiple of it needs no masks in Triton
RAGGED = "-ragged"

# --- Triton -----------------------------------------------------------------------------------

FIELDS = ("BM", "BN", "BK", "num_warps", "num_stages", "TMA")
# By kind of shape. 16-bit, large: three stages of 64 are 147 KiB, which sm_89 has not and where
# mma.sync spills 28 times; four of 32 are 98 KiB, without spills.
TRITON = {
    "large": (128, 256, 64, 8, 3),
    "medium": (128, 128, 64, 8, 3),
    "small": (64, 64, 64, 4, 4),
    "skinny": (16, 64, 64, 4, 5),
}
RAGGED_SMALL = (64, 64, 64, 8, 4)
TRITON_80 = {**TRITON, "large": (128, 256, 32, 8, 4)}
# fp32 is FMA: 64 sums a thread leave registers for the operands.
TRITON_FP32 = {
    "large": (128, 128, 16, 8, 3),
    "medium": (64, 128, 16, 8, 3),
    "small": (32, 64, 16, 4, 3),  # 64 x 64 spilled 2 to 7 times in some orders
    "skinny": (16, 64, 32, 4, 4),
}


# By tensor descriptors, sm_90 and later, 16-bit. Four stages and half a tile to store are 224 of
# 227 KiB; each stage is 1024 cycles of wgmma, so loads have two to three of them to arrive. Medium
# too, which is one wave of them, half full or more: tiles of 128 x 128 ask L2 for 64 bytes a cycle
# and multiprocessor where these ask for 48, and it has 39 (5120 a cycle).
DESCRIBED = dict.fromkeys(("large", "medium"), (128, 256, 64, 8, 4, 1))
# For sm_100 the compiler keeps both halves: 256 KiB with four stages, 208 with three.
DESCRIBED_100 = dict.fromkeys(DESCRIBED, (128, 256, 64, 8, 3, 1))


def triton_plan(dtype: str, arch: int, bucket: str) -> Config:
    """The table's. A descriptor reads zeros beyond the end: a ragged inner axis changes nothing."""
    kind = bucket.removesuffix(RAGGED)
    if arch in ARCHS and dtype != "float32" and kind in DESCRIBED:
        return (DESCRIBED if arch == 90 else DESCRIBED_100)[kind]
    return pointer_plan(dtype, arch, bucket)


def pointer_plan(dtype: str, arch: int, bucket: str) -> Config:
    """For loads by pointers."""
    return (*_pointer_plan(dtype, arch, bucket), 0)


def _pointer_plan(dtype: str, arch: int, bucket: str) -> Config:
    """From the tables. Masks along a ragged inner axis take registers: with them 128 x 256 spilled
    26 to 48 times, 128 x 128 does not; nor does 64 x 64 on twice the warps.
    """
    kind, ragged = bucket.removesuffix(RAGGED), bucket.endswith(RAGGED)
    if ragged and kind == "large":
        kind = "medium"
    if dtype == "float32":
        return TRITON_FP32[kind]
    if ragged and kind == "small":
        return RAGGED_SMALL
    return (TRITON if arch in (90, 100) else TRITON_80)[kind]


# Beside the tables'. Smaller inner steps with more stages where loads wait, fewer warps where
# registers are free; those that spill or do not fit are left out before anything is timed.
TRIED = {
    "large": (
        (128, 256, 64, 8, 4), (128, 256, 32, 8, 4), (256, 128, 64, 8, 3), (128, 128, 64, 8, 3),
        (128, 128, 64, 4, 4), (128, 128, 32, 8, 5), (256, 128, 32, 8, 4),
    ),
    "medium": (
        (128, 128, 64, 4, 3), (128, 128, 64, 8, 4), (128, 128, 32, 4, 5), (128, 64, 64, 4, 4),
        (64, 128, 64, 4, 4), (64, 256, 64, 8, 3), (128, 64, 128, 4, 3),
    ),
    "small": (
        (64, 64, 64, 8, 4), (64, 64, 128, 4, 3), (64, 128, 64, 4, 4), (32, 64, 64, 4, 5),
        (64, 32, 64, 4, 5), (32, 128, 64, 4, 4), (64, 64, 32, 4, 6),
    ),
    "skinny": (
        (16, 32, 64, 2, 6), (16, 32, 128, 4, 5), (16, 64, 128, 4, 4), (16, 128, 64, 4, 4),
        (16, 128, 64, 8, 4), (16, 64, 256, 4, 3), (16, 64, 64, 2, 5),
    ),
}  # fmt: skip
TRIED_DESCRIBED = {
    "large": (
        (128, 256, 64, 8, 3, 1), (256, 128, 64, 8, 4, 1), (128, 128, 64, 4, 3, 1),
        (128, 128, 64, 8, 5, 1), (128, 256, 32, 8, 6, 1), (128, 128, 128, 8, 3, 1),
    ),
    "medium": (
        (128, 128, 64, 8, 3, 1), (128, 128, 64, 8, 5, 1), (128, 64, 64, 4, 4, 1),
        (64, 128, 64, 4, 4, 1), (64, 256, 64, 4, 3, 1), (128, 128, 64, 4, 3, 1),
    ),
}  # fmt: skip
TRIED_FP32 = {
    "large": ((128, 128, 16, 8, 4), (128, 64, 16, 8, 4), (128, 128, 8, 8, 4), (64, 128, 16, 8, 4)),
    "medium": ((64, 64, 16, 8, 4), (64, 128, 16, 8, 4), (64, 64, 32, 8, 3), (128, 64, 16, 8, 3)),
    "small": ((32, 64, 32, 4, 3), (32, 32, 32, 4, 4), (64, 64, 16, 8, 3), (32, 64, 16, 4, 4)),
    "skinny": ((16, 64, 64, 4, 3), (16, 32, 64, 4, 4), (16, 128, 32, 4, 3), (16, 64, 32, 2, 5)),
}


def triton_offered(dtype: str, arch: int, bucket: str) -> list[Config]:
    """The table's first."""
    kind, found = bucket.removesuffix(RAGGED), [triton_plan(dtype, arch, bucket)]
    if arch in ARCHS and dtype != "float32":
        found += TRIED_DESCRIBED.get(kind, ())
    tried = TRIED_FP32 if dtype == "float32" else TRIED
    found += [pointer_plan(dtype, arch, bucket), *((*plan, 0) for plan in tried[kind])]
    return list(dict.fromkeys(found))


def triton_bucket(m: int, n: int, k: int, processors: int) -> str:
    """The kind of shape, and whether its inner axis is ragged."""
    return kind_of(m, n, processors) + ("" if k % WHOLE == 0 else RAGGED)


def triton_choice(cubin: Callable[[str, int, str, Config], Cubin]) -> Choice:
    """What the Triton launcher may choose."""

    def bucket(dims: Dims, dtype: str, processors: int) -> str:
        return triton_bucket(dims["M"], dims["N"], dims["K"], processors)

    return Choice("gemm", "triton", FIELDS, bucket, triton_plan, triton_offered, cubin)


# --- CUDA C++ ---------------------------------------------------------------------------------

PARTIAL = "partial"
# 64 x 64 a warp: 8 ldmatrix for 32 mma, half of what shared memory can give; 64 x 32 would need
# 6 for 16. Four stages of 32 hide memory's latency on all but sm_89, which has 99 KiB.
CUDA_16 = {
    "large": TilePlan(128, 256, 32, 64, 64, 4, 1),
    "medium": TilePlan(128, 128, 32, 64, 64, 4, 2),
    "small": TilePlan(64, 64, 64, 32, 32, 3, 3),
    "skinny": TilePlan(16, 64, 64, 16, 16, 5, 3),
}
CUDA_16_89 = {**CUDA_16, "large": TilePlan(128, 256, 32, 64, 64, 3, 1)}
CUDA_32 = {
    "large": TilePlan(128, 128, 16, 32, 64, 3, 1),
    "medium": TilePlan(128, 128, 16, 32, 64, 3, 1),
    "small": TilePlan(64, 64, 16, 16, 32, 4, 2),
    "skinny": TilePlan(64, 64, 16, 16, 32, 4, 2),
}
# Hopper, by wgmma: the tiles of a stage are 48 and 32 KiB, and either ring fills the 227 KiB that a
# block may have but for the 32 of results on their way out. 128 x 256 asks L2 for 48 bytes a cycle
# of the tensor cores, 128 x 128 for 64, more than L2 is likely to give 132 multiprocessors: the
# smaller tile pays only where it keeps more of them busy.
HOPPER = {
    "large": TilePlan(128, 256, 64, 16, 256, 4, 1),
    "medium": TilePlan(128, 256, 64, 16, 256, 4, 1),
    PARTIAL: TilePlan(128, 128, 64, 16, 128, 6, 1),
}
HOPPER_TRIED = (
    (128, 256, 64, 16, 256, 3, 1), (128, 192, 64, 16, 192, 4, 1), (128, 128, 64, 16, 128, 4, 1),
)  # fmt: skip


def cuda_kind(m: int, n: int, processors: int) -> str:
    """The kind of shape; "partial" are small ones that still keep Hopper busy."""
    kind = kind_of(m, n, processors)
    return PARTIAL if kind == "small" and fills(m, n, processors) else kind


def cuda_plan(dtype: str, arch: int, kind: str) -> TilePlan:
    """From the table; Hopper's own for 16-bit values that fill a GPU."""
    if arch == 90 and dtype != "float32" and kind in HOPPER:
        return HOPPER[kind]
    return mma_plan(dtype, arch, kind)


def mma_plan(dtype: str, arch: int, kind: str) -> TilePlan:
    """From the table for every architecture: mma.sync, or FMA."""
    table = CUDA_16 if BLOCK_BYTES.get(arch, 0) >= BLOCK_BYTES[80] else CUDA_16_89
    return (CUDA_32 if dtype == "float32" else table)["small" if kind == PARTIAL else kind]


CUDA_TRIED = {
    "large": (
        (128, 256, 32, 64, 64, 3, 1), (256, 128, 32, 64, 64, 4, 1), (128, 128, 32, 64, 64, 4, 2),
        (128, 128, 64, 64, 64, 3, 1), (128, 256, 32, 64, 64, 5, 1), (128, 128, 32, 64, 32, 4, 2),
    ),
    "medium": (
        (128, 128, 64, 64, 64, 3, 1), (128, 128, 32, 64, 32, 4, 1), (128, 64, 32, 64, 32, 4, 2),
        (64, 128, 32, 32, 64, 4, 2), (128, 128, 32, 64, 64, 5, 2),
    ),
    "small": (
        (64, 64, 32, 32, 32, 5, 3), (64, 128, 32, 32, 64, 4, 2), (32, 64, 64, 16, 32, 4, 3),
        (64, 32, 64, 32, 16, 4, 3), (64, 64, 64, 32, 32, 4, 2),
    ),
    "skinny": (
        (16, 64, 64, 16, 16, 4, 4), (16, 128, 64, 16, 32, 4, 3), (16, 64, 128, 16, 16, 3, 3),
        (16, 32, 64, 16, 16, 6, 6), (16, 128, 64, 16, 16, 4, 2),
    ),
}  # fmt: skip
CUDA_TRIED_32 = {
    "large": ((128, 128, 16, 32, 64, 4, 1), (64, 128, 16, 32, 32, 4, 1)),
    "medium": ((128, 128, 16, 32, 64, 4, 1), (64, 64, 16, 16, 32, 4, 2)),
    "small": ((64, 64, 16, 16, 32, 3, 2), (64, 64, 32, 16, 32, 3, 2)),
    "skinny": ((64, 64, 16, 16, 32, 3, 2), (64, 64, 32, 16, 32, 3, 2)),
}


def cuda_choice(cubin: Callable[[str, int, str, Config], Cubin]) -> Choice:
    """What the CUDA launcher may choose."""

    def bucket(dims: Dims, dtype: str, processors: int) -> str:
        return cuda_kind(dims["M"], dims["N"], processors)

    def usual(dtype: str, arch: int, kind: str) -> Config:
        return cuda_plan(dtype, arch, kind).numbers

    def offered(dtype: str, arch: int, kind: str) -> Sequence[Config]:
        first = TilePlan(*usual(dtype, arch, kind))
        tried = CUDA_TRIED_32 if dtype == "float32" else CUDA_TRIED
        found = [first.numbers]
        if first.by_warpgroups:
            found += [*(plan.numbers for plan in HOPPER.values()), *HOPPER_TRIED]
        found += [mma_plan(dtype, arch, kind).numbers, *tried["small" if kind == PARTIAL else kind]]
        return list(dict.fromkeys(found))

    return Choice("gemm", "cuda", TilePlan.FIELDS, bucket, usual, offered, cubin)
