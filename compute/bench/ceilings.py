"""What this machine can do at most, measured before anything else: a copy, a matrix product."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any

from compute.bench.device import Device
from compute.bench.precision import precision_of
from compute.bench.result import Ceiling
from compute.bench.stats import spread
from compute.bench.timing import Plan, Subject, measure, once
from compute.bench.words import size

KEPT_S = 600.0  # then clocks and neighbours may be others
COPY = "copy"
COPY_BYTES = {"cuda": 4 * 2**30, "cpu": 2**28}  # read and written together
SIDES = {"cuda": (8192, 4096), "cpu": (1024, 512, 256)}  # the first that is fast enough
PROBE_SIDE = 256
MOST_CALL_S = 2.0
LAUNCHES = 20
BUDGET_S = {"cuda": 2.0, "cpu": 1.0}


class Ceilings:
    """Measured once each and kept for ten minutes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[float, Ceiling | None]] = {}

    def copy(self, device: Device) -> Ceiling:
        """GB/s of a large copy, bytes read and bytes written."""
        found = self._get(device, COPY, lambda: _copy(device))
        assert found is not None
        return found

    def matmul(self, device: Device, dtype: str) -> Ceiling | None:
        """TFLOP/s of torch's matrix product of random values; None where there is none."""
        return self._get(device, dtype, lambda: _matmul(device, dtype))

    def _get(
        self, device: Device, kind: str, measured: Callable[[], Ceiling | None]
    ) -> Ceiling | None:
        key = (device.kind, kind)
        until, found = self._kept.get(key, (0.0, None))
        if self._clock() >= until:
            found = measured()
            self._kept[key] = (self._clock() + KEPT_S, found)
        return found


@cache
def ceilings() -> Ceilings:
    """This process's."""
    return Ceilings()


def copy_subject(moved_bytes: float, kind: str, name: str = COPY) -> Subject:
    """A copy that reads and writes ``moved_bytes`` together, of random bytes."""
    import torch

    size = max(int(moved_bytes / 2), 1)
    source = torch.randint(0, 255, (size,), dtype=torch.uint8, device=kind)
    target = torch.empty_like(source)
    return Subject(name, lambda _: target.copy_(source))


def _copy(device: Device) -> Ceiling:
    moved = min(COPY_BYTES[device.kind], device.memory_bytes // 4)
    value = most = moved / _best_s(device, copy_subject(moved, device.kind)) / 1e9
    if device.kind == "cuda":
        for made in (sum_subject, add_subject):
            most = max(most, moved / _best_s(device, made(moved, device.kind)) / 1e9)
    what = f"a copy that moves {size(moved)}"
    return Ceiling(kind=COPY, value=value, what=what, most=most)


def sum_subject(moved_bytes: float, kind: str) -> Subject:
    """Reads ``moved_bytes`` and writes one number."""
    import torch

    source = torch.rand(max(int(moved_bytes / 4), 1), device=kind)
    return Subject("sum", lambda _: source.sum())


def add_subject(moved_bytes: float, kind: str) -> Subject:
    """Reads twice what it writes, ``moved_bytes`` together."""
    import torch

    one, other = (torch.rand(max(int(moved_bytes / 12), 1), device=kind) for _ in range(2))
    target = torch.empty_like(one)
    return Subject("add", lambda _: torch.add(one, other, out=target))


def _matmul(device: Device, dtype: str) -> Ceiling | None:
    with precision_of(dtype):
        try:
            probe = product(dtype, PROBE_SIDE, device.kind)
            once(device, probe)
            small_s = min(once(device, probe) for _ in range(3))
            for side in SIDES[device.kind]:
                slow = small_s * (side / PROBE_SIDE) ** 3 > MOST_CALL_S
                if device.kind == "cpu" and slow and side > PROBE_SIDE:
                    continue
                best = _best_s(device, product(dtype, side, device.kind))
                value = 2 * side**3 / best / 1e12
                return Ceiling(kind=dtype, value=value, what=f"torch, {side} x {side} x {side}")
        except (RuntimeError, NotImplementedError):
            return None  # no such product on this device
    return None


def product(dtype: str, side: int, kind: str) -> Subject:
    """A square matrix product of normal values. Raises ``RuntimeError`` where there is none."""
    import torch

    name = "float32" if dtype == "tf32" else dtype
    made = [
        torch.randn((side, side), device=kind, dtype=torch.float32).to(getattr(torch, name))
        for _ in range(2)
    ]
    left, right = made
    if name.startswith("float8"):
        one = torch.ones((), device=kind, dtype=torch.float32)
        columns = right.t()
        return Subject(dtype, lambda _: scaled(torch, left, columns, one))
    return Subject(dtype, lambda _: torch.matmul(left, right))


def scaled(torch: Any, left: Any, right: Any, one: Any) -> Any:
    """torch's fp8 product with scales of 1."""
    return torch._scaled_mm(left, right, scale_a=one, scale_b=one, out_dtype=torch.bfloat16)


def _best_s(device: Device, subject: Subject) -> float:
    """The lower quartile: a ceiling is what can be reached, not what is usual."""
    once(device, subject)
    measure(device, [subject], Plan(BUDGET_S[device.kind], cold=True, most=LAUNCHES))
    return spread(subject.times).q1
