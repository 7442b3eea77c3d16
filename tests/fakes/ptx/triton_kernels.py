"""Small Triton kernels whose compiled code is known to be right: what the machine is held to."""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def product_kernel(
    a: tl.tensor, b: tl.tensor, c: tl.tensor, m: tl.tensor, n: tl.tensor, k: tl.tensor,
    a_row: tl.tensor, a_k: tl.tensor, b_k: tl.tensor, b_column: tl.tensor,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, SUM: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:  # fmt: skip
    """c = a b by pointers with masks; strides say the order of the operands."""
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    inner = tl.arange(0, BK)
    left = a + rows[:, None] * a_row + inner[None, :] * a_k
    right = b + inner[:, None] * b_k + columns[None, :] * b_column
    total = tl.zeros([BM, BN], SUM)
    for at in range(0, k, BK):
        x = tl.load(left, mask=(rows < m)[:, None] & (at + inner < k)[None, :], other=0.0)
        y = tl.load(right, mask=(at + inner < k)[:, None] & (columns < n)[None, :], other=0.0)
        total = tl.dot(x, y, total, input_precision=PRECISION, out_dtype=SUM)
        left += BK * a_k
        right += BK * b_k
    inside = (rows < m)[:, None] & (columns < n)[None, :]
    tl.store(c + rows[:, None] * n + columns[None, :], total.to(c.dtype.element_ty), mask=inside)


@triton.jit
def described_kernel(
    a: tl.tensor, b: tl.tensor, c: tl.tensor, k: tl.tensor,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, A_K: tl.constexpr, B_K: tl.constexpr,
) -> None:  # fmt: skip
    """The same through tensor descriptors of the host."""
    row, column = tl.program_id(0) * BM, tl.program_id(1) * BN
    total = tl.zeros([BM, BN], tl.float32)
    for at in range(0, k, BK):
        x = a.load([row, at]) if A_K else a.load([at, row]).T
        y = b.load([column, at]).T if B_K else b.load([at, column])
        total = tl.dot(x, y, total)
    c.store([row, column], total.to(c.dtype))


@triton.jit
def describing_kernel(
    a: tl.tensor, b: tl.tensor, c: tl.tensor, m: tl.tensor, n: tl.tensor, k: tl.tensor,
    n_stride: tl.tensor, k_stride: tl.tensor,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
) -> None:  # fmt: skip
    """The same through descriptors that the kernel makes; b is [n, k]."""
    left = tl.make_tensor_descriptor(a, [m, k], [k_stride, 1], [BM, BK])
    right = tl.make_tensor_descriptor(b, [n, k], [k_stride, 1], [BN, BK])
    out = tl.make_tensor_descriptor(c, [m, n], [n_stride, 1], [BM, BN])
    row, column = tl.program_id(0) * BM, tl.program_id(1) * BN
    total = tl.zeros([BM, BN], tl.float32)
    for at in range(0, k, BK):
        total = tl.dot(left.load([row, at]), right.load([column, at]).T, total)
    out.store([row, column], total.to(c.dtype.element_ty))


@triton.jit
def attention_kernel(
    q: tl.tensor, k: tl.tensor, v: tl.tensor, out: tl.tensor, length: tl.tensor, scale: tl.tensor,
    BM: tl.constexpr, BN: tl.constexpr, D: tl.constexpr, CAUSAL: tl.constexpr,
    DESCRIBED: tl.constexpr,
) -> None:  # fmt: skip
    """One head of [length, D] each; softmax kept as a running maximum and sum."""
    first = tl.program_id(0) * BM
    rows, inner = first + tl.arange(0, BM), tl.arange(0, D)
    if DESCRIBED:
        query = q.load([first, 0])
    else:
        at = rows[:, None] * D + inner[None, :]
        query = tl.load(q + at, mask=(rows < length)[:, None], other=0.0)
    top = tl.full([BM], float("-inf"), tl.float32)
    below = tl.zeros([BM], tl.float32)
    total = tl.zeros([BM, D], tl.float32)
    end = tl.minimum(first + BM, length) if CAUSAL else length
    for start in range(0, end, BN):
        columns = start + tl.arange(0, BN)
        if DESCRIBED:
            keys, values = k.load([start, 0]), v.load([start, 0])
        else:
            at = columns[:, None] * D + inner[None, :]
            keys = tl.load(k + at, mask=(columns < length)[:, None], other=0.0)
            values = tl.load(v + at, mask=(columns < length)[:, None], other=0.0)
        scores = tl.dot(query, keys.T) * scale
        seen = (columns < length)[None, :]
        if CAUSAL:
            seen = seen & (columns[None, :] <= rows[:, None])
        scores = tl.where(seen, scores, float("-inf"))
        higher = tl.maximum(top, tl.max(scores, 1))
        weights = tl.exp2(scores - higher[:, None])
        faded = tl.exp2(top - higher)
        below = below * faded + tl.sum(weights, 1)
        total = tl.dot(weights.to(values.dtype), values, total * faded[:, None])
        top = higher
    total /= below[:, None]
    if DESCRIBED:
        out.store([first, 0], total.to(out.dtype))
    else:
        at = rows[:, None] * D + inner[None, :]
        tl.store(out + at, total.to(out.dtype.element_ty), mask=(rows < length)[:, None])
