"""How scaled_mm is cut into tiles in Triton: the tables, and what else is worth a try on a GPU."""

from __future__ import annotations

from collections.abc import Callable

from compute.kernels.hopper.descriptors import ARCHS
from compute.kernels.operator import Cubin, Dims
from compute.kernels.plans.choosing import Choice, Config
from compute.kernels.shared.matrices import kind_of

FIELDS = ("BM", "BN", "BK", "num_warps", "num_stages", "TMA")
# Sums kept twice leave no registers for 128 x 256.
POINTERS = {
    "large": (128, 128, 128, 8, 3, 0),
    "medium": (128, 128, 128, 8, 3, 0),
    "small": (64, 64, 128, 4, 4, 0),
    "skinny": (16, 64, 128, 4, 4, 0),
}
# By tensor descriptors: five stages and half a tile to store are 176 KiB, and each stage is 512
# cycles of wgmma.
DESCRIBED = dict.fromkeys(("large", "medium"), (128, 128, 128, 8, 5, 1))
TRIED = {
    "large": ((128, 256, 128, 8, 3, 0), (128, 128, 128, 8, 4, 0), (128, 128, 128, 4, 3, 0)),
    "medium": ((128, 64, 128, 4, 3, 0), (64, 128, 128, 4, 3, 0), (128, 128, 128, 4, 3, 0)),
    "small": (
        (64, 64, 128, 8, 4, 0), (64, 64, 256, 4, 2, 0), (32, 64, 128, 4, 4, 0),
        (64, 32, 128, 4, 4, 0),
    ),
    "skinny": (
        (16, 64, 256, 4, 3, 0), (16, 128, 128, 4, 3, 0), (16, 32, 256, 4, 4, 0),
        (16, 32, 128, 2, 5, 0),
    ),
}  # fmt: skip
TRIED_DESCRIBED = (
    (128, 128, 128, 8, 3, 1), (128, 128, 128, 8, 4, 1), (128, 128, 256, 8, 2, 1),
    (64, 128, 128, 4, 3, 1), (128, 64, 128, 4, 4, 1), (128, 256, 128, 8, 3, 1),
)  # fmt: skip


def triton_plan(arch: int, kind: str) -> Config:
    """The table's."""
    return DESCRIBED[kind] if arch in ARCHS and kind in DESCRIBED else POINTERS[kind]


def triton_choice(cubin: Callable[[str, int, Config], Cubin]) -> Choice:
    """What the Triton launcher may choose."""

    def bucket(dims: Dims, dtype: str, processors: int) -> str:
        return kind_of(dims["M"], dims["N"], processors)

    def usual(dtype: str, arch: int, kind: str) -> Config:
        return triton_plan(arch, kind)

    def offered(dtype: str, arch: int, kind: str) -> list[Config]:
        described = TRIED_DESCRIBED if arch in ARCHS and kind in DESCRIBED else ()
        every = [triton_plan(arch, kind), *described, POINTERS[kind], *TRIED[kind]]
        return list(dict.fromkeys(every))

    def compiled(dtype: str, arch: int, kind: str, config: Config) -> Cubin:
        return cubin(dtype, arch, config)

    return Choice("scaled_mm", "triton", FIELDS, bucket, usual, offered, compiled)
