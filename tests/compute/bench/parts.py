"""A device whose clock the test winds, and rows that look like a GPU's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from compute.bench.device import Clocks
from compute.bench.result import BenchResult, Ceiling, Environment, Row


class FakeDevice:
    """Deterministic: a call takes what it advances the clock by, a flush takes ``flush_s``.

    ``log`` tells what happened in order.
    """

    def __init__(self, kind: str = "cuda", flush_s: float = 1e-4) -> None:
        self.kind = kind
        self.cache_bytes = 50 * 2**20
        self.memory_bytes = 80 * 2**30
        self.time_s = 0.0
        self.flush_s = flush_s
        self.log: list[str] = []
        self.waiting = 0

    def works(self, name: str, times_s: Sequence[float]) -> Callable[[int], None]:
        """A call that takes the times in turn."""
        count = iter(range(10**9))

        def call(number: int) -> None:
            self.log.append(name)
            self.waiting += 1
            self.time_s += times_s[next(count) % len(times_s)]

        return call

    def mark(self) -> float:
        return self.time_s

    def elapsed_s(self, start: float, end: float) -> float:
        assert self.waiting == 0, "times were read before the device was done"
        return end - start

    def synchronize(self) -> None:
        self.waiting = 0

    def lost(self) -> str:
        return ""

    def flush(self) -> None:
        self.log.append("flush")
        self.time_s += self.flush_s

    def spin(self, seconds: float) -> None:
        self.log.append(f"spin {seconds:.1e}")

    def capture(self, calls: Sequence[Callable[[], object]]) -> Callable[[], object] | None:
        return lambda: [call() for call in calls]

    def peak_bytes(self, call: Callable[[], object]) -> int | None:
        return None

    def clocks(self) -> Clocks:
        return Clocks(sm_mhz=1980, most_mhz=1980)

    def glance(self) -> None:
        self.log.append("glance")

    def seen(self) -> list[Clocks]:
        return []

    def now_s(self) -> float:
        return self.time_s


H100 = Environment(
    device="cuda",
    name="NVIDIA H100 80GB HBM3",
    gpu_key="H100-SXM",
    sm=90,
    memory_gib=79.2,
    l2_bytes=50 * 2**20,
    driver="580.65.06",
    cuda="13.0",
    torch="2.11.0",
    triton="3.6.0",
    python="3.12.3",
    version="0.1.0",
    clock_mhz=(1980.0, 1965.0),
    others=0,
    measured_at="2026-11-23T12:00:00Z",
)
BACKEND = {"torch": "torch", "torch.compile": "torch.compile", "triton": "triton", "cuda": "cuda"}


def row(implementation: str, median_ms: float, **changes: Any) -> Row:
    """A measured row of rms_norm bf16 with quartiles 1 % away."""
    moved = int(changes.pop("moved_bytes", 268_443_648))
    floor_ms = moved / 3.0e12 * 1e3
    state: Literal["measured"] = "measured"
    values: dict[str, Any] = {
        "op": "rms_norm",
        "implementation": implementation,
        "backend": BACKEND.get(implementation, "library"),
        "dtype": "bfloat16",
        "shape": "16384x4096",
        "dims": {"M": 16_384, "N": 4096},
        "cache": "cold",
        "method": "event",
        "state": state,
        "median_ms": median_ms,
        "q1_ms": 0.99 * median_ms,
        "q3_ms": 1.01 * median_ms,
        "min_ms": 0.98 * median_ms,
        "n": 200,
        "moved_bytes": moved,
        "flops": 268_435_456,
        "gbs": moved / median_ms / 1e6,
        "tflops": 268_435_456 / median_ms / 1e9,
        "floor_ms": floor_ms,
        "roofline_pct": 100 * floor_ms / median_ms,
        "copy_pct": 98 * floor_ms / median_ms,
        "speedup": 0.346 / median_ms,
        "standing": "no difference" if implementation == "torch" else "faster",
        "error": 2.1e-3,
        "error_after": 2.2e-3,
        "allowed": 3.9e-3,
        "first_call_s": 0.4,
        "host_us": 18.0,
    }
    return Row.model_validate(values | changes)


def result(*rows: Row, **changes: Any) -> BenchResult:
    """A complete result of an H100 with 3.0 TB/s."""
    values: dict[str, Any] = {
        "op": "rms_norm",
        "title": "RMSNorm",
        "summary": "x / sqrt(mean(x²) + eps) · weight over the last axis",
        "dtype": "bfloat16",
        "regime": "memory",
        "complete": True,
        "environment": H100,
        "ceilings": (Ceiling(kind="copy", value=3000.0, what="a copy that moves 4.3 GB"),),
        "rows": rows,
    }
    return BenchResult.model_validate(values | changes)


def four() -> tuple[Row, ...]:
    """The rows of answers.md's example."""
    times = {"torch": 0.346, "torch.compile": 0.104, "triton": 0.101, "cuda": 0.096}
    return tuple(row(name, median) for name, median in times.items())
