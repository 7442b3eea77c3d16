"""From times to rows: rates, shares of the roofline, speed-ups, and what has to be said of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from compute.bench.cells import BASELINE, Cell, Contender, Timed
from compute.bench.result import Row
from compute.bench.roofline import REJECT_PCT, Roofline, impossible, raised, roofline
from compute.bench.stats import Spread, spread, standing, unstable

BUSY = "above the ceiling: the CPU was busier while that was measured"
IN_CACHE = "above the roofline of memory: it fits into the cache"
BEYOND_COPY = "above a copy, which writes as much as it reads: memory reads faster"
REJECTED = (
    "{percent:.0f} % of the measured roofline cannot be: a fault of the measurement, not shown"
)
TWICE = 2.0  # times eager's error that is worth a word


def rows_of(
    cell: Cell, timed: Timed, copy_gbs: float, peak_tflops: float | None, most_gbs: float = 0.0
) -> list[Row]:
    """Every contender's row; ``most_gbs`` is what memory gives at most, where that is known."""
    same = spread(timed.copied.times) if timed.copied and timed.copied.times else None
    if same is not None:
        copy_gbs = max(copy_gbs, cell.moved_bytes / same.median / 1e9)
    baseline = next((c for c in timed.contenders if c.implementation.name == BASELINE), None)
    work = cell.operator.flops(cell.dims, cell.inputs_dtype)
    if baseline and baseline.subject and baseline.subject.times:
        eager_s = spread(baseline.subject.times).median
        peak_tflops = raised(peak_tflops, work / eager_s / 1e12)
    limit = roofline(cell.moved_bytes, work, copy_gbs, peak_tflops)
    beyond = max(most_gbs / copy_gbs, 1.0) if limit.bound == "memory" else 1.0
    return [_row(cell, c, timed, limit, same, baseline, beyond) for c in timed.contenders]


def _row(
    cell: Cell,
    contender: Contender,
    timed: Timed,
    limit: Roofline,
    same: Spread | None,
    baseline: Contender | None,
    beyond_copy: float,
) -> Row:
    row = contender.row.model_copy(update=_checked(contender, timed))
    subject = contender.subject
    if subject is None or not subject.times:
        return row
    got = spread(subject.times)
    percent = limit.percent(got.median)
    on_cpu = cell.device.kind == "cpu"
    too_good = impossible(
        percent / beyond_copy,
        cold=cell.cache == "cold",
        moved_bytes=cell.moved_bytes,
        cache_bytes=cell.device.cache_bytes,
        bound=limit.bound,
    )
    if too_good and not on_cpu:
        why = REJECTED.format(percent=percent)
        return row.model_copy(update={"state": "rejected", "why": why})
    beyond = percent / beyond_copy > REJECT_PCT
    remark = _remark(contender, baseline)
    if beyond:
        remark = remark or (BUSY if on_cpu else IN_CACHE)
    elif percent > REJECT_PCT:
        remark = remark or BEYOND_COPY
    update = {
        "state": "measured",
        **_times(subject.blocks, got),
        **_rates(row, got),
        "why": remark,
        # On a CPU a floor that was beaten was measured while the machine did something else.
        "floor_ms": None if beyond and on_cpu else limit.floor_s * 1e3,
        "roofline_pct": None if beyond else percent,
        "copy_pct": None if same is None or beyond else 100 * same.median / got.median,
        "host_us": None if on_cpu or subject.launches > 1 else subject.host_s * 1e6,
    }
    return row.model_copy(update=update | _against(got, baseline))


def _times(blocks: Sequence[Sequence[float]], got: Spread) -> dict[str, object]:
    return {
        "median_ms": got.median * 1e3,
        "q1_ms": got.q1 * 1e3,
        "q3_ms": got.q3 * 1e3,
        "min_ms": got.least * 1e3,
        "n": got.n,
        "block_medians_ms": tuple(spread(b).median * 1e3 for b in blocks if b),
        "unstable": unstable(blocks),
    }


def _rates(row: Row, got: Spread) -> dict[str, object]:
    return {
        "gbs": row.moved_bytes / got.median / 1e9,
        "tflops": row.flops / got.median / 1e12 if row.flops else None,
    }


def _checked(contender: Contender, timed: Timed) -> dict[str, object]:
    right, after = contender.right, contender.after
    return {
        "error": _finite(right.error) if right else None,
        "error_after": _finite(after.error) if after else None,
        "allowed": _finite(right.allowed) if right else None,
        "checked_at": timed.checked_at if right else "",
        "first_call_s": contender.first_s or None,
        "peak_bytes": contender.peak_bytes,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _against(got: Spread, baseline: Contender | None) -> dict[str, object]:
    if baseline is None or baseline.subject is None or not baseline.subject.times:
        return {}
    eager = spread(baseline.subject.times)
    return {"speedup": eager.median / got.median, "standing": standing(got, eager)}


def _remark(contender: Contender, baseline: Contender | None) -> str:
    """A kernel that is much less exact than eager is right, but it should be known."""
    eager = baseline.right.error if baseline and baseline.right else 0.0
    if contender.right and eager and contender.right.error > TWICE * eager:
        return f"right, but its error is {contender.right.error / eager:.1f}x PyTorch eager's"
    return ""
