"""Own medians beside a plain timer's on this CPU: the goal is 5 %, or within the quartiles."""

from __future__ import annotations

import statistics
import time

import pytest

from compute.bench.cpu import CpuDevice
from compute.bench.stats import spread
from compute.bench.timing import Plan, Subject, measure, warm_up
from tests.bench.harness import title
from tests.compute.kernels.finding import need_worker_packages

ROUNDS = 200


@pytest.mark.bench
def test_own_medians_beside_an_outside_timer() -> None:
    need_worker_packages()
    import torch

    title("kernel timer: own median against time.perf_counter round the same call")
    for rows in (256, 1024, 4096):
        x = torch.randn(rows, 1024)
        outside = []
        subject = Subject("softmax", lambda _, x=x: torch.softmax(x, -1))  # type: ignore[misc]
        device = CpuDevice(2**30)
        warm_up(device, subject, 0.2, 1.0)
        for _ in range(ROUNDS):  # in turns with ours, or the machine's load is compared
            start = time.perf_counter()
            torch.softmax(x, -1)
            outside.append(time.perf_counter() - start)
            measure(device, [subject], Plan(0.0, cold=False, least=2, most=2))
        own, other = spread(subject.times), statistics.median(outside)
        inside = own.q1 <= other <= own.q3
        apart = 100 * abs(own.median / other - 1)
        where = "within" if inside else "outside"
        pair = f"own {own.median * 1e3:.4f} ms, outside {other * 1e3:.4f} ms"
        print(f"  softmax {rows}x1024: {pair}, {apart:.1f} % apart, {where} the quartiles")
