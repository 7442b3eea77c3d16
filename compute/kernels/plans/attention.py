"""How attention is cut into blocks in Triton: the table, and what else is worth a try on a GPU."""

from __future__ import annotations

import math
from collections.abc import Callable

import triton

from compute.kernels.operator import Cubin, Dims
from compute.kernels.plans.choosing import Choice, Config

FIELDS = ("BM", "BN", "num_warps", "num_stages", "TMA")
FP32_PLAN = (32, 16, 8, 2)
FEW, SOME = 16, 64  # queries


def bucket_of(d: int, queries: int) -> str:
    """Heads of ``d``, padded to whole 16, and how many queries: a decode's, a chunk's, or many."""
    d = math.ceil(d / 16) * 16
    kind = "few" if queries <= FEW else "some" if queries <= SOME else "many"
    return f"{d} {kind}"


def size_of(bucket: str) -> int:
    """The heads' size."""
    return int(bucket.split()[0])


# By tensor descriptors on sm_90, 16-bit, many queries, heads of at most 128. 128 x 128 takes 246
# registers and 192 of 227 KiB; with 64 keys of 128 ptxas waits after every wgmma. Heads of 64 take
# two thirds of it with a stage more.
DESCRIBED = {128: (128, 128, 8, 2, 1), 64: (128, 128, 8, 3, 1)}


def triton_plan(dtype: str, arch: int, bucket: str) -> Config:
    """The table's."""
    size, kind = size_of(bucket), bucket.split()[1]
    if arch == 90 and dtype != "float32" and kind == "many" and size <= 128:
        return DESCRIBED[128 if size > 64 else 64]
    return pointer_plan(dtype, arch, bucket)


def pointer_plan(dtype: str, arch: int, bucket: str) -> Config:
    """For loads by pointers."""
    return (*_pointer_plan(dtype, arch, bucket), 0)


def _pointer_plan(dtype: str, arch: int, bucket: str) -> Config:
    """From the tables.

    On 8 warps 128 x 128 takes 255 registers on sm_90; the masks of a padded head made that spill,
    and 128 x 64 before it, hence the narrower blocks.
    """
    size, kind = size_of(bucket), bucket.split()[1]
    d = max(16, triton.next_power_of_2(size))
    if dtype == "float32":
        return FP32_PLAN
    if kind == "few":
        return 16, 64 if d <= 128 else 32, 4, 2
    if d > 128:
        return 64, 32, 8, 2
    bm = 128 if kind == "many" else 64
    if arch == 90 and size == d == 128:
        return bm, 128, 8, 2
    if arch in (90, 100):
        return bm, 64, 8, 3
    return bm, 64 if size == d else 32, 8, 2


TRIED_DESCRIBED = ((64, 64, 4, 3, 1), (128, 64, 8, 3, 1), (128, 128, 8, 2, 1), (64, 128, 4, 2, 1))
TRIED = {
    "many": (
        (128, 128, 8, 2), (128, 64, 8, 3), (128, 64, 8, 2), (128, 64, 4, 3), (128, 32, 8, 4),
        (64, 128, 4, 2), (64, 64, 4, 3), (128, 32, 4, 4), (256, 64, 8, 2),
    ),
    "some": ((64, 64, 4, 3), (64, 128, 4, 2), (64, 64, 8, 3), (32, 64, 4, 3), (64, 32, 4, 4)),
    "few": ((16, 64, 4, 3), (16, 128, 4, 2), (16, 32, 4, 4), (16, 64, 2, 3), (16, 128, 8, 2)),
}  # fmt: skip
TRIED_FP32 = ((32, 16, 8, 3), (32, 32, 8, 2), (32, 32, 4, 2), (64, 16, 8, 2), (16, 32, 4, 2))


def _offered(dtype: str, arch: int, bucket: str) -> list[Config]:
    """The table's first."""
    size, kind = size_of(bucket), bucket.split()[1]
    found = [triton_plan(dtype, arch, bucket)]
    if arch == 90 and dtype != "float32" and kind == "many" and size <= 128:
        found += TRIED_DESCRIBED
    tried = TRIED_FP32 if dtype == "float32" else TRIED[kind]
    found += [pointer_plan(dtype, arch, bucket), *((*plan, 0) for plan in tried)]
    return list(dict.fromkeys(found))


def triton_choice(cubin: Callable[[str, int, str, Config], Cubin]) -> Choice:
    """What the Triton launcher may choose."""

    def bucket(dims: Dims, dtype: str, processors: int) -> str:
        return bucket_of(dims["D"], dims["SQ"])

    return Choice("attention", "triton", FIELDS, bucket, triton_plan, _offered, cubin)
