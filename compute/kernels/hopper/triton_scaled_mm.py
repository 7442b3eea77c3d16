"""scaled_mm in Triton for sm_90 and later: as triton_gemm.py, in fp8 and with scales."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

from compute.kernels.build.places import interpreted
from compute.kernels.build.triton import aot, described
from compute.kernels.hopper.descriptors import of_lines, of_result
from compute.kernels.hopper.triton_gemm import store_halves, tile_of
from compute.kernels.operator import Cubin
from compute.kernels.plans.choosing import Config
from compute.kernels.shared.matrices import head_lines, multiprocessors_of


@triton.jit
def widened(values: tl.tensor) -> tl.tensor:
    """In fp32, for the interpreter alone: it takes e4m3's NaN for the number 480."""
    bits = values.to(tl.uint8, bitcast=True)
    return tl.where((bits & 127) == 127, float("nan"), values.to(tl.float32))


@triton.jit
def scaled(
    total: tl.tensor, scale_a: tl.tensor, scale_b: tl.tensor, rows: tl.tensor, columns: tl.tensor,
    m: tl.tensor, n: tl.tensor, ROWWISE_A: tl.constexpr, ROWWISE_B: tl.constexpr,
) -> tl.tensor:  # fmt: skip
    """A tile of sums times the scales of its rows and columns, or of the tensors."""
    if ROWWISE_A:
        total = total * tl.load(scale_a + rows, mask=rows < m, other=0.0)[:, None]
    else:
        total = total * tl.load(scale_a)
    if ROWWISE_B:
        return total * tl.load(scale_b + columns, mask=columns < n, other=0.0)[None, :]
    return total * tl.load(scale_b)


@triton.jit
def scaled_tma_kernel(
    a: tl.tensor, b: tl.tensor, scale_a: tl.tensor, scale_b: tl.tensor, out: tl.tensor,
    m: tl.tensor, n: tl.tensor, k: tl.tensor,
    ROWWISE_A: tl.constexpr, ROWWISE_B: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
    BK: tl.constexpr, UPCAST: tl.constexpr,
) -> None:  # fmt: skip
    """``a``, ``b`` ([n, k]) and ``out`` are descriptors; tiles one after the other."""
    tiles_m, tiles_n, steps = tl.cdiv(m, BM), tl.cdiv(n, BN), tl.cdiv(k, BK)
    tl.assume(steps > 0)
    for tile in tl.range(tl.program_id(0), tiles_m * tiles_n, tl.num_programs(0), flatten=True):
        across, along = tile_of(tile, tiles_m, tiles_n)
        row, column = across * BM, along * BN
        total = tl.zeros([BM, BN], tl.float32)
        for step in range(steps):
            left, right = a.load([row, step * BK]), b.load([column, step * BK]).T
            if UPCAST:
                left, right = widened(left), widened(right)
            # Hopper's fp8 sums keep some 14 bits: after 128 products they go into fp32.
            total = tl.dot(left, right, total, max_num_imprecise_acc=128)
        rows, columns = row + tl.arange(0, BM), column + tl.arange(0, BN)
        total = scaled(total, scale_a, scale_b, rows, columns, m, n, ROWWISE_A, ROWWISE_B)
        store_halves(out, row, column, total.to(out.dtype))


def by_descriptors(
    a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor,
    out: torch.Tensor, config: Config,
) -> bool:  # fmt: skip
    """Into ``out``; False where the copy engine cannot address a matrix (lines of ``out`` that are
    no multiple of 16 bytes, an expanded operand, K = 0).
    """
    (m, k), n, (bm, bn, bk, warps, stages, _) = a.shape, b.shape[1], config
    from_a, from_b = of_lines(head_lines(a)[0], [bm, bk]), of_lines(head_lines(b.t())[0], [bn, bk])
    to_out = of_result(out, [bm, bn // 2])
    if from_a is None or from_b is None or to_out is None:
        return False
    grid = (min(triton.cdiv(m, bm) * triton.cdiv(n, bn), multiprocessors_of(a)),)
    scaled_tma_kernel[grid](
        from_a, from_b, scale_a.contiguous(), scale_b.contiguous(), to_out, m, n, k,
        scale_a.numel() > 1, scale_b.numel() > 1, bm, bn, bk, interpreted(), num_warps=warps,
        num_stages=stages,
    )  # fmt: skip
    return True


def descriptor_cubin(dtype: str, arch: int, config: Config) -> Cubin:
    """With a scale a row and a column; ragged sizes take the same code."""
    bm, bn, bk, warps, stages, _ = config
    arguments = {"a": described(dtype, [bm, bk]), "b": described(dtype, [bn, bk])}
    arguments |= {"out": described("bfloat16", [bm, bn // 2])}
    arguments |= dict.fromkeys(("scale_a", "scale_b"), "*fp32")
    arguments |= dict.fromkeys(("m", "n", "k"), "i32")
    constants: dict[str, Any] = {"ROWWISE_A": True, "ROWWISE_B": True}
    constants |= {"BM": bm, "BN": bn, "BK": bk, "UPCAST": False}
    promised = ("scale_a", "scale_b")
    launch: dict[str, Any] = {"num_warps": warps, "num_stages": stages}
    return aot(scaled_tma_kernel, arch, arguments, constants, divisible=promised, **launch)
