"""Attention in Triton for sm_90: keys and values come by tensor descriptors (TMA), and the warps
are specialised.

One warp fetches, two groups of four have 64 queries each and wait for nobody but it: while one
group takes exponentials the other has the tensor cores. 128 queries and 128 keys of 128 are 2048
cycles of wgmma and 1056 of exponentials; one after the other, as in eight equal warps that meet at
barriers, they leave the tensor cores idle for a third of the time.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

from compute.kernels.attention_plans import SPECIALISED
from compute.kernels.choosing import Config
from compute.kernels.descriptors import of_heads, strides_of
from compute.kernels.matrices import upcast
from compute.kernels.operator import Cubin
from compute.kernels.triton_build import aot, described, pointer


@triton.jit
def attend_block(
    sums: tl.tensor, most: tl.tensor, total: tl.tensor, queries: tl.tensor, k: tl.tensor,
    v: tl.tensor, batch: tl.tensor, head: tl.tensor, at: tl.tensor, ends: tl.tensor,
    scale: tl.tensor, BN: tl.constexpr, D: tl.constexpr, MASK: tl.constexpr, UPCAST: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:  # fmt: skip
    """BN keys from ``at`` on; with MASK a row sees those before its end. Lines beyond the last are
    zeros, not the next head's: the head is an axis of its own.
    """
    key = k.load([batch, head, at, 0]).reshape(BN, D)
    value = v.load([batch, head, at, 0]).reshape(BN, D)
    if UPCAST:
        key, value = key.to(tl.float32), value.to(tl.float32)
    logits = tl.dot(queries, key.T, input_precision="ieee")
    if MASK:
        logits = tl.where((at + tl.arange(0, BN))[None, :] < ends[:, None], logits, float("-inf"))
    high = tl.maximum(most, tl.max(logits, 1))
    base = tl.where(high == float("-inf"), 0.0, high * scale)
    kept = tl.exp2(most * scale - base)
    p = tl.exp2(logits * scale - base[:, None])
    total = total * kept + tl.sum(p, 1)
    sums = tl.dot(p.to(value.dtype), value, sums * kept[:, None], input_precision="ieee")
    return sums, high, total


@triton.jit
def attention_tma_kernel(
    q: tl.tensor, k: tl.tensor, v: tl.tensor, out: tl.tensor,
    q_batch: tl.tensor, q_head: tl.tensor, q_row: tl.tensor, kv_heads: tl.tensor,
    group: tl.tensor, sq: tl.tensor, sk: tl.tensor, size: tl.tensor, zero: tl.tensor,
    scale: tl.tensor,
    CAUSAL: tl.constexpr, MASK: tl.constexpr, SPECIAL: tl.constexpr, BM: tl.constexpr,
    BN: tl.constexpr, D: tl.constexpr, UPCAST: tl.constexpr,
) -> None:  # fmt: skip
    """BM queries of one head, in the order of ``attention_kernel``; ``k`` and ``v`` are
    descriptors. That of the queries is made here, because the compiler halves its block for the two
    groups of warps. It takes one loop only (two end in an assertion of Triton 3.6 and 3.7): with
    SPECIAL every block is masked where any is. ``zero`` keeps the row that is loaded apart from
    ``first``: to the second group's copy of it the compiler adds 64 wherever it is used, and
    ``rows`` begin at 64 there already (both versions; its second half was then never stored).
    """
    tiles = tl.cdiv(sq, BM)
    place = tl.program_id(0) // group
    head = place // tiles % kv_heads
    batch = place // tiles // kv_heads
    first = (tiles - 1 - place % tiles) * BM
    query = head * group + tl.program_id(0) % group
    q += batch.to(tl.int64) * q_batch + query.to(tl.int64) * q_head
    asked = tl.make_tensor_descriptor(q, [sq, size], [q_row, 1], [BM, D])
    queries = asked.load([first + zero, 0])
    if UPCAST:
        queries = queries.to(tl.float32)
    rows, column = tl.arange(0, BM), tl.arange(0, D)
    end, whole = sk, sk // BN * BN
    ends = tl.zeros([BM], tl.int32) + sk
    if CAUSAL:
        ends = tl.minimum(ends, first + rows + (sk - sq + 1))
        end = tl.minimum(sk, first + BM + sk - sq)
        whole = tl.maximum(0, tl.minimum(sk, first + sk - sq + 1)) // BN * BN
    sums = tl.zeros([BM, D], tl.float32)
    most = tl.zeros([BM], tl.float32) - float("inf")
    total = tl.zeros([BM], tl.float32)
    if SPECIAL:
        for at in tl.range(0, end, BN, warp_specialize=True):
            sums, most, total = attend_block(
                sums, most, total, queries, k, v, batch, head, at, ends, scale, BN, D, MASK, UPCAST
            )
    else:
        for at in tl.range(0, whole, BN):
            sums, most, total = attend_block(
                sums, most, total, queries, k, v, batch, head, at, ends, scale, BN, D, False, UPCAST
            )
        for at in tl.range(whole, end, BN):
            sums, most, total = attend_block(
                sums, most, total, queries, k, v, batch, head, at, ends, scale, BN, D, True, UPCAST
            )
    made = sums / tl.where(total == 0.0, 1.0, total)[:, None]
    out += ((batch * kv_heads * group + query).to(tl.int64) * sq + first) * size
    inside = (first + rows < sq)[:, None] & (column < size)[None, :]
    tl.store(
        out + rows[:, None] * size + column[None, :], made.to(out.dtype.element_ty), mask=inside
    )


def by_descriptors(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, out: torch.Tensor, causal: bool,
    scale: float, config: Config,
) -> bool:  # fmt: skip
    """Into ``out``, with a positive ``scale`` that counts powers of two; False where the copy
    engine cannot address a tensor (no keys, an expanded axis). Lines begin at 16 bytes.
    """
    (b, h, sq, d), (_, hk, sk, _) = q.shape, k.shape
    bm, bn, warps, stages, how = config
    block_d = max(16, triton.next_power_of_2(d))
    from_k, from_v = (of_heads(t, bn, block_d) for t in (k, v))
    strides = strides_of(q)
    if from_k is None or from_v is None or 0 in strides:
        return False

    def scratch(size: int, alignment: int, stream: int | None) -> torch.Tensor:
        """One descriptor a program, 128 bytes; torch's allocator keeps the order of the stream."""
        return torch.empty(size, dtype=torch.uint8, device=q.device)

    triton.set_allocator(scratch)
    attention_tma_kernel[(b * h * triton.cdiv(sq, bm),)](
        q, from_k, from_v, out, *strides[:3], hk, h // hk, sq, sk, d, 0, scale, causal,
        causal or sk % bn > 0, how == SPECIALISED, bm, bn, block_d, upcast(q), num_warps=warps,
        num_stages=stages,
    )  # fmt: skip
    return True


def descriptor_cubin(dtype: str, arch: int, d: int, causal: bool, config: Config) -> Cubin:
    """Heads of ``d``; sizes that are no power of two are padded with zeros on the way."""
    block_d, (bm, bn, warps, stages, how) = max(16, triton.next_power_of_2(d)), config
    arguments = dict.fromkeys(("q", "out"), pointer(dtype)) | {"scale": "fp32"}
    arguments |= dict.fromkeys(("k", "v"), described(dtype, [1, 1, bn, block_d]))
    sizes = ("q_batch", "q_head", "q_row", "kv_heads", "group", "sq", "sk", "size", "zero")
    arguments |= dict.fromkeys(sizes, "i32")
    constants: dict[str, Any] = {"CAUSAL": causal, "MASK": causal, "SPECIAL": how == SPECIALISED}
    constants |= {"BM": bm, "BN": bn, "D": block_d, "UPCAST": False}
    promised = ("q", "out", "q_batch", "q_head", "q_row", "size")
    launch: dict[str, Any] = {"num_warps": warps, "num_stages": stages}
    return aot(attention_tma_kernel, arch, arguments, constants, divisible=promised, **launch)
