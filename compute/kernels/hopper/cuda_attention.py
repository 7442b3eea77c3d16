"""attention on Hopper in CUDA C++: wgmma on tiles that the copy engine brings.

The kernel is cuda/attention_hopper.cuh. Decodes, fp32, and what the copy engine cannot
address (keys expanded over heads, heads of 61 values) stay with mma.sync (attention.py).
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence

import torch

from compute.kernels.build.cuda import C_NAME, CudaKernel
from compute.kernels.build.tensor_maps import TensorMap, why_not_mapped
from compute.kernels.operator import SIZES, Cubin

KERNEL = CudaKernel("attention_hopper", '#include "attention_hopper.cuh"\n')
# That it is compiled for; smaller ones are padded with zeros on the way.
HEADS = (64, 80, 96, 128, 192, 256)
PANEL = 64  # columns of a box: 128 bytes
ROWS = 64  # queries of a warpgroup
STAGES = 2
# With fewer queries half of a block's rows or more are none, and making four maps on the host takes
# longer than the kernel.
LEAST_QUERIES = 65


def pays(arch: int, dtype: str, queries: int, d: int) -> bool:
    """Whether a launch of such heads is worth a try of ``attended``."""
    return arch == 90 and SIZES[dtype] == 2 and queries >= LEAST_QUERIES and d <= HEADS[-1]


def attended(
    heads: Sequence[tuple[torch.Tensor, Sequence[int], int]],
    out: torch.Tensor,
    sk: int,
    scale: float,
    causal: bool,
) -> bool:
    """Attention in ``out`` (dense); False where the copy engine cannot address a tensor.

    ``heads``: q, k and v as ``matrices.head_lines`` gives them; ``scale`` in powers of two.
    """
    b, h, sq, d = out.shape
    kv_heads = heads[1][0].shape[1]
    size = size_of(d)
    rows = ROWS * warpgroups(size)
    boxes = ((b, h, sq, rows), (b, kv_heads, sk, keys(size)), (b, kv_heads, sk, keys(size)))
    maps = [
        head_map(tensor, strides, (*count, min(dense, d)), box)
        for (tensor, strides, dense), (*count, box) in zip(heads, boxes, strict=True)
    ]
    maps.append(head_map(out, out.stride()[:-1], tuple(out.shape), ROWS))
    if None in maps:
        return False
    dtype = str(out.dtype).removeprefix("torch.")
    arguments = (*maps, *map(ctypes.c_int, (kv_heads, h // kv_heads, sq, sk)))
    KERNEL.launch(
        (b * h * math.ceil(sq / rows),),
        threads(size),
        (*arguments, ctypes.c_float(scale), ctypes.c_int(causal)),
        template=(C_NAME[dtype], size),
        shared_bytes=shared_bytes(size),
    )
    return True


def head_map(
    tensor: torch.Tensor, strides: Sequence[int], shape: Sequence[int], rows: int
) -> TensorMap | None:
    """``rows`` rows of one head a box; ``strides`` and ``shape`` are of [batch, head, row, ...].

    None where there can be no map.
    """
    apart = tuple(stride * tensor.element_size() for stride in reversed(strides))
    sizes = tuple(reversed(shape))
    if why_not_mapped(tensor, sizes, apart):
        return None
    # The stride of an axis of one element may be 0, which the driver is not known to take.
    apart = tuple(stride or PANEL * tensor.element_size() for stride in apart)
    return TensorMap(tensor, sizes, apart, (PANEL, rows, 1, 1))


def size_of(d: int) -> int:
    """The compiled size for heads of ``d``."""
    return next(size for size in HEADS if size >= d)


def warpgroups(size: int) -> int:
    """That multiply: as many as their registers allow."""
    return 3 if size <= PANEL else 2


def keys(size: int) -> int:
    """At a time."""
    return 128 if size <= 128 else 96 if size <= 192 else 64


def threads(size: int) -> int:
    """Of a block; one warpgroup copies."""
    return 128 * (warpgroups(size) + 1)


def shared_bytes(size: int) -> int:
    """Queries, two rings of keys and values, and a barrier for each and for each that is free."""
    lines = ROWS * warpgroups(size) + 2 * STAGES * keys(size)
    return lines * math.ceil(size / PANEL) * PANEL * 2 + (1 + 4 * STAGES) * 8


def hopper_cubins(dtype: str, arch: int) -> list[Cubin]:
    """Every size of head, where the launcher takes this path. Raises ``NotCompiled``."""
    if not pays(arch, dtype, LEAST_QUERIES, HEADS[0]):
        return []
    return [
        KERNEL.aot(
            arch,
            C_NAME[dtype],
            size,
            threads=threads(size),
            config={"d": size, "shared_bytes": shared_bytes(size)},
        )
        for size in HEADS
    ]
