"""The CUDA device itself: needs one."""

from __future__ import annotations

import pytest

from compute.bench.ceilings import Ceilings, copy_subject
from compute.bench.stats import spread
from compute.bench.timing import Plan, measure, once

pytestmark = [pytest.mark.gpu, pytest.mark.slow]


def test_a_cold_copy_is_slower_than_a_warm_one_that_fits_the_cache() -> None:
    from compute.bench.gpu import CudaDevice

    device = CudaDevice()
    times = {}
    for cold in (True, False):
        subject = copy_subject(device.cache_bytes / 4, "cuda")
        once(device, subject)
        measure(device, [subject], Plan(budget_s=1.0, cold=cold))
        times[cold] = spread(subject.times).median
    assert times[True] > times[False]


def test_spinning_lasts_about_as_long_as_asked() -> None:
    from compute.bench.gpu import CudaDevice

    device = CudaDevice()
    device.spin(1e-3)
    start = device.mark()
    device.spin(2e-3)
    end = device.mark()
    device.synchronize()
    assert 1e-3 < device.elapsed_s(start, end) < 8e-3


def test_a_graph_replays_what_was_captured() -> None:
    import torch

    from compute.bench.gpu import CudaDevice

    device = CudaDevice()
    total = torch.zeros(1, device="cuda")
    replay = device.capture([lambda: total.add_(1)] * 3)
    assert replay is not None
    device.synchronize()
    total.zero_()
    replay()
    device.synchronize()
    assert total.item() == 3


def test_ceilings_are_those_of_a_gpu_and_its_clocks_are_read() -> None:
    from compute.bench.gpu import CudaDevice

    device = CudaDevice()
    kept = Ceilings()
    assert kept.copy(device).value > 100
    product = kept.matmul(device, "bfloat16")
    assert product is not None and product.value > 5
    assert device.clocks().sm_mhz


def test_memory_of_a_call_is_what_it_holds_at_most() -> None:
    import torch

    from compute.bench.gpu import CudaDevice

    x = torch.ones(2**20, device="cuda")  # 4 MiB
    assert CudaDevice().peak_bytes(lambda: (x + 1) * 2) == 2 * x.nbytes
