"""Hopper's instructions on the emulated GPU: right products from both orders of both operands, and
the faults that a GPU punishes with wrong values or a hang.
"""

from __future__ import annotations

import ctypes
import shutil

import pytest

from tests.compute.kernels.finding import need_worker_packages
from tests.needs import require_or_skip

pytestmark = pytest.mark.slow

# One warpgroup multiplies 64 x N over steps of 64, one stage, the left operand from shared memory
# or (FRAGMENTS) from registers.
PRODUCT = """
#include <hopper.cuh>
template <class T, int N, bool A_K, bool B_K, bool FRAGMENTS>
__global__ void __launch_bounds__(128, 1)
product(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, float* y,
        int steps) {
  unsigned char* left = tile_shared();
  unsigned char* right = left + 8192;
  u64* full = reinterpret_cast<u64*>(left + 49152);
  if (threadIdx.x == 0) {
    barrier_init(full, 1);
    barrier_init_done();
  }
  __syncthreads();
  float c[N / 2];
  for (int step = 0; step < steps; step++) {
    const int at = 64 * step;
    if (threadIdx.x == 0) {
      barrier_expect(full, 8192 + 128 * N);
      tma_load<2>(left, a, full, {A_K ? at : 0, A_K ? 0 : at});
      for (int n = 0; n < N; n += 64)
        tma_load<2>(right + 128 * n, b, full, {B_K ? at : n, B_K ? n : at});
    }
    barrier_wait(full, step & 1);
    keep(c);
    wgmma_begin();
    for (int k = 0; k < 4; k++) {
      const u64 to_b = tile_address(right, 8192, 1024) + k * (B_K ? 2 : 128);
      if constexpr (FRAGMENTS) {
        const int row = threadIdx.x / 32 * 16 + threadIdx.x % 16;
        const int chunk = (threadIdx.x % 32 / 16 + 2 * k) ^ row % 8;
        u32 fragment[4];
        ldmatrix4(fragment, left + 128 * row + 16 * chunk);
        wgmma<T, N, B_K>(c, fragment, to_b, step + k > 0);
      } else {
        const u64 to_a = tile_address(left, 8192, 1024) + k * (A_K ? 2 : 128);
        wgmma<T, N, A_K, B_K>(c, to_a, to_b, step + k > 0);
      }
    }
    wgmma_commit();
    wgmma_wait<0>();
    keep(c);
    __syncthreads();  // all warps have read the stage
  }
  const int row = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4;
  for (int j = 0; j < N / 8; j++)
    for (int i = 0; i < 4; i++)
      y[(row + i / 2 * 8) * N + 8 * j + threadIdx.x % 4 * 2 + i % 2] = c[4 * j + i];
}
"""
INNER = 150  # two whole steps and a ragged one
# What is taken out of the kernel, or changed in it, and what must come of it.
FAULTS = {
    "nobody waits for the copies": ("barrier_wait(full, step & 1);", "", "values|more threads"),
    "the wrong phase": ("step & 1);", "step + 1 & 1);", "others never reach"),
    "products read before they are there": ("    wgmma_wait<0>();\n", "", "values|nobody waits"),
    "too many bytes expected": ("8192 + 128 * N", "8208 + 128 * N", "others never reach"),
    "too few bytes expected": ("8192 + 128 * N", "4096 + 128 * N", "values|others never reach"),
    "a tile at half a swizzle": ("right = left + 8192", "right = left + 8704", "multiple of 1024"),
    "a stage filled again too early": (
        "    __syncthreads();  // all",
        "    // all",
        "values|others never",
    ),
    "the next step of the wrong order": ("(B_K ? 2 : 128)", "(B_K ? 4 : 128)", "values"),
    "the left order turned": ("wgmma<T, N, A_K, B_K>", "wgmma<T, N, !A_K, B_K>", "values"),
    "no fence before products": ("    wgmma_begin();\n", "", "wgmma_begin"),
}


@pytest.fixture(autouse=True)
def compiler() -> None:
    need_worker_packages()
    if shutil.which("g++") is None:
        require_or_skip("g++ is not installed; it compiles CUDA kernels for the CPU")


def error_of(source: str, dtype: str, n: int, a_k: bool, b_k: bool, fragments: bool) -> float:
    """Largest difference of three launches: both orders of what is asynchronous, and warps that run
    ahead of others.
    """
    import torch

    from compute.kernels.build.cuda import C_NAME
    from compute.kernels.build.emulation import launch
    from compute.kernels.build.tensor_maps import matrix_map

    made = torch.Generator().manual_seed(1)
    kind = getattr(torch, dtype)
    a, b = (torch.randn(*s, generator=made).to(kind) for s in ((64, INNER), (INNER, n)))
    maps = []
    for lines in (a if a_k else a.t(), b.t() if b_k else b):
        held = torch.full((lines.shape[0], lines.shape[1] + 10), float("nan"), dtype=kind)
        held = held[:, : (lines.shape[1] + 7) // 8 * 8].contiguous()  # lines at 16 bytes
        held[:, : lines.shape[1]] = lines
        maps.append(matrix_map(held, lines.shape[0], lines.shape[1], held.stride(0), (64, 64)))
    words = [C_NAME[dtype], str(n), *(str(v).lower() for v in (a_k, b_k, fragments))]
    worst = 0.0
    for _ in range(3):
        y = torch.zeros(64, n)
        arguments = (*maps, y, ctypes.c_int(-(-INNER // 64)))
        launch(source, f"product<{', '.join(words)}>", (1,), 128, arguments, 49152 + 8)
        error = (y - a.float() @ b.float()).abs().max()
        worst = max(worst, float(error.nan_to_num(1e9)))
    return worst


@pytest.mark.parametrize(
    ("dtype", "n", "a_k", "b_k", "fragments"),
    [
        ("bfloat16", 256, True, True, False),
        ("float16", 128, False, False, False),
        ("bfloat16", 64, False, True, False),
        ("float16", 128, True, False, True),
    ],
)
def test_a_warpgroup_multiplies_tiles_of_either_order(
    dtype: str, n: int, a_k: bool, b_k: bool, fragments: bool
) -> None:
    assert error_of(PRODUCT, dtype, n, a_k, b_k, fragments) < 1e-4


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_a_gpu_would_punish_shows(fault: str) -> None:
    old, new, said = FAULTS[fault]
    assert PRODUCT.count(old) == 1
    source = PRODUCT.replace(old, new)
    try:
        error = error_of(source, "bfloat16", 64, True, True, False)
    except RuntimeError as raised:
        assert any(word in str(raised) for word in said.split("|")), str(raised)
    else:
        assert "values" in said and error > 1e-2


def test_what_the_copy_engine_cannot_address_is_said_and_not_tried() -> None:
    import torch

    from compute.kernels.build.tensor_maps import why_not_mapped

    x = torch.zeros(64, 64, dtype=torch.bfloat16)
    assert why_not_mapped(x, (64, 64), (128,)) is None
    assert "16 bytes" in (why_not_mapped(x.view(-1)[1:], (64, 63), (128,)) or "")
    assert "16 bytes apart" in (why_not_mapped(x, (60, 64), (120,)) or "")
    assert "repeats" in (why_not_mapped(x, (64, 64), (0,)) or "")
    assert why_not_mapped(x, (64, 1), (0,)) is None
    assert "no elements" in (why_not_mapped(x, (0, 64), (128,)) or "")
