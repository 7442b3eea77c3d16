"""gemm in Triton for sm_90 and later: tiles come and go by tensor descriptors (TMA), and a program
takes one tile after the other.

Loads of the next tile are in flight while the last one is stored. Of 128 x 256 x 64 the inner loop
has 27 instructions for each wgmma, where loads by pointers take 37 and 29 more registers.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

from compute.kernels.build.places import arch_of
from compute.kernels.build.triton import aot, described
from compute.kernels.hopper.descriptors import of_operand, of_result, together
from compute.kernels.operator import Cubin
from compute.kernels.plans.choosing import Config
from compute.kernels.shared.matrices import multiprocessors_of, operand, upcast


@triton.jit
def tile_of(tile: tl.tensor, tiles_m: tl.tensor, tiles_n: tl.tensor) -> tuple[tl.tensor, tl.tensor]:
    """Row and column of a tile. Eight rows of tiles together, column by column: what runs at one
    time shares L2.
    """
    band = tile // (8 * tiles_n)
    high = tl.minimum(tiles_m - band * 8, 8)
    within = tile % (8 * tiles_n)
    return band * 8 + within % high, within // high


@triton.jit
def store_halves(out: tl.tensor, row: tl.tensor, column: tl.tensor, made: tl.tensor) -> None:
    """A tile in two steps, through half the shared memory: what is left is one more stage."""
    BM: tl.constexpr = made.shape[0]
    HALF: tl.constexpr = made.shape[1] // 2
    left, right = tl.split(tl.permute(tl.reshape(made, (BM, 2, HALF)), (0, 2, 1)))
    out.store([row, column], left)
    out.store([row, column + HALF], right)


@triton.jit
def gemm_tma_kernel(
    a: tl.tensor, b: tl.tensor, out: tl.tensor, m: tl.tensor, n: tl.tensor, k: tl.tensor,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, A_K: tl.constexpr, B_K: tl.constexpr,
    UPCAST: tl.constexpr,
) -> None:  # fmt: skip
    """``a``, ``b`` and ``out`` are descriptors. The two loops are made one, and it is promised that
    neither is empty: without that the whole epilogue stands there twice.
    """
    tiles_m, tiles_n, steps = tl.cdiv(m, BM), tl.cdiv(n, BN), tl.cdiv(k, BK)
    tl.assume(steps > 0)
    for tile in tl.range(tl.program_id(0), tiles_m * tiles_n, tl.num_programs(0), flatten=True):
        across, along = tile_of(tile, tiles_m, tiles_n)
        row, column = across * BM, along * BN
        total = tl.zeros([BM, BN], tl.float32)
        for step in range(steps):
            at = step * BK
            left = a.load([row, at]) if A_K else a.load([at, row]).T
            right = b.load([column, at]).T if B_K else b.load([at, column])
            if UPCAST:
                left, right = left.to(tl.float32), right.to(tl.float32)
            total = tl.dot(left, right, total, input_precision="ieee")
        store_halves(out, row, column, total.to(out.dtype))


def by_descriptors(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor, config: Config) -> bool:
    """Into ``out``; False where the copy engine cannot address a matrix (lines of ``out`` that are
    no multiple of 16 bytes, an expanded operand, K = 0).
    """
    (m, k), n, (bm, bn, bk, warps, stages, _) = a.shape, b.shape[1], config
    left, right = operand(a), operand(b)
    a_k, b_k = left.along_columns, not right.along_columns
    blocks = _blocks(config, a_k, b_k)
    from_a, from_b = of_operand(left, m, k, blocks[0]), of_operand(right, k, n, blocks[1])
    to_out = of_result(out, blocks[2])
    if from_a is None or from_b is None or to_out is None:
        return False
    programs = multiprocessors_of(a) * together(shared_bytes(config, a))
    grid = (min(triton.cdiv(m, bm) * triton.cdiv(n, bn), programs),)
    gemm_tma_kernel[grid](
        from_a, from_b, to_out, m, n, k, bm, bn, bk, a_k, b_k, upcast(a), num_warps=warps,
        num_stages=stages,
    )  # fmt: skip
    return True


def shared_bytes(config: Config, a: torch.Tensor) -> int:
    """The stages, and half a tile of the result; the whole of it from sm_100 on."""
    bm, bn, bk, _, stages, _ = config
    stored = bm * bn if arch_of(a) >= 100 else bm * bn // 2
    return (stages * (bm + bn) * bk + stored) * a.element_size()


def descriptor_cubin(dtype: str, arch: int, config: Config, a_k: bool, b_k: bool) -> Cubin:
    """Operands in either order; ragged sizes take the same code."""
    bm, bn, bk, warps, stages, _ = config
    names = ("a", "b", "out")
    blocks = _blocks(config, a_k, b_k)
    arguments = {name: described(dtype, block) for name, block in zip(names, blocks, strict=True)}
    arguments |= dict.fromkeys(("m", "n", "k"), "i32")
    constants: dict[str, Any] = {"BM": bm, "BN": bn, "BK": bk, "A_K": a_k, "B_K": b_k}
    constants["UPCAST"] = False
    how: dict[str, Any] = {"num_warps": warps, "num_stages": stages}
    return aot(gemm_tma_kernel, arch, arguments, constants, **how)


def _blocks(config: Config, a_k: bool, b_k: bool) -> tuple[list[int], list[int], list[int]]:
    """Of a, b and the result, each with its dense axis last."""
    bm, bn, bk = config[:3]
    return [bm, bk] if a_k else [bk, bm], [bn, bk] if b_k else [bk, bn], [bm, bn // 2]
