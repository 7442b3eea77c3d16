"""CUDA C++ through NVRTC onto the PTX machine, with faults that a GPU would punish."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from tests.compute.kernels.finding import need_nvrtc
from tests.fakes.ptx import Deadlock, Fault, Machine, Race, parse

REVERSE = """
template <bool WAIT> __global__ void reverse(const float* x, float* y) {
  __shared__ float held[64];
  held[threadIdx.x] = x[threadIdx.x];
  if (WAIT) __syncthreads();
  y[threadIdx.x] = held[63 - threadIdx.x];
}
"""
SUM = """
template <int SHIFT> __global__ void total(const float* x, float* y, int n) {
  float sum = 0.0f;
  for (int i = threadIdx.x + SHIFT; i < n + SHIFT; i += blockDim.x) sum += x[i];
  for (int step = 16; step > 0; step >>= 1) sum += __shfl_xor_sync(~0u, sum, step);
  if (threadIdx.x == 0) *y = sum;
}
"""
STUCK = """
template <int N> __global__ void stuck(float* y) {
  if (threadIdx.x < N) asm volatile("bar.sync 1, 64;");
  y[threadIdx.x] = 1.0f;
}
"""
ASSEMBLY = r"""
template <int N> __global__ void halves(const unsigned* x, unsigned* y) {
  unsigned a = x[threadIdx.x], made;
  asm volatile("{\n.reg .pred p;\n.reg .b32 t;\nsetp.ge.u32 p, %1, %2;\n"
               "mov.b32 t, %1;\n@p shr.u32 t, t, 1;\nadd.u32 %0, t, 1;\n}\n"
               : "=r"(made) : "r"(a), "n"(N));
  y[threadIdx.x] = made;
}
"""
LOCAL = """
template <int N> __global__ void places(const int* x, int* y) {
  int held[N];
  for (int i = 0; i < N; i++) held[x[i]] = i;
  y[threadIdx.x] = held[threadIdx.x % N];
}
"""


def machine(source: str, expression: str, order: str = "together") -> tuple[Machine, str]:
    need_nvrtc()
    from tests.fakes.ptx.nvrtc import ptx_of

    text, symbol = ptx_of(source, expression, 90)
    return Machine(parse(text), order), symbol


def reversed_by(wait: str, order: str) -> list[float]:
    x, y = np.arange(64, dtype=np.float32), np.zeros(64, dtype=np.float32)
    made, symbol = machine(REVERSE, f"reverse<{wait}>", order)
    made.launch(symbol, (1,), 64, [x, y])
    return [float(v) for v in y]


@pytest.mark.slow
@pytest.mark.parametrize("order", ["together", "forwards", "backwards"])
def test_a_barrier_waits_for_all_warps(order: str) -> None:
    assert reversed_by("true", order) == [float(n) for n in range(63, -1, -1)]


@pytest.mark.slow
@pytest.mark.parametrize("order", ["together", "forwards", "backwards"])
def test_a_missing_barrier_is_seen(order: str) -> None:
    with pytest.raises(Race, match=r"warp \d of its CTA has .* no barrier stands between"):
        reversed_by("false", order)


@pytest.mark.slow
def test_a_read_past_the_end_names_the_instruction_and_the_thread() -> None:
    x, y = np.arange(101, dtype=np.float32), np.zeros(1, dtype=np.float32)
    right, symbol = machine(SUM, "total<0>")
    right.launch(symbol, (1,), 32, [x[:100], y, ctypes.c_int(100)])
    assert y[0] == 4950.0
    past, symbol = machine(SUM, "total<1>")
    with pytest.raises(Fault, match=r"thread 3 of CTA 0 .* the nearest is .* ld\.global"):
        past.launch(symbol, (1,), 32, [x[:100], y, ctypes.c_int(100)])


@pytest.mark.slow
def test_a_barrier_that_half_of_the_threads_reach_is_a_deadlock() -> None:
    y = np.zeros(64, dtype=np.float32)
    right, symbol = machine(STUCK, "stuck<64>")
    right.launch(symbol, (1,), 64, [y])
    assert y.all()
    stuck, symbol = machine(STUCK, "stuck<32>")
    with pytest.raises(Deadlock, match=r"warp 0 of CTA 0.* wait for barrier 1 .*bar\.sync 1, 64"):
        stuck.launch(symbol, (1,), 64, [y])


@pytest.mark.slow
def test_inline_assembly_is_run_as_it_is_written() -> None:
    x, y = np.arange(64, dtype=np.uint32), np.zeros(64, dtype=np.uint32)
    made, symbol = machine(ASSEMBLY, "halves<40>")
    made.launch(symbol, (1,), 64, [x, y])
    assert y.tolist() == [(n // 2 if n >= 40 else n) + 1 for n in range(64)]


@pytest.mark.slow
def test_local_memory_is_each_threads_own() -> None:
    order = np.random.default_rng(3).permutation(24).astype(np.int32)
    y = np.zeros(96, dtype=np.int32)
    made, symbol = machine(LOCAL, "places<24>")
    made.launch(symbol, (1,), 96, [order, y])
    want = np.empty(24, dtype=np.int32)
    want[order] = np.arange(24)
    assert y.tolist() == want.tolist() * 4
    order[5] = 24
    with pytest.raises(Fault, match="of 96 bytes of local memory"):
        made.launch(symbol, (1,), 96, [order, y])
