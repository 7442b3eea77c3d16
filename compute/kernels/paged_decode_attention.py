"""paged_decode_attention: one query token a sequence against its KV cache, which lies in blocks.

Memory-bound: every key and value is read once for all heads of its group. One sequence alone would
occupy one block of threads for each KV head, so its tokens are split and the parts joined after.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl

from compute.kernels.build.cuda import C_NAME, CudaKernel, NotCompiled
from compute.kernels.build.torch_compile import compiled_of
from compute.kernels.build.triton import aot, pointer
from compute.kernels.cases.paged import adversarial, make_inputs
from compute.kernels.judging import judge_logits
from compute.kernels.operator import (
    FLOATS,
    SIZES,
    Cubin,
    Dims,
    Implementation,
    Inputs,
    Operator,
    Tolerance,
)
from compute.kernels.plans.choosing import Config
from compute.kernels.plans.decode import columns_of, paged_choice, paged_plan
from compute.kernels.shared.matrices import (
    head_lines,
    lines_bytes,
    multiprocessors_of,
    positive,
    upcast,
)

LOG2_E = math.log2(math.e)
MOST_D = 256

# --- what it is -------------------------------------------------------------------------------


def _attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, seq_lens: torch.Tensor, scale: float
) -> torch.Tensor:
    """q [B, H, D] against gathered k, v [B, tokens, HK, D], of which ``seq_lens`` are alive."""
    alive = torch.arange(k.shape[1], device=k.device)[None, :] < seq_lens[:, None]
    k, v = (torch.where(alive[:, :, None, None], t, 0.0).transpose(1, 2) for t in (k, v))
    group = q.reshape(q.shape[0], k.shape[1], q.shape[1] // k.shape[1], q.shape[2])
    logits = group @ k.transpose(-1, -2) * scale
    logits = logits.masked_fill(~alive[:, None, None, :], float("-inf"))
    weights = torch.softmax(logits, -1).masked_fill(~alive.any(1)[:, None, None, None], 0.0)
    return (weights @ v).flatten(1, 2)


def _gathered(cache: torch.Tensor, block_tables: torch.Tensor) -> torch.Tensor:
    """The cache of each sequence in a row; padding of the tables shows block 0."""
    if not cache.shape[0]:
        return cache.new_zeros((block_tables.shape[0], 0, *cache.shape[2:]))
    return cache[block_tables.clamp(min=0).long()].flatten(1, 2)


def reference(
    q: torch.Tensor, k_cache: torch.Tensor, v_cache: torch.Tensor, block_tables: torch.Tensor,
    seq_lens: torch.Tensor, scale: float,
) -> torch.Tensor:  # fmt: skip
    """float64; an empty sequence is 0."""
    k, v = (_gathered(c, block_tables).to(torch.float64) for c in (k_cache, v_cache))
    return _attend(q.to(torch.float64), k, v, seq_lens, scale)


def flops(dims: Dims, dtype: str) -> int:
    """Two products for every head over all tokens."""
    return 4 * dims["TOK"] * dims["H"] * dims["D"]


def moved(dims: Dims, dtype: str) -> int:
    """Keys and values, queries and results, lengths."""
    lines = 2 * dims["TOK"] * dims["HK"] + 2 * dims["B"] * dims["H"]
    return lines * dims["D"] * SIZES[dtype] + 4 * dims["B"]


# --- PyTorch ----------------------------------------------------------------------------------


def eager(
    q: torch.Tensor, k_cache: torch.Tensor, v_cache: torch.Tensor, block_tables: torch.Tensor,
    seq_lens: torch.Tensor, scale: float,
) -> torch.Tensor:  # fmt: skip
    """Gather, then attention in fp32, as code without a paged kernel does."""
    k, v = _gathered(k_cache, block_tables).float(), _gathered(v_cache, block_tables).float()
    return _attend(q.float(), k, v, seq_lens, scale).to(q.dtype)


# --- Triton -----------------------------------------------------------------------------------


@triton.jit
def paged_kernel(
    q: tl.tensor, keys: tl.tensor, values: tl.tensor, tables: tl.tensor, lengths: tl.tensor,
    out: tl.tensor, parts: tl.tensor, stats: tl.tensor, q_batch: tl.tensor, q_head: tl.tensor,
    k_block: tl.tensor, k_slot: tl.tensor, k_head: tl.tensor, v_block: tl.tensor,
    v_slot: tl.tensor, v_head: tl.tensor, table_row: tl.tensor, block: tl.tensor,
    kv_heads: tl.tensor, group: tl.tensor, dense: tl.tensor, size: tl.tensor, scale: tl.tensor,
    SPLIT: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, D: tl.constexpr,
    UPCAST: tl.constexpr,
) -> None:  # fmt: skip
    """BM heads of one group against a part of one sequence, BN tokens at a time."""
    tiles = tl.cdiv(group, BM)
    place = tl.program_id(0) // tiles
    batch, head = (place // kv_heads).to(tl.int64), (place % kv_heads).to(tl.int64)
    rows = tl.program_id(0) % tiles * BM + tl.arange(0, BM)
    column = tl.arange(0, D)
    inside = column < dense
    length = tl.load(lengths + batch)
    each = tl.cdiv(tl.cdiv(length, tl.num_programs(1)), BN) * BN
    begin = tl.program_id(1) * each
    end = tl.minimum(length, begin + each)
    q += batch * q_batch + head * group * q_head
    mask = (rows < group)[:, None] & inside[None, :]
    query = tl.load(q + rows[:, None] * q_head + column[None, :], mask=mask, other=0.0)
    if UPCAST:
        query = query.to(tl.float32)
    keys += head * k_head
    values += head * v_head
    sums = tl.zeros([BM, D], tl.float32)
    most = tl.zeros([BM], tl.float32) - float("inf")
    total = tl.zeros([BM], tl.float32)
    for at in range(begin, end, BN):
        token = at + tl.arange(0, BN)
        live = token < end
        page = tl.load(tables + batch * table_row + token // block, mask=live, other=0)
        page, slot = page.to(tl.int64), token % block
        k_at = keys + (page * k_block + slot * k_slot)[None, :] + column[:, None]
        v_at = values + (page * v_block + slot * v_slot)[:, None] + column[None, :]
        key = tl.load(k_at, mask=live[None, :] & inside[:, None], other=0.0)
        value = tl.load(v_at, mask=live[:, None] & inside[None, :], other=0.0)
        if UPCAST:
            key, value = key.to(tl.float32), value.to(tl.float32)
        logits = tl.dot(query, key, input_precision="ieee")
        logits = tl.where(live[None, :], logits, float("-inf"))
        high = tl.maximum(most, tl.max(logits, 1))
        base = tl.where(high == float("-inf"), 0.0, high * scale)
        kept = tl.exp2(most * scale - base)
        p = tl.exp2(logits * scale - base[:, None])
        total = total * kept + tl.sum(p, 1)
        sums = tl.dot(p.to(value.dtype), value, sums * kept[:, None], input_precision="ieee")
        most = high
    row = (batch * kv_heads + head) * group + rows
    mask = (rows < group)[:, None] & (column < size)[None, :]
    if SPLIT:
        line = row * tl.num_programs(1) + tl.program_id(1)
        tl.store(stats + 2 * line, most * scale, mask=rows < group)
        tl.store(stats + 2 * line + 1, total, mask=rows < group)
        tl.store(parts + line[:, None] * size + column[None, :], sums, mask=mask)
    else:
        made = sums / tl.where(total == 0.0, 1.0, total)[:, None]
        out_at = out + row[:, None] * size + column[None, :]
        tl.store(out_at, made.to(out.dtype.element_ty), mask=mask)


@triton.jit
def join_kernel(
    parts: tl.tensor, stats: tl.tensor, out: tl.tensor, count: tl.tensor, size: tl.tensor,
    D: tl.constexpr,
) -> None:  # fmt: skip
    """The parts of one query head become its result."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, D)
    most = float("-inf")
    for part in range(count):
        most = tl.maximum(most, tl.load(stats + 2 * (row * count + part)))
    base = tl.where(most == float("-inf"), 0.0, most)
    sums, total = tl.zeros([D], tl.float32), 0.0
    for part in range(count):
        line = row * count + part
        factor = tl.exp2(tl.load(stats + 2 * line) - base)
        total += factor * tl.load(stats + 2 * line + 1)
        sums += factor * tl.load(parts + line * size + column, mask=column < size, other=0.0)
    made = sums / tl.where(total == 0.0, 1.0, total)
    tl.store(out + row * size + column, made.to(out.dtype.element_ty), mask=column < size)


def splits_of(blocks: int, tokens: int, processors: int) -> int:
    """Parts a sequence, from the most tokens that its table has room for: the lengths are on the
    GPU. Four blocks a multiprocessor; parts of 128 tokens or more.
    """
    return max(1, min(4 * processors // max(1, blocks), tokens // 128, 256))


def by_triton(
    q: torch.Tensor, k_cache: torch.Tensor, v_cache: torch.Tensor, block_tables: torch.Tensor,
    seq_lens: torch.Tensor, scale: float,
) -> torch.Tensor:  # fmt: skip
    """One launch, and a second one that joins the parts where sequences were split."""
    (b, h, d), (_, block, hk, _) = q.shape, k_cache.shape
    out = torch.empty((b, h, d), dtype=q.dtype, device=q.device)
    if not out.numel():
        return out
    q, scale = positive(q, scale)
    (q, qs, dense), (k, ks, _), (v, vs, _) = (head_lines(t, 16) for t in (q, k_cache, v_cache))
    block_d, group = columns_of(dense), h // hk
    bm = min(64, max(16, triton.next_power_of_2(group)))
    dtype = str(q.dtype).removeprefix("torch.")
    bn, warps, stages = TRITON_CHOICE.taken(q, dtype, str(block_d))
    grid = b * hk * triton.cdiv(group, bm)
    tables = block_tables.contiguous()
    splits = splits_of(grid, tables.shape[1] * block, multiprocessors_of(q))
    parts, stats = parts_for(out, splits)
    paged_kernel[(grid, splits)](
        q, k, v, tables, seq_lens.contiguous(), out, parts, stats, *qs, *ks, *vs, tables.shape[1],
        block, hk, group, dense, d, scale * LOG2_E, splits > 1, bm, bn, block_d, upcast(q),
        num_warps=warps, num_stages=stages,
    )  # fmt: skip
    if splits > 1:
        join_kernel[(b * h,)](parts, stats, out, splits, d, block_d, num_warps=1)
    return out


def parts_for(out: torch.Tensor, splits: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Room for unjoined results and their (maximum, sum); none for a sequence in one part."""
    if splits == 1:
        return out, out
    rows = out.shape[0] * out.shape[1] * splits
    parts = torch.empty((rows, out.shape[2]), dtype=torch.float32, device=out.device)
    return parts, torch.empty((rows, 2), dtype=torch.float32, device=out.device)


def triton_cubin(dtype: str, arch: int, d: int, split: bool, config: Config) -> Cubin:
    """Heads of ``d``, sequences in parts or whole."""
    pointers = ("q", "keys", "values", "out", "parts", "stats", "tables", "lengths")
    strides = ("q_batch", "q_head", "k_block", "k_slot", "k_head", "v_block", "v_slot", "v_head")
    sizes = ("table_row", "block", "kv_heads", "group", "dense", "size")
    kinds = dict.fromkeys(pointers[:4], pointer(dtype)) | {"scale": "fp32"}
    kinds |= {"parts": "*fp32", "stats": "*fp32", "tables": "*i32", "lengths": "*i32"}
    kinds |= dict.fromkeys((*strides, *sizes), "i32")
    promised, (bn, warps, stages) = (*pointers, *strides, "dense", "size", "block"), config
    constants = {"SPLIT": split, "BM": 16, "BN": bn, "D": d, "UPCAST": False}
    how: dict[str, Any] = {"num_warps": warps, "num_stages": stages}
    return aot(paged_kernel, arch, kinds, constants, divisible=promised, **how)


TRITON_CHOICE = paged_choice(
    lambda dtype, arch, bucket, config: triton_cubin(dtype, arch, int(bucket), True, config)
)


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """Split and whole, heads of 128 and 64; and the join."""
    cubins = [
        triton_cubin(dtype, arch, d, split, paged_plan(dtype, arch, str(d)))
        for d, split in ((128, True), (64, False))
    ]
    joined = dict.fromkeys(("parts", "stats"), "*fp32") | {"out": pointer(dtype)}
    joined |= {"count": "i32", "size": "i32"}
    promised = ("parts", "stats", "out", "size")
    return [*cubins, aot(join_kernel, arch, joined, {"D": 128}, divisible=promised, num_warps=1)]


# --- CUDA C++ ---------------------------------------------------------------------------------

PAGED = CudaKernel("paged", '#include "paged.cuh"\n')
PAGED_FP32 = CudaKernel("paged_fp32", '#include "paged.cuh"\n')
JOIN = CudaKernel("join_parts", '#include "paged.cuh"\n')
# Two stages of 16 tokens a warp: 70 KiB for D = 128, so that three blocks, 12 warps, share a
# multiprocessor of 227 KiB and keep 96 KiB on their way; memory needs about 20 KiB of an H100's.
HEADS_16 = (64, 80, 96, 128, 256)


def cuda_plan(dtype: str, d: int) -> tuple[tuple[int, ...], int, int]:
    """(sizes for the template, heads at once, bytes of shared memory)."""
    if dtype == "float32":
        d = 128 if d <= 128 else 256
        return (d,), 8, 4 * 8 * (d + 2) * 4
    d = next(size for size in HEADS_16 if size >= d)
    stages = 2 if d <= 128 else 1  # sm_89 has 99 KiB
    ring = 16 * lines_bytes(d, 2) * (1 + 4 * stages * 2)
    return (d, stages), 16, max(ring, 4 * 16 * (d + 2) * 4)


def by_cuda(
    q: torch.Tensor, k_cache: torch.Tensor, v_cache: torch.Tensor, block_tables: torch.Tensor,
    seq_lens: torch.Tensor, scale: float,
) -> torch.Tensor:  # fmt: skip
    """One launch, and a second one that joins the parts where sequences were split."""
    (b, h, d), (_, block, hk, _) = q.shape, k_cache.shape
    out = torch.empty((b, h, d), dtype=q.dtype, device=q.device)
    if not out.numel():
        return out
    q, scale = positive(q, scale)
    dtype = str(q.dtype).removeprefix("torch.")
    whole = 4 if dtype == "float32" else 1
    (q, qs, dense), (k, ks, _), (v, vs, _) = (head_lines(t, whole) for t in (q, k_cache, v_cache))
    sizes, heads, shared = cuda_plan(dtype, d)
    group, tables = h // hk, block_tables.contiguous()
    grid = b * hk * triton.cdiv(group, heads)
    splits = splits_of(grid, tables.shape[1] * block, multiprocessors_of(q))
    parts, stats = parts_for(out, splits)
    arguments = (
        q, k, v, tables, seq_lens.contiguous(), out, parts, stats,
        *map(ctypes.c_longlong, (*qs, *ks, *vs, tables.shape[1])),
        *map(ctypes.c_int, (block, hk, group, dense, d)), ctypes.c_float(scale * LOG2_E),
    )  # fmt: skip
    wide, name = dtype == "float32", C_NAME[dtype]
    template: tuple[str | int, ...] = sizes if wide else (name, *sizes)
    kernel = PAGED_FP32 if wide else PAGED
    kernel.launch((grid, splits), 128, arguments, template=template, shared_bytes=shared)
    if splits > 1:
        joined = (parts, stats, out, ctypes.c_int(splits), ctypes.c_int(d))
        JOIN.launch((b * h,), 128, joined, template=(name,))
    return out


def cuda_aot(dtype: str, arch: int) -> list[Cubin] | str:
    """Heads of 64, 128 and 256; and the join."""
    wide, name = dtype == "float32", C_NAME[dtype]
    try:
        cubins = [JOIN.aot(arch, name, threads=128)]
        for d in (128, 256) if wide else (64, 128, 256):
            sizes, _, shared = cuda_plan(dtype, d)
            template: tuple[str | int, ...] = sizes if wide else (name, *sizes)
            config = {"d": d, "shared_bytes": shared}
            kernel = PAGED_FP32 if wide else PAGED
            cubins.append(kernel.aot(arch, *template, threads=128, config=config))
    except NotCompiled as error:
        return str(error)
    return cubins


def limits(inputs: Inputs, device: str) -> str | None:
    """Heads above 256 fit neither registers nor shared memory in these kernels."""
    d = inputs["q"].shape[-1]
    return f"heads of {d} are larger than {MOST_D}" if d > MOST_D else None


# --- the operator -----------------------------------------------------------------------------

KEYS = ("B", "H", "HK", "D", "TOK")
# Llama 3.1 8B (32 / 8 heads) and 70B (64 / 8): one user with 32k tokens to 256 with 1k each.
MODELS = (
    (1, 32, 8, 128, 32_768), (16, 32, 8, 128, 131_072), (64, 64, 8, 128, 262_144),
    (256, 32, 8, 128, 262_144),
)  # fmt: skip
SWEEP = tuple((16, 32, 8, 128, 16 * context) for context in (256, 1024, 4096, 16_384, 32_768))


def _shapes(shapes: Sequence[tuple[int, ...]]) -> list[Dims]:
    return [dict(zip(KEYS, shape, strict=True)) for shape in shapes]


OPERATOR = Operator(
    name="paged_decode_attention",
    title="Paged decode attention",
    also=("flash decoding", "decode attention", "paged attention"),
    summary="one query token a sequence against a KV cache in blocks",
    dtypes=FLOATS,
    regime="memory",
    implementations={
        "torch": Implementation("torch", "torch", eager),
        "torch.compile": Implementation("torch.compile", "torch.compile", compiled_of(eager)),
        "triton": Implementation(
            "triton",
            "triton",
            by_triton,
            limits=limits,
            build=triton_aot,
            shown=paged_kernel,
            choice=TRITON_CHOICE,
        ),
        "cuda": Implementation("cuda", "cuda", by_cuda, limits=limits, build=cuda_aot),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=KEYS,
    suites={
        "smoke": _shapes([(2, 8, 2, 64, 200)]),
        "models": _shapes(MODELS),
        "sweep": _shapes(SWEEP),
    },
    adversarial=adversarial,
    tolerance=Tolerance(units=2.0, floor=5e-6),
    judge=judge_logits,
)
