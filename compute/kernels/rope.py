"""rope: rotary position embedding of queries and keys (Su et al., 2021).

Memory-bound: 3 FLOP an element that is read and written once. A pair (a, b) of a head turns to
(a cos - b sin, b cos + a sin); a pair is i and i + D/2 ("half", Llama) or 2 i and 2 i + 1
("interleaved", GPT-J). q and k are often views of one projection's result.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
import triton
import triton.language as tl

from compute.kernels.baselines.library import liger, liger_rope, only_halves
from compute.kernels.build.cuda import C_NAME, CudaKernel, NotCompiled
from compute.kernels.build.torch_compile import compiled_of
from compute.kernels.build.triton import aot, pointer
from compute.kernels.cases.data import aligned, dtype_name, generator, normal
from compute.kernels.operator import (
    FLOATS,
    SIZES,
    Case,
    Cubin,
    Dims,
    Implementation,
    Inputs,
    Operator,
)
from compute.kernels.shared.rows import VECTOR_BYTES, WARP

Pair = tuple[torch.Tensor, torch.Tensor]

# --- what it is -------------------------------------------------------------------------------


def reference(
    q: torch.Tensor,
    k: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    interleaved: bool = False,
) -> Pair:
    """float64: (q', k')."""
    c, s = cos.to(torch.float64)[:, None], sin.to(torch.float64)[:, None]
    return turn(q.to(torch.float64), c, s, interleaved), turn(
        k.to(torch.float64), c, s, interleaved
    )


def turn(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, interleaved: bool) -> torch.Tensor:
    """Every pair of the last axis of x."""
    a, b = (x[..., 0::2], x[..., 1::2]) if interleaved else x.chunk(2, dim=-1)
    turned = (a * cos - b * sin, b * cos + a * sin)
    return torch.stack(turned, -1).flatten(-2) if interleaved else torch.cat(turned, -1)


def flops(dims: Dims, dtype: str) -> int:
    """Two products and a sum an element."""
    return 3 * dims["T"] * (dims["HQ"] + dims["HK"]) * dims["D"]


def moved(dims: Dims, dtype: str) -> int:
    """q and k read and written, cos and sin read."""
    turned = dims["T"] * (dims["HQ"] + dims["HK"]) * dims["D"]
    return (2 * turned + dims["T"] * dims["D"]) * SIZES[dtype]


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """Normal q and k, the angles of positions 0 to T - 1 with base 10,000."""
    made = generator(seed, device)
    tokens, d = dims["T"], dims["D"]
    q, k = (normal((tokens, dims[heads], d), dtype, made) for heads in ("HQ", "HK"))
    powers = torch.arange(0, d, 2, device=device, dtype=torch.float64) / max(1, d)
    angles = torch.arange(tokens, device=device, dtype=torch.float64)[:, None] * 10_000.0**-powers
    return {
        "q": q,
        "k": k,
        "cos": angles.cos().to(q.dtype),
        "sin": angles.sin().to(q.dtype),
        "interleaved": False,
    }


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """Both kinds of pairs: odd and empty sizes, views of one buffer, heads before tokens, a NaN."""
    cases = []
    for interleaved in (False, True):
        way = "interleaved" if interleaved else "half"
        for size in ((0, 4, 2, 64), (1, 1, 1, 2), (3, 5, 1, 6), (5, 9, 3, 80), (2, 20, 4, 128)):
            dims = dict(zip(("T", "HQ", "HK", "D"), size, strict=True))
            inputs = make_inputs(dims, dtype, seed, device) | {"interleaved": interleaved}
            cases.append(Case(f"{way} {'x'.join(map(str, size))}", inputs))
        cases += [Case(f"{way} {name}", made) for name, made in _views(cases[-1].inputs)]
    return cases


def _views(base: Inputs) -> list[tuple[str, Inputs]]:
    q, k = base["q"], base["k"]
    tokens, heads, d = q.shape
    together = torch.cat([q, k, k], dim=1).view(tokens, -1)
    views = (
        together[:, : heads * d].view(tokens, heads, d),
        together[:, heads * d : -k.shape[1] * d].view(k.shape),
    )
    apart = torch.cat([q.new_zeros((tokens, 1)), together], dim=1)[:, 1 : 1 + heads * d]
    hole = q.clone()
    hole[1, 2, 3] = float("nan")
    return [
        ("views of one buffer", {**base, "q": views[0], "k": views[1]}),
        ("not aligned", {**base, "q": apart.view(tokens, heads, d)}),
        ("heads before tokens", {**base, "q": q.transpose(0, 1).contiguous().transpose(0, 1)}),
        ("last axis not dense", {**base, "k": k.transpose(1, 2).contiguous().transpose(1, 2)}),
        ("a NaN", {**base, "q": hole}),
        ("large", {**base, "k": k * 1000}),
    ]


def limits(inputs: Inputs, device: str) -> str | None:
    """What our kernels do not take."""
    if inputs["q"].shape[-1] % 2:
        return "rope turns pairs: D has to be even"
    same = inputs["q"].dtype == inputs["cos"].dtype == inputs["sin"].dtype
    return None if same else "cos and sin have to have the dtype of q"


# --- PyTorch ----------------------------------------------------------------------------------


def eager(
    q: torch.Tensor,
    k: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    interleaved: bool = False,
) -> Pair:
    """In fp32 and rounded once."""
    c, s = cos.float()[:, None], sin.float()[:, None]
    turned = (turn(x.float(), c, s, interleaved).to(x.dtype) for x in (q, k))
    return next(turned), next(turned)


# --- Triton -----------------------------------------------------------------------------------

HEADS = 8  # a program: with D = 128 and two warps, 16 values a thread
TRITON_WARPS = 2


@triton.jit
def turn_heads(
    x: tl.tensor, out: tl.tensor, c: tl.tensor, s: tl.tensor, first: tl.tensor, heads: tl.tensor,
    token: tl.tensor, stride: tl.tensor, head_stride: tl.tensor,
    HALF: tl.constexpr, HEADS: tl.constexpr, BLOCK: tl.constexpr, INTERLEAVED: tl.constexpr,
) -> None:  # fmt: skip
    """HEADS heads of one token; c and s are [1, BLOCK]."""
    head = first * HEADS + tl.arange(0, HEADS)[:, None]
    x += token * stride + head * head_stride.to(tl.int64)
    out += token * heads * (2 * HALF) + head * (2 * HALF)
    if INTERLEAVED:
        # Neighbours are read together and taken apart in registers.
        place = tl.arange(0, 2 * BLOCK)[None, :]
        inside = (head < heads) & (place < 2 * HALF)
        both = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
        a, b = tl.split(tl.reshape(both, [HEADS, BLOCK, 2]))
        made = tl.reshape(tl.join(a * c - b * s, b * c + a * s), [HEADS, 2 * BLOCK])
        tl.store(out + place, made.to(out.dtype.element_ty), mask=inside)
    else:
        place = tl.arange(0, BLOCK)[None, :]
        inside = (head < heads) & (place < HALF)
        a = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
        b = tl.load(x + HALF + place, mask=inside, other=0.0).to(tl.float32)
        tl.store(out + place, (a * c - b * s).to(out.dtype.element_ty), mask=inside)
        tl.store(out + HALF + place, (b * c + a * s).to(out.dtype.element_ty), mask=inside)


@triton.jit
def rope_kernel(
    q: tl.tensor, k: tl.tensor, cos: tl.tensor, sin: tl.tensor, q_out: tl.tensor, k_out: tl.tensor,
    q_stride: tl.tensor, q_head: tl.tensor, k_stride: tl.tensor, k_head: tl.tensor,
    q_heads: tl.tensor, k_heads: tl.tensor, q_blocks: tl.tensor, blocks: tl.tensor,
    HALF: tl.constexpr, HEADS: tl.constexpr, BLOCK: tl.constexpr, INTERLEAVED: tl.constexpr,
) -> None:  # fmt: skip
    """One program for some heads of a token, of q or of k."""
    token = (tl.program_id(0) // blocks).to(tl.int64)
    which = tl.program_id(0) % blocks
    place = tl.arange(0, BLOCK)[None, :]
    c = tl.load(cos + token * HALF + place, mask=place < HALF, other=0.0).to(tl.float32)
    s = tl.load(sin + token * HALF + place, mask=place < HALF, other=0.0).to(tl.float32)
    if which < q_blocks:
        turn_heads(q, q_out, c, s, which, q_heads, token, q_stride, q_head,
                   HALF, HEADS, BLOCK, INTERLEAVED)  # fmt: skip
    else:
        turn_heads(k, k_out, c, s, which - q_blocks, k_heads, token, k_stride, k_head,
                   HALF, HEADS, BLOCK, INTERLEAVED)  # fmt: skip


def by_triton(
    q: torch.Tensor,
    k: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    interleaved: bool = False,
) -> Pair:
    """One launch for both, after a copy of what has no dense last axis."""
    q, k, cos, sin = dense_last(q), dense_last(k), cos.contiguous(), sin.contiguous()
    made = tuple(torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in (q, k))
    tokens, half = q.shape[0], q.shape[2] // 2
    q_blocks, k_blocks = (triton.cdiv(x.shape[1], HEADS) for x in (q, k))
    if programs := tokens * (q_blocks + k_blocks) * bool(half):
        rope_kernel[(programs,)](
            q, k, cos, sin, *made, *q.stride()[:2], *k.stride()[:2], q.shape[1], k.shape[1],
            q_blocks, q_blocks + k_blocks,
            HALF=half, HEADS=HEADS, BLOCK=triton.next_power_of_2(half), INTERLEAVED=interleaved,
            num_warps=TRITON_WARPS,
        )  # fmt: skip
    return made[0], made[1]


def dense_last(x: torch.Tensor) -> torch.Tensor:
    """x itself if its last axis is dense, else a copy."""
    return x if x.shape[-1] <= 1 or x.stride(-1) == 1 else x.contiguous()


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """Both kinds of pairs on aligned heads, and heads that begin anywhere."""
    pointers = ("q", "k", "cos", "sin", "q_out", "k_out")
    strides = ("q_stride", "q_head", "k_stride", "k_head")
    arguments = dict.fromkeys(pointers, pointer(dtype))
    arguments |= dict.fromkeys((*strides, "q_heads", "k_heads", "q_blocks", "blocks"), "i32")
    cubins = []
    for interleaved, promised in ((False, True), (True, True), (False, False)):
        constants = {"HALF": 64, "HEADS": HEADS, "BLOCK": 64, "INTERLEAVED": interleaved}
        divisible = (*pointers, *strides) if promised else ()
        cubins.append(
            aot(rope_kernel, arch, arguments, constants, divisible=divisible,
                num_warps=TRITON_WARPS)
        )  # fmt: skip
    return cubins


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel(
    "rope",
    r"""
#include "common.cuh"

// One block a token; a thread takes W pairs of a head: two loads of W elements each, next to each
// other where the pairs are interleaved. half is D / 2.
template <class T, int W, bool INTERLEAVED>
__global__ void __launch_bounds__(512)
rope(const T* __restrict__ q, const T* __restrict__ k, const T* __restrict__ cos,
     const T* __restrict__ sin, T* __restrict__ q_out, T* __restrict__ k_out, i64 q_stride,
     i64 q_head, i64 k_stride, i64 k_head, int q_heads, int k_heads, int half) {
  const i64 token = blockIdx.x;
  const int each = half / W;
  for (int item = threadIdx.x; item < (q_heads + k_heads) * each; item += blockDim.x) {
    const int head = item / each, at = item % each * W;
    const bool of_q = head < q_heads;
    const int mine = of_q ? head : head - q_heads;
    const T* from =
        of_q ? q + token * q_stride + mine * q_head : k + token * k_stride + mine * k_head;
    T* to = (of_q ? q_out + token * q_heads * 2 * half : k_out + token * k_heads * 2 * half) +
            (i64)mine * 2 * half;
    const int one = INTERLEAVED ? 2 * at : at, other = INTERLEAVED ? one + W : at + half;
    const Vec<T, W> low = load<W>(from + one), high = load<W>(from + other);
    const Vec<T, W> c = load<W>(cos + token * half + at), s = load<W>(sin + token * half + at);
    T made[2 * W];
#pragma unroll
    for (int j = 0; j < W; j++) {
      // Of low and high together, which two make pair j.
      const int first = INTERLEAVED ? 2 * j : j, second = INTERLEAVED ? 2 * j + 1 : j + W;
      const float a = to_float(first < W ? low.v[first % W] : high.v[first % W]);
      const float b = to_float(second < W ? low.v[second % W] : high.v[second % W]);
      const float cj = to_float(c.v[j]), sj = to_float(s.v[j]);
      made[first] = from_float<T>(a * cj - b * sj);
      made[second] = from_float<T>(b * cj + a * sj);
    }
    Vec<T, W> turned;
#pragma unroll
    for (int j = 0; j < W; j++) turned.v[j] = made[j];
    store<W>(to + one, turned);
#pragma unroll
    for (int j = 0; j < W; j++) turned.v[j] = made[W + j];
    store<W>(to + other, turned);
  }
}
""",
)
MOST_THREADS = 512


def by_cuda(
    q: torch.Tensor,
    k: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    interleaved: bool = False,
) -> Pair:
    """One launch for both, after a copy of what has no dense last axis."""
    q, k, cos, sin = dense_last(q), dense_last(k), cos.contiguous(), sin.contiguous()
    made = tuple(torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in (q, k))
    tokens, half = q.shape[0], q.shape[2] // 2
    heads = q.shape[1] + k.shape[1]
    if tokens * half * heads:
        width = VECTOR_BYTES // q.element_size()
        width = width if half % width == 0 and aligned(q, k, cos, sin) else 1
        strides = (ctypes.c_longlong(s) for s in (*q.stride()[:2], *k.stride()[:2]))
        sizes = (ctypes.c_int(n) for n in (q.shape[1], k.shape[1], half))
        template = (C_NAME[dtype_name(q)], width, str(interleaved).lower())
        threads = threads_of(heads * half // width)
        CUDA.launch(
            (tokens,), threads, (q, k, cos, sin, *made, *strides, *sizes), template=template
        )
    return made[0], made[1]


def threads_of(items: int) -> int:
    """Whole warps, so many that every thread has about the same number of items."""
    rounds = triton.cdiv(items, MOST_THREADS)
    return int(triton.cdiv(triton.cdiv(items, rounds), WARP)) * WARP


def cuda_aot(dtype: str, arch: int) -> list[Cubin] | str:
    """Both kinds of pairs on aligned heads, and one pair at a time."""
    wide = VECTOR_BYTES // SIZES[dtype]
    cubins = []
    try:
        for interleaved, width in ((False, wide), (True, wide), (False, 1)):
            template = (C_NAME[dtype], width, str(interleaved).lower())
            config = {"width": width, "interleaved": interleaved}
            cubins.append(CUDA.aot(arch, *template, threads=MOST_THREADS, config=config))
    except NotCompiled as error:
        return str(error)
    return cubins


# --- the operator -----------------------------------------------------------------------------


def _shapes(sizes: Sequence[tuple[int, int, int]]) -> list[Dims]:
    return [{"T": t, "HQ": hq, "HK": hk, "D": 128} for t, hq, hk in sizes]


# Llama 3 8B (32 and 8 heads) and 70B (64 and 8).
MODELS = ((1, 32, 8), (64, 32, 8), (8192, 32, 8), (8192, 64, 8), (32_768, 64, 8))
SWEEP = tuple((tokens, 32, 8) for tokens in (1, 16, 64, 256, 1024, 4096, 16_384, 65_536))

OPERATOR = Operator(
    name="rope",
    title="Rotary embedding",
    also=("rotary",),
    summary="pairs of q and k turned by the angle of their position",
    dtypes=FLOATS,
    regime="memory",
    implementations={
        "torch": Implementation("torch", "torch", eager),
        "torch.compile": Implementation("torch.compile", "torch.compile", compiled_of(eager)),
        "triton": Implementation(
            "triton", "triton", by_triton, limits=limits, build=triton_aot, shown=rope_kernel
        ),
        "cuda": Implementation("cuda", "cuda", by_cuda, limits=limits, build=cuda_aot),
        **liger(liger_rope, only_halves),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=("T", "HQ", "HK", "D"),
    suites={
        "smoke": _shapes([(64, 8, 2)]),
        "models": _shapes(MODELS),
        "sweep": _shapes(SWEEP),
    },
    adversarial=adversarial,
)
