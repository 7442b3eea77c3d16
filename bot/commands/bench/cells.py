"""Numbers of a benchmark as cells: narrow, for a code block of 36 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from compute.bench.index import SHORT
from compute.bench.result import BenchResult, Row
from compute.bench.words import figures

UNKNOWN = "-"
# A phone's code block has 36 columns: four numbers beside the name.
NAMES = {
    "torch": "eager",
    "torch.compile": "compile",
    "sdpa-flash": "flash",
    "sdpa-cudnn": "cudnn",
    "sdpa-efficient": "effic.",
    "sdpa-math": "math",
}
ALIKE = "~"
UNSTABLE = "!"


def name_of(row: Row) -> str:
    """Short, with a mark where repeated blocks disagreed."""
    return short_name(row.implementation) + (UNSTABLE if row.unstable else "")


def short_name(implementation: str) -> str:
    """``eager``, ``compile``, ``scaled_mm`` for ``torch._scaled_mm``."""
    return NAMES.get(implementation, implementation.removeprefix("torch._"))


def time_ms(value: float | None) -> str:
    """Three figures."""
    if value is None:
        return UNKNOWN
    return figures(value)


def spread_of(row: Row) -> str:
    """Half the distance of the quartiles, in percent of the median."""
    if not row.median_ms or row.q1_ms is None or row.q3_ms is None:
        return UNKNOWN
    share = 50 * (row.q3_ms - row.q1_ms) / row.median_ms
    return f"{share:.0f}%" if share >= 9.5 else f"{share:.1f}%"


def share(value: float | None) -> str:
    """Percent without its sign; the column says what it is of."""
    if value is None:
        return UNKNOWN
    return f"{value:.0f}" if value >= 9.5 else f"{value:.1f}"


def times_of(row: Row) -> str:
    """Speed against eager; ``~`` where that is no difference."""
    if row.speedup is None:
        return UNKNOWN
    shown = f"{row.speedup:.2f}" if row.speedup < 9.995 else f"{row.speedup:.0f}"
    same = row.standing == "no difference" and row.implementation != "torch"
    return shown + (ALIKE if same else "")


def rate_of(row: Row, result: BenchResult) -> str:
    """GB/s of a memory-bound operator, TFLOP/s of the others."""
    value = row.gbs if result.regime == "memory" else row.tflops
    if value is None:
        return UNKNOWN
    return figures(value)


def unit_of(result: BenchResult) -> str:
    """What ``rate_of`` is in."""
    return "GB/s" if result.regime == "memory" else "TFLOP/s"


def error_of(value: float | None) -> str:
    """One figure after the point: an error is an order of magnitude."""
    return UNKNOWN if value is None else f"{value:.0e}".replace("e-0", "e-")


def seconds(value: float | None) -> str:
    """Of a first call."""
    if value is None:
        return UNKNOWN
    return f"{value:.0f}s" if value >= 9.5 else f"{value:.1f}s"


def micros(value: float | None) -> str:
    """Of the host."""
    return UNKNOWN if value is None else f"{value:.0f}us"


def dtype_of(result: BenchResult) -> str:
    """As people type it."""
    return SHORT.get(result.dtype, result.dtype)


def shapes_of(rows: Iterable[Row]) -> list[str]:
    """Each shape once, in the order measured."""
    return list(dict.fromkeys(row.shape for row in rows))


def listing(words: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""
