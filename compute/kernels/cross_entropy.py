"""cross_entropy: log(sum e^logit) - logit of the target, for each row of logits.

Memory-bound: a row of a vocabulary is read once, maximum and sum together, and one number written.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
import triton
import triton.language as tl

from compute.kernels.baselines.library import liger, liger_cross_entropy, loss_in_fp32
from compute.kernels.build.cuda import CudaKernel
from compute.kernels.build.torch_compile import compiled_of
from compute.kernels.build.triton import pointer
from compute.kernels.cases.data import dense_rows, dtype_name, generator, normal, row_stride
from compute.kernels.judging import compare_tensor
from compute.kernels.operator import (
    FLOATS,
    SIZES,
    Case,
    Cubin,
    Dims,
    Implementation,
    Inputs,
    Operator,
    Verdict,
)
from compute.kernels.shared.rows import (
    block_for,
    cuda_builds,
    plan_choice,
    plan_for,
    row_cases,
    row_choice,
    shapes,
    triton_builds,
)

IGNORED = -100


# --- what it is -------------------------------------------------------------------------------


def reference(
    logits: torch.Tensor, target: torch.Tensor, ignore_index: int = IGNORED
) -> torch.Tensor:
    """float64; 0 at ignored rows."""
    wide = logits.to(torch.float64)
    kept = target != ignore_index
    chosen = wide.gather(1, torch.where(kept, target, 0)[:, None])[:, 0]
    return torch.where(kept, torch.logsumexp(wide, dim=-1) - chosen, 0.0)


def flops(dims: Dims, dtype: str) -> int:
    """A comparison, a difference, an exponential, a sum and a product an element."""
    return 5 * dims["M"] * dims["N"]


def moved(dims: Dims, dtype: str) -> int:
    """Logits and an int64 target a row read, an fp32 loss written."""
    return dims["M"] * dims["N"] * SIZES[dtype] + 12 * dims["M"]


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """Normal logits, any target, one row in 16 ignored."""
    made = generator(seed, device)
    rows, columns = dims["M"], dims["N"]
    logits = normal((rows, columns), dtype, made, scale=2.0)
    target = torch.randint(0, max(1, columns), (rows,), generator=made, device=device)
    target[7::16] = IGNORED
    return {"logits": logits, "target": target, "ignore_index": IGNORED}


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """The rows that break kernels, ignored ones that hold NaN, masks of -inf."""
    cases = row_cases(make_inputs, dtype, seed, device, rows=("logits",))
    cases = [case for case in cases if case.inputs["logits"].shape[1]]  # a target needs a column
    base = make_inputs({"M": 20, "N": 136}, dtype, seed, device)
    logits, target = base["logits"].clone(), base["target"].clone()
    logits[7, 3] = float("nan")
    logits[1] = -float("inf")
    logits[2, 1:] = -float("inf")
    target[2] = 0
    logits[3, 5] = -float("inf")
    target[3] = 5
    kept = base["target"].clamp(min=0)
    wide = target.repeat_interleave(2)[::2]
    cases.append(Case("masked and ignored", {**base, "logits": logits, "target": wide}))
    cases.append(
        Case("another index ignored", {**base, "target": kept, "ignore_index": int(kept[0])})
    )
    return cases


LOGIT_UNITS = 4 * 2.0**-24


def judge(
    operator: Operator, inputs: Inputs, got: Any, want: Any, dtype: str, slack: float
) -> Verdict:
    """The general rule, with 4 roundings of the largest logit of a row for free: the loss is a
    difference of two numbers of that size.
    """
    if got.shape == want.shape and got.dtype == torch.float32:
        free = LOGIT_UNITS * inputs["logits"].to(torch.float64).abs().amax(-1)
        near = (got.to(torch.float64) - want).abs() <= free.nan_to_num(0.0, posinf=0.0)
        want = torch.where(near, got.to(torch.float64), want)
    return compare_tensor(operator, got, want, "float32", slack)


# --- PyTorch ----------------------------------------------------------------------------------


def eager(logits: torch.Tensor, target: torch.Tensor, ignore_index: int = IGNORED) -> torch.Tensor:
    """As training code writes it, on logits in fp32."""
    return F.cross_entropy(logits.float(), target, ignore_index=ignore_index, reduction="none")


# --- Triton -----------------------------------------------------------------------------------


@triton.jit
def cross_entropy_kernel(
    logits: tl.tensor, target: tl.tensor, out: tl.tensor, stride: tl.tensor, columns: tl.tensor,
    ignored: tl.tensor,
    BLOCK: tl.constexpr, WHOLE: tl.constexpr,
) -> None:  # fmt: skip
    """One program a row, each logit read once. The maximum starts at the lowest finite value, so
    that -inf adds 0; a NaN, which tl.max drops, comes back through the sum.
    """
    LOWEST: tl.constexpr = -3.402823466e38
    LOG2_E: tl.constexpr = 1.4426950408889634  # exp2 is one instruction, exp five
    row = tl.program_id(0).to(tl.int64)
    logits += row * stride
    place = tl.arange(0, BLOCK)
    if WHOLE:
        value = tl.load(logits + place, mask=place < columns, other=-float("inf")).to(tl.float32)
        top = tl.maximum(tl.max(value, 0), LOWEST)
        total = tl.sum(tl.exp2((value - top) * LOG2_E), 0)
    else:
        tops = tl.full([BLOCK], LOWEST, tl.float32)
        sums = tl.zeros([BLOCK], tl.float32)
        # The next block is under way during the exponentials of this one (softmax.py).
        for start in tl.range(0, columns, BLOCK, num_stages=2):
            inside = start + place < columns
            value = tl.load(logits + start + place, mask=inside, other=-float("inf"))
            value = value.to(tl.float32)
            # Of the two factors e^(old - new) and e^(value - new), one is always 1.
            power = tl.exp2(-tl.abs(value - tops) * LOG2_E)
            sums = tl.where(value > tops, sums * power + 1.0, sums + power)
            tops = tl.maximum(tops, value)
        top = tl.max(tops, 0)
        total = tl.sum(sums * tl.exp2((tops - top) * LOG2_E), 0)
    chosen = tl.load(target + row)
    kept = chosen != ignored
    logit = tl.load(logits + tl.where(kept, chosen, 0)).to(tl.float32)
    tl.store(out + row, tl.where(kept, top - logit + tl.log(total), 0.0))


def by_triton(
    logits: torch.Tensor, target: torch.Tensor, ignore_index: int = IGNORED
) -> torch.Tensor:
    """One launch."""
    logits, target = dense_rows(logits), target.contiguous()
    rows, columns = logits.shape
    out = torch.empty((rows,), dtype=torch.float32, device=logits.device)
    if rows:
        block, whole, warps = block_for(CHOICE, logits)
        cross_entropy_kernel[(rows,)](
            logits, target, out, row_stride(logits), columns, ignore_index, block, whole,
            num_warps=warps,
        )  # fmt: skip
    return out


def arguments(dtype: str) -> dict[str, str]:
    """Types at run time."""
    kinds = {"logits": pointer(dtype), "target": pointer("int64"), "out": pointer("float32")}
    return kinds | {"stride": "i32", "columns": "i32", "ignored": "i64"}


# A row is read once, so nothing asks for few rows at a time: four on a multiprocessor, and one
# adds up or begins while the others load.
LONG = 4096

CHOICE = row_choice("cross_entropy", cross_entropy_kernel, arguments, LONG)


def triton_aot(dtype: str, arch: int) -> list[Cubin]:
    """A row in one block, and a longer row."""
    return triton_builds(cross_entropy_kernel, arch, arguments(dtype), long=LONG)


# --- CUDA C++ ---------------------------------------------------------------------------------

CUDA = CudaKernel(
    "cross_entropy",
    r"""
#include "rows.cuh"

template <class T, int W, int THREADS, int HELD, bool LONG>
__global__ void __launch_bounds__(THREADS)
cross_entropy(const T* __restrict__ logits, const i64* __restrict__ target,
              float* __restrict__ out, i64 stride, int columns, i64 ignored) {
  __shared__ float shared[2 * (THREADS / 32)];
  const T* from = logits + blockIdx.x * stride;
  auto read = [&](int at) { return load<W>(from + at); };
  Row<Vec<T, W>, W, THREADS, HELD, LONG> row(columns, read);
  Online seen;
  row.each(read, [&](const Vec<T, W>& got, int) { seen.add(got); });
  block_join<THREADS>(seen, shared);
  if (threadIdx.x == 0) {
    const i64 chosen = target[blockIdx.x];
    out[blockIdx.x] =
        chosen == ignored ? 0.0f : seen.top - to_float(from[chosen]) + logf(seen.sum);
  }
}
""",
)
CUDA_CHOICE = plan_choice("cross_entropy", CUDA)


def by_cuda(
    logits: torch.Tensor, target: torch.Tensor, ignore_index: int = IGNORED
) -> torch.Tensor:
    """One launch; rows that are not whole 16-byte vectors take the narrow path."""
    logits, target = dense_rows(logits), target.contiguous()
    rows, columns = logits.shape
    out = torch.empty((rows,), dtype=torch.float32, device=logits.device)
    if rows:
        taken = plan_for(CUDA_CHOICE, columns, logits)
        arguments = (
            logits, target, out, ctypes.c_longlong(row_stride(logits)), ctypes.c_int(columns),
            ctypes.c_longlong(ignore_index),
        )  # fmt: skip
        template = taken.template(dtype_name(logits))
        CUDA.launch((rows,), taken.threads, arguments, template=template)
    return out


# --- the operator -----------------------------------------------------------------------------

# Vocabularies of Llama 2 (32,000), Llama 3 (128,256) and Qwen 3 (151,936).
MODELS = ((8192, 32_000), (512, 128_256), (4096, 128_256), (4096, 151_936))
SWEEP = tuple((rows, 128_256) for rows in (1, 16, 64, 256, 1024, 4096))

OPERATOR = Operator(
    name="cross_entropy",
    title="Cross-entropy",
    summary="log(sum e^logit) - logit of the target, for each row",
    dtypes=FLOATS,
    regime="memory",
    implementations={
        "torch": Implementation("torch", "torch", eager),
        "torch.compile": Implementation("torch.compile", "torch.compile", compiled_of(eager)),
        "triton": Implementation(
            "triton",
            "triton",
            by_triton,
            build=triton_aot,
            shown=cross_entropy_kernel,
            choice=CHOICE,
        ),
        "cuda": Implementation(
            "cuda", "cuda", by_cuda, build=cuda_builds(CUDA), choice=CUDA_CHOICE
        ),
        **liger(liger_cross_entropy, loss_in_fp32),
    },
    make_inputs=make_inputs,
    reference=reference,
    flops=flops,
    bytes=moved,
    dims=("M", "N"),
    suites={"smoke": shapes([(64, 1024)]), "models": shapes(MODELS), "sweep": shapes(SWEEP)},
    adversarial=adversarial,
    result_dtype=lambda dtype: "float32",
    judge=judge,
)
