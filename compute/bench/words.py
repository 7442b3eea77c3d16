"""The answer in one line and the reason in one sentence, from the rows alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from compute.bench.result import BenchResult, Row
from compute.bench.stats import Spread, standing

NAMES = {"torch": "PyTorch eager", "torch.compile": "torch.compile"}
MOST_NAMED = 2
ABOVE_COPY = 100.5  # percent: memory that is read more than it is written


def main_shape(rows: Sequence[Row]) -> str:
    """The shape that the answer is about: the one that moves most, of those measured."""
    measured = [row for row in rows if row.state == "measured"]
    return max(measured, key=lambda row: row.moved_bytes).shape if measured else ""


def ranked(rows: Sequence[Row], shape: str, cache: str = "") -> list[Row]:
    """The measured rows of ``shape``, fastest first; of two cache states the cold one."""
    found = [r for r in rows if r.state == "measured" and r.shape == shape]
    states = {row.cache for row in found}
    wanted = cache or ("cold" if "cold" in states else "warm")
    return sorted((r for r in found if r.cache == wanted), key=lambda row: row.median_ms or 0.0)


def headline(result: BenchResult) -> str:
    """Who is fastest on the largest shape, how near to the ceiling, and against whom."""
    rows = ranked(result.rows, main_shape(result.rows))
    if not rows:
        return f"{result.op}: nothing was measured"
    best, others = rows[0], rows[1:]
    level = [row for row in others if compared(best, row) != "faster"]
    name = " and ".join([named(best), *(named(row) for row in level[:MOST_NAMED])])
    verb = "are level" if level else ("is fastest" if others else "is the only one measured")
    behind = [row for row in others if row not in level]
    eager = [row for row in behind[1:] if row.implementation == "torch"]
    ahead = [*behind[:1], *eager]
    against = ", ".join(f"{ratio(best, row)} {named(row)}" for row in ahead)
    share = best.roofline_pct
    what = ""
    if share is not None:
        part = "'s memory" if _memory_bound(result, best) else ""
        what = f": {percent(share)} of what {_machine(result)}{part} can do"
        if share > ABOVE_COPY and part:
            what = f": {percent(share)} of a copy's speed on {_machine(result)}"
    return f"{name} {verb}{what}" + (f" ({against})" if against else "")


def why(result: BenchResult) -> str:
    """Why it cannot be faster, in numbers that were measured."""
    rows = ranked(result.rows, main_shape(result.rows))
    if not rows or rows[0].floor_ms is None:
        return ""
    best = rows[0]
    floor = best.floor_ms or 0.0
    by_memory = best.moved_bytes / (floor / 1e3) / 1e9
    by_work = best.flops / (floor / 1e3) / 1e12
    if _memory_bound(result, best) and (best.roofline_pct or 0.0) > ABOVE_COPY:
        return (
            f"Memory-bound: a copy of {size(best.moved_bytes)} at {rate(by_memory)} takes "
            f"{ms(floor)}; what writes less than it reads may be faster."
        )
    if _memory_bound(result, best):
        return (
            f"Memory-bound: {size(best.moved_bytes)} at {rate(by_memory)} cannot take less than "
            f"{ms(floor)}."
        )
    work = f"{figures(best.flops / 1e9)} GFLOP at {figures(by_work)} TFLOP/s"
    return f"Compute-bound: {work} cannot take less than {ms(floor)}."


def _memory_bound(result: BenchResult, row: Row) -> bool:
    """Whether the bytes are what the floor is made of."""
    peak = next((c.value for c in result.ceilings if c.kind == row.dtype), None)
    if peak is None or not row.floor_ms:
        return True
    return row.flops / (peak * 1e12) * 1e3 < 0.999 * row.floor_ms


def compared(one: Row, other: Row) -> str:
    """How ``one`` stands to ``other`` by medians and quartiles."""
    return standing(_spread(one), _spread(other))


def ratio(best: Row, other: Row) -> str:
    """``1.06x``: how many times as long the other one takes."""
    value = (other.median_ms or 0.0) / (best.median_ms or 1.0)
    return f"{value:.2f}x" if value < 10 else f"{value:,.0f}x"


def _spread(row: Row) -> Spread:
    assert row.median_ms is not None and row.q1_ms is not None and row.q3_ms is not None
    return Spread(row.median_ms, row.q1_ms, row.q3_ms, row.min_ms or row.q1_ms, row.n)


def named(row: Row) -> str:
    """As people say it."""
    return NAMES.get(row.implementation, row.implementation)


def _machine(result: BenchResult) -> str:
    where = result.environment
    if where.device != "cuda":
        return "this CPU"
    return f"this {where.name.removeprefix('NVIDIA ').split(' ')[0]}"


def ms(value: float | None) -> str:
    """Three figures: 0.0961 ms, 12.3 ms, 1,480 ms."""
    if value is None:
        return "-"
    return f"{figures(value)} ms"


def figures(value: float) -> str:
    """Three significant figures, never a power of ten: 0.0961, 12.3, 1,480."""
    if value <= 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(value)))
    rounded = f"{value:,.{places}f}"
    return rounded.rstrip("0").rstrip(".") if "." in rounded else rounded


def percent(share: float) -> str:
    """Whole percents; two figures below ten, so that little is not nothing."""
    return f"{share:.0f} %" if share >= 10 else f"{share:.2g} %"


def size(count: float) -> str:
    """Bytes in decimal units, as bandwidths are."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{figures(count / factor)} {unit}"
    return f"{count:.0f} B"


def rate(gbs: float) -> str:
    """GB/s, or TB/s from one on."""
    return f"{figures(gbs / 1e3)} TB/s" if gbs >= 1000 else f"{figures(gbs)} GB/s"
