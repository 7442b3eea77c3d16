"""How the operators of decoding are cut into blocks in Triton: the tables, and what else is worth a
try on a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import triton

from compute.kernels.operator import Cubin, Dims
from compute.kernels.plans.choosing import Choice, Config

Compile = Callable[[str, int, str, Config], Cubin]

# --- paged_decode_attention -------------------------------------------------------------------

PAGED_FIELDS = ("BN", "num_warps", "num_stages")  # BN: tokens at a time
PAGED_TRIED = (
    (64, 4, 2), (64, 4, 3), (32, 4, 3), (32, 4, 4), (32, 2, 4), (128, 4, 2), (128, 8, 2),
    (16, 4, 4), (64, 8, 3),
)  # fmt: skip


def columns_of(d: int) -> int:
    """A head's columns in a block: padded to whole 16, then to a power of two."""
    return max(16, int(triton.next_power_of_2(math.ceil(d / 16) * 16)))


def paged_plan(dtype: str, arch: int, bucket: str) -> Config:
    """By the columns of a head."""
    if dtype == "float32":
        return 16, 4, 2
    return (64, 4, 2) if int(bucket) <= 128 else (32, 4, 2)


def paged_choice(cubin: Compile) -> Choice:
    """What the Triton launcher may choose."""

    def bucket(dims: Dims, dtype: str, processors: int) -> str:
        return str(columns_of(dims["D"]))

    def offered(dtype: str, arch: int, bucket: str) -> list[Config]:
        return list(dict.fromkeys([paged_plan(dtype, arch, bucket), *PAGED_TRIED]))

    return Choice("paged_decode_attention", "triton", PAGED_FIELDS, bucket, paged_plan, offered,
                  cubin)  # fmt: skip


# --- int4_linear ------------------------------------------------------------------------------

INT4_FIELDS = ("BM", "BN", "BK", "num_warps", "num_stages")
MOST_BK = 128
# Blocks that share a multiprocessor. Few rows: three stages of 2 KiB of weights are under way in
# each; eight are 48 KiB, three times what 3.35 TB/s and 0.6 us ask for.
INT4_SLOTS = {"few": 8, "some": 4, "many": 3}
INT4_TRIED = {
    "few": (
        (16, 32, 128, 4, 4), (16, 64, 128, 4, 3), (16, 16, 128, 2, 5), (16, 32, 64, 4, 5),
        (16, 64, 64, 4, 4), (16, 32, 128, 2, 4), (16, 32, 128, 4, 6), (16, 128, 64, 4, 3),
    ),
    "some": ((32, 64, 64, 4, 3), (32, 64, 64, 4, 4), (32, 32, 64, 4, 4), (32, 64, 32, 4, 4)),
    "many": ((64, 64, 64, 4, 3), (64, 64, 64, 8, 3), (64, 128, 32, 8, 3), (64, 32, 64, 4, 4)),
}  # fmt: skip


def int4_bucket(m: int, group: int) -> str:
    """Rows of x, and the block of k that one scale covers (0: of odd groups, none)."""
    rows = "few" if m <= 16 else "some" if m <= 32 else "many"
    one = next((size for size in (128, 64, 32) if group % size == 0), 0)
    return f"{rows} {one}"


def one_scale(bucket: str) -> bool:
    """Whether a block of k has one scale a row."""
    return not bucket.endswith(" 0")


def int4_plan(dtype: str, arch: int, bucket: str) -> Config:
    """From the table."""
    rows, one = bucket.split()
    bk = int(one) or MOST_BK
    if rows == "few":
        return 16, 32, bk, 4, 4
    return (64 if rows == "many" else 32), 64, min(bk, 64), 4, 3


def int4_choice(cubin: Compile) -> Choice:
    """What the Triton launcher may choose."""

    def bucket(dims: Dims, dtype: str, processors: int) -> str:
        return int4_bucket(dims["M"], dims["G"])

    def offered(dtype: str, arch: int, bucket: str) -> list[Config]:
        rows, one = bucket.split()
        tried = [c for c in INT4_TRIED[rows] if c[2] <= (int(one) or MOST_BK)]
        return list(dict.fromkeys([int4_plan(dtype, arch, bucket), *tried]))

    return Choice("int4_linear", "triton", INT4_FIELDS, bucket, int4_plan, offered, cubin)
