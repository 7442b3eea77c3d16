"""The emulated GPU shows what a real one would punish: missing barriers, waits, and deadlocks."""

from __future__ import annotations

import ctypes
import os
import shutil

import pytest

from tests.compute.kernels.finding import need_worker_packages
from tests.needs import require_or_skip

pytestmark = pytest.mark.slow

REVERSE = """
#include "common.cuh"
template <bool WAIT> __global__ void reverse(const float* x, float* y) {
  __shared__ float held[64];
  held[threadIdx.x] = x[threadIdx.x];
  if (WAIT) __syncthreads();
  y[threadIdx.x] = held[63 - threadIdx.x];
}
"""
COPY = """
#include "common.cuh"
template <bool WAIT> __global__ void staged(const float* x, float* y) {
  float* held = reinterpret_cast<float*>(dynamic_shared());
  cp_async16(held + 4 * threadIdx.x, x + 4 * threadIdx.x);
  cp_async_commit();
  if (WAIT) cp_async_wait<0>();
  __syncthreads();
  for (int i = 0; i < 4; i++) y[4 * threadIdx.x + i] = held[4 * threadIdx.x + i];
}
"""
STUCK = """
#include "common.cuh"
template <int N> __global__ void stuck(float* y) {
  if (threadIdx.x < N)
    __syncthreads();
  else
    __syncwarp();
  y[threadIdx.x] = 1.0f;
}
"""
PRODUCT = """
#include "common.cuh"
template <class T> __global__ void product(const T* a, const T* b, float* c) {
  __shared__ __align__(16) T left[16 * 16];
  __shared__ __align__(16) T right[16 * 8];
  for (int i = threadIdx.x; i < 256; i += 32) left[i] = a[i];
  for (int i = threadIdx.x; i < 128; i += 32) right[i] = b[i];
  __syncthreads();
  const int lane = threadIdx.x;
  u32 l[4], r[4];
  ldmatrix4(l, left + (lane % 16) * 16 + (lane / 16) * 8);
  ldmatrix4_trans(r, right + (lane % 16) * 8);
  float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  mma16<T>(sum, l, r[0], r[1]);
  for (int i = 0; i < 4; i++) c[(lane / 4 + 8 * (i / 2)) * 8 + 2 * (lane % 4) + i % 2] = sum[i];
}
"""


@pytest.fixture(autouse=True)
def compiler() -> None:
    need_worker_packages()
    if shutil.which("g++") is None:
        require_or_skip("g++ is not installed; it compiles CUDA kernels for the CPU")


@pytest.mark.parametrize("waits", [True, False])
def test_a_missing_barrier_gives_wrong_values(waits: bool) -> None:
    import torch

    from compute.kernels.build.emulation import launch

    x, y = torch.arange(64.0), torch.zeros(64)
    launch(REVERSE, f"reverse<{str(waits).lower()}>", (1,), 64, (x, y), 0)
    assert torch.equal(y, x.flip(0)) is waits


@pytest.mark.parametrize("waits", [True, False])
def test_an_asynchronous_copy_that_nobody_waits_for_has_not_arrived(waits: bool) -> None:
    import torch

    from compute.kernels.build.emulation import launch

    x, y = torch.arange(128.0), torch.zeros(128)
    launch(COPY, f"staged<{str(waits).lower()}>", (1,), 32, (x, y), 512)
    assert torch.equal(y, x) is waits


def test_threads_that_wait_for_ever_are_an_error_and_not_a_hang() -> None:
    import torch

    from compute.kernels.build.emulation import launch

    with pytest.raises(RuntimeError, match="barrier"):
        launch(STUCK, "stuck<16>", (1,), 32, (torch.zeros(32),), 0)


def test_matrix_instructions_multiply_as_the_instruction_set_says() -> None:
    import torch

    from compute.kernels.build.emulation import launch

    a = torch.randn(16, 16, dtype=torch.bfloat16)
    b = torch.randn(16, 8, dtype=torch.bfloat16)
    c = torch.zeros(16, 8)
    launch(PRODUCT, "product<__nv_bfloat16>", (1,), 32, (a, b, c), 0)
    torch.testing.assert_close(c, a.float() @ b.float())


def test_every_block_of_the_grid_runs_with_its_own_arguments() -> None:
    import torch

    from compute.kernels.build.emulation import launch

    source = """
#include "common.cuh"
template <int N> __global__ void fill(float* y, float by, i64 n) {
  y[(blockIdx.y * gridDim.x + blockIdx.x) * n + threadIdx.x] = by * blockIdx.y + threadIdx.x;
}
"""
    y = torch.zeros(2, 3, 32)
    values = (y, ctypes.c_float(100.0), ctypes.c_longlong(32))
    launch(source, "fill<1>", (3, 2), 32, values, 0)
    want = 100.0 * torch.arange(2.0)[:, None, None] + torch.arange(32.0)
    assert torch.equal(y, want.expand(2, 3, 32))


def test_it_is_off_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from compute.kernels.build.places import no_place

    monkeypatch.delenv("K2C_CUDA_ON_CPU", raising=False)
    assert no_place("cuda", "cpu") == "needs a GPU"
    monkeypatch.setenv("K2C_CUDA_ON_CPU", "1")
    assert no_place("cuda", "cpu") is None
    assert os.environ["K2C_CUDA_ON_CPU"] == "1"
