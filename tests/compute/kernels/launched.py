"""Launches a kernel as on a GPU, with a driver that only writes down what it is asked;
``python -m tests.compute.kernels.launched SHARED_BYTES``. The library's folder stands in
LD_LIBRARY_PATH. Prints the addresses that the driver must have got, or the error.
"""

from __future__ import annotations

import ctypes
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import torch

SOURCE = """
#include <hopper.cuh>
template <int N, bool SET>
__global__ void fill(const __grid_constant__ TensorMap map, float* y, int n, i64 far, float by) {
  if (SET) y[far] = n * by + N + map.words[0];
}
"""
STREAM = 0x77


def play_a_gpu() -> None:
    """PyTorch without CUDA asks no driver; what it would say of an H100."""
    cuda: Any = torch.cuda
    cuda.current_device = lambda: 0
    cuda.get_device_capability = lambda index=0: (9, 0)
    cuda.current_stream = lambda device=None: SimpleNamespace(cuda_stream=STREAM)


def play_an_old_cuda_core() -> None:
    """Only what each one from 0.3 on has; its kernels, for one, have a ``handle`` since 0.6."""
    from compute.kernels.build import cuda as build

    core = build._core()
    names = ("Device", "Program", "ProgramOptions")
    vars(build)["_core"] = lambda: SimpleNamespace(**{name: getattr(core, name) for name in names})


def main(shared_bytes: int) -> None:
    """Two launches of one kernel, the second in another thread."""
    from compute.kernels.build.cuda import CudaKernel
    from compute.kernels.build.tensor_maps import matrix_map

    play_a_gpu()
    play_an_old_cuda_core()
    x, y = torch.zeros(100, 72, dtype=torch.bfloat16), torch.zeros(4)
    arguments = (
        matrix_map(x, 100, 70, 72, (64, 32)), y, ctypes.c_int(5), ctypes.c_longlong(-7),
        ctypes.c_float(1.5),
    )  # fmt: skip
    kernel = CudaKernel("fill", SOURCE)
    said = ""
    try:

        def launch() -> None:
            kernel.launch((3, 2), 128, arguments, template=(4, True), shared_bytes=shared_bytes)

        launch()
        with ThreadPoolExecutor(1) as other:  # which has no context yet
            other.submit(launch).result()
        kernel.launch((0,), 128, arguments, template=(4, True))
    except RuntimeError as error:
        said = str(error)
    found = {"x": x.data_ptr(), "y": y.data_ptr(), "error": said}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
