"""What a compiled kernel tells of itself."""

from __future__ import annotations

import pytest

from tests.compute.kernels.finding import need_nvrtc, need_worker_packages

SOURCE = """
#include "common.cuh"
template <int N> __global__ void turn(float* x) {
  __shared__ float held[N];
  held[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = held[N - 1 - threadIdx.x];
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("arch", [80, 90, 100])
def test_shared_memory_is_what_the_kernel_asks_for(arch: int) -> None:
    """Without the KiB that the driver keeps of each block, which cubins of sm_90 count."""
    need_nvrtc()
    need_worker_packages()
    from compute.kernels.build.cuda import CudaKernel
    from compute.kernels.build.static import inspect_cubin

    kernel = CudaKernel("turn", SOURCE).aot(arch, 64, threads=64)
    assert inspect_cubin(kernel, arch).shared_bytes == 64 * 4
