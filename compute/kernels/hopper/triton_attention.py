"""Attention in Triton for sm_90: queries, keys, values and the result go by tensor descriptors
(TMA), and weights are multiplied while the next are made.

A block of 128 keys of 128 is 2048 cycles of wgmma and 1056 of exponentials; one after the other
they leave the tensor cores idle for a third of the time.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

from compute.kernels.build.triton import aot, described
from compute.kernels.hopper.descriptors import of_heads
from compute.kernels.operator import Cubin
from compute.kernels.plans.choosing import Config
from compute.kernels.shared.matrices import upcast


@triton.jit
def block_of(
    heads: tl.tensor, batch: tl.tensor, head: tl.tensor, at: tl.tensor, LINES: tl.constexpr,
    D: tl.constexpr, UPCAST: tl.constexpr,
) -> tl.tensor:  # fmt: skip
    """LINES of a head from ``at`` on. Those beyond the last are zeros, not the next head's: the
    head is an axis of its own.
    """
    block = heads.load([batch, head, at, 0]).reshape(LINES, D)
    return block.to(tl.float32) if UPCAST else block


@triton.jit
def weigh(
    logits: tl.tensor, most: tl.tensor, total: tl.tensor, scale: tl.tensor
) -> tuple[tl.tensor, tl.tensor, tl.tensor, tl.tensor]:
    """(weights, greatest logit, sum of weights, what remains of earlier sums)."""
    high = tl.maximum(most, tl.max(logits, 1))
    base = tl.where(high == float("-inf"), 0.0, high * scale)
    kept = tl.exp2(most * scale - base)
    p = tl.exp2(logits * scale - base[:, None])
    return p, high, total * kept + tl.sum(p, 1), kept


@triton.jit
def attention_tma_kernel(
    q: tl.tensor, k: tl.tensor, v: tl.tensor, out: tl.tensor, kv_heads: tl.tensor,
    group: tl.tensor, sq: tl.tensor, sk: tl.tensor, scale: tl.tensor,
    CAUSAL: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, D: tl.constexpr,
    UPCAST: tl.constexpr,
) -> None:  # fmt: skip
    """BM queries of one head, in the order of ``attention_kernel``; the tensors are descriptors.

    In the first loop, over keys that every row sees, a block's weights meet the values one round
    later: nothing in their own round waits for that product, so it runs while the next weights
    are made. Weights are carried in fp32; carried in 16 bits the compiler puts them into shared
    memory, and waits. The masked blocks stay in a plain loop: in this form they spilled 26 times.
    """
    tiles = tl.cdiv(sq, BM)
    place = tl.program_id(0) // group
    head = place // tiles % kv_heads
    batch = place // tiles // kv_heads
    first = (tiles - 1 - place % tiles) * BM
    query = head * group + tl.program_id(0) % group
    queries = block_of(q, batch, query, first, BM, D, UPCAST)
    end, whole = sk, sk // BN * BN
    ends = tl.zeros([BM], tl.int32) + sk
    if CAUSAL:
        ends = tl.minimum(ends, first + tl.arange(0, BM) + (sk - sq + 1))
        end = tl.minimum(sk, first + BM + sk - sq)
        whole = tl.maximum(0, tl.minimum(sk, first + sk - sq + 1)) // BN * BN
    sums = tl.zeros([BM, D], tl.float32)
    most = tl.zeros([BM], tl.float32) - float("inf")
    total = tl.zeros([BM], tl.float32)
    if whole > 0:
        key = block_of(k, batch, head, 0, BN, D, UPCAST)
        logits = tl.dot(queries, key.T, input_precision="ieee")
        p, most, total, kept = weigh(logits, most, total, scale)
        for at in tl.range(BN, whole, BN):
            key = block_of(k, batch, head, at, BN, D, UPCAST)
            logits = tl.dot(queries, key.T, input_precision="ieee")
            value = block_of(v, batch, head, at - BN, BN, D, UPCAST)
            sums = tl.dot(p.to(value.dtype), value, sums * kept[:, None], input_precision="ieee")
            p, most, total, kept = weigh(logits, most, total, scale)
        value = block_of(v, batch, head, whole - BN, BN, D, UPCAST)
        sums = tl.dot(p.to(value.dtype), value, sums * kept[:, None], input_precision="ieee")
    for at in tl.range(whole, end, BN):
        key = block_of(k, batch, head, at, BN, D, UPCAST)
        logits = tl.dot(queries, key.T, input_precision="ieee")
        logits = tl.where((at + tl.arange(0, BN))[None, :] < ends[:, None], logits, float("-inf"))
        p, most, total, kept = weigh(logits, most, total, scale)
        value = block_of(v, batch, head, at, BN, D, UPCAST)
        sums = tl.dot(p.to(value.dtype), value, sums * kept[:, None], input_precision="ieee")
    made = sums / tl.where(total == 0.0, 1.0, total)[:, None]
    out.store([batch, query, first, 0], made.to(out.dtype).reshape(1, 1, BM, D))


def by_descriptors(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, out: torch.Tensor, causal: bool,
    scale: float, config: Config,
) -> bool:  # fmt: skip
    """Into ``out``, with a positive ``scale`` that counts powers of two; False where the copy
    engine cannot address a tensor (no keys, an expanded axis, heads of no multiple of 16 bytes).
    """
    (b, h, sq, d), (_, hk, sk, _) = q.shape, k.shape
    bm, bn, warps, stages, _ = config
    block_d = max(16, triton.next_power_of_2(d))
    made = [of_heads(t, n, block_d) for t, n in ((q, bm), (k, bn), (v, bn), (out, bm))]
    if None in made:
        return False
    attention_tma_kernel[(b * h * triton.cdiv(sq, bm),)](
        *made, hk, h // hk, sq, sk, scale, causal, bm, bn, block_d, upcast(q), num_warps=warps,
        num_stages=stages,
    )  # fmt: skip
    return True


def descriptor_cubin(dtype: str, arch: int, d: int, causal: bool, config: Config) -> Cubin:
    """Heads of ``d``; sizes that are no power of two are padded with zeros on the way."""
    block_d, (bm, bn, warps, stages, _) = max(16, triton.next_power_of_2(d)), config
    lines = {"q": bm, "k": bn, "v": bn, "out": bm}
    arguments = {name: described(dtype, [1, 1, n, block_d]) for name, n in lines.items()}
    arguments |= dict.fromkeys(("kv_heads", "group", "sq", "sk"), "i32") | {"scale": "fp32"}
    constants: dict[str, Any] = {"CAUSAL": causal, "BM": bm, "BN": bn, "D": block_d}
    constants["UPCAST"] = False
    launch: dict[str, Any] = {"num_warps": warps, "num_stages": stages}
    return aot(attention_tma_kernel, arch, arguments, constants, **launch)
