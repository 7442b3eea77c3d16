"""The picture: rate over size, one line for each implementation, its quartiles, the roofline."""

from __future__ import annotations

from collections.abc import Sequence

from bot.commands.bench.cells import dtype_of, short_name, unit_of
from bot.view import Bar, Chart, Series
from compute.bench.result import BenchResult, Row
from compute.bench.words import figures, ranked

MOST_LINES = 5  # and the roofline
MOST_ALT = 1000


def picture(result: BenchResult) -> Chart | None:
    """Lines over several shapes, bars for one; None without two bars."""
    rows = _rows(result)
    sizes = dict.fromkeys(row.moved_bytes for row in rows)
    return _lines(result, rows) if len(sizes) > 1 else _bars(result, rows)


def _rows(result: BenchResult) -> list[Row]:
    """The measured rows, of two cache states the cold ones."""
    found = [row for row in result.rows if row.state == "measured"]
    cold = [row for row in found if row.cache == "cold"]
    return sorted(cold or found, key=lambda row: row.moved_bytes)


def _lines(result: BenchResult, rows: Sequence[Row]) -> Chart:
    names = _names(rows)
    series = [
        _series(result, name, [r for r in rows if r.implementation == name]) for name in names
    ]
    return Chart(
        title=_title(result),
        x_label="MB moved at least",
        y_label=unit_of(result),
        series=(*series, _roofline(result, rows)),
        alt=_alt(result, rows, names),
        log_x=True,
    )


def _names(rows: Sequence[Row]) -> list[str]:
    """The implementations that do best on the largest shape, in that order."""
    largest = [row for row in rows if row.moved_bytes == rows[-1].moved_bytes]
    order = [r.implementation for r in sorted(largest, key=lambda row: row.median_ms or 0.0)]
    order += [row.implementation for row in rows]
    return list(dict.fromkeys(order))[:MOST_LINES]


def _series(result: BenchResult, name: str, rows: Sequence[Row]) -> Series:
    one = {row.moved_bytes: row for row in rows}.values()  # of two shapes of one size the last
    return Series(
        name=short_name(name),
        xs=tuple(row.moved_bytes / 1e6 for row in one),
        ys=tuple(_rate(result, row, row.median_ms) for row in one),
        low=tuple(_rate(result, row, row.q3_ms) for row in one),
        high=tuple(_rate(result, row, row.q1_ms) for row in one),
    )


def _roofline(result: BenchResult, rows: Sequence[Row]) -> Series:
    """What the measured ceilings allow at each size."""
    at = {row.moved_bytes: row for row in rows if row.floor_ms}
    return Series(
        name="measured roofline",
        xs=tuple(moved / 1e6 for moved in at),
        ys=tuple(_rate(result, row, row.floor_ms) for row in at.values()),
        dashed=True,
        dots=False,
    )


def _rate(result: BenchResult, row: Row, time_ms: float | None) -> float:
    """GB/s or TFLOP/s of a time."""
    if not time_ms:
        return 0.0
    done = row.moved_bytes / 1e9 if result.regime == "memory" else row.flops / 1e12
    return done / (time_ms / 1e3)


def _bars(result: BenchResult, rows: Sequence[Row]) -> Chart | None:
    if len(rows) < 2:
        return None
    best = ranked(rows, rows[-1].shape)
    bars = [
        Bar(
            name=short_name(row.implementation),
            value=_rate(result, row, row.median_ms),
            label=figures(_rate(result, row, row.median_ms)),
            low=_rate(result, row, row.q3_ms),
            high=_rate(result, row, row.q1_ms),
        )
        for row in best
    ]
    if best and best[0].floor_ms:
        roof = _rate(result, best[0], best[0].floor_ms)
        bars.insert(0, Bar("roofline", roof, f"{figures(roof)} measured", group=1))
    return Chart(
        title=f"{_title(result)} {rows[-1].shape}",
        x_label=unit_of(result),
        y_label="",
        series=(),
        bars=tuple(bars),
        alt=_alt(result, rows, _names(rows)),
    )


def _title(result: BenchResult) -> str:
    where = result.environment.name.removeprefix("NVIDIA ")
    return f"{result.op} {dtype_of(result)} on {where or 'this machine'}"


def _alt(result: BenchResult, rows: Sequence[Row], names: Sequence[str]) -> str:
    """The numbers, from the largest shape down, as many as there is room for."""
    told = [result.headline + "."]
    unit = unit_of(result)
    for name in names:
        points = [row for row in reversed(rows) if row.implementation == name]
        said = "; ".join(f"{figures(_rate(result, r, r.median_ms))} at {r.shape}" for r in points)
        told.append(f"{short_name(name)} {unit}: {said}.")
    return " ".join(told)[:MOST_ALT]
