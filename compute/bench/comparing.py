"""Two stored runs side by side: ``k2c bench compare A.json B.json``, with the significance rule."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from compute.bench.report import Report, read_report
from compute.bench.result import RAISES, Row
from compute.bench.stats import Spread, standing
from compute.tool import Refused

USAGE_ERROR = 2
Key = tuple[str, str, str, str, str, str]


@dataclass(frozen=True)
class Pair:
    """A cell that both runs measured. ``verdict`` is the second's against the first's; "unstable"
    where either was so and they differ.
    """

    before: Row
    after: Row
    verdict: str

    @property
    def ratio(self) -> float:
        """How many times as fast the second is."""
        return (self.before.median_ms or 0.0) / (self.after.median_ms or 1.0)


def compare(first: Report, second: Report) -> list[Pair]:
    """Every cell that stands in both, in the order of the first."""
    other = {_key(row): row for row in second.rows if row.state == "measured"}
    return [
        Pair(row, other[_key(row)], _verdict(row, other[_key(row)]))
        for row in first.rows
        if row.state == "measured" and _key(row) in other
    ]


def fallen(first: Report, second: Report) -> list[Row]:
    """The second run's rows without a time of cells that the first one measured."""
    without = {_key(row): row for row in second.rows if row.state != "measured"}
    had = [_key(row) for row in first.rows if row.state == "measured"]
    return [without[key] for key in had if key in without]


def _key(row: Row) -> Key:
    return (row.op, row.dtype, row.shape, row.implementation, row.cache, row.method)


def _verdict(before: Row, after: Row) -> str:
    found = standing(_spread(after), _spread(before))
    if found != "no difference" and (before.unstable or after.unstable):
        return "unstable"
    return found


def _spread(row: Row) -> Spread:
    median = row.median_ms or 0.0
    return Spread(median, row.q1_ms or median, row.q3_ms or median, row.min_ms or median, row.n)


def warnings(first: Report, second: Report) -> Iterator[str]:
    """What else differs between the two runs: machines, ceilings, and who lost its time."""
    for name, label in (
        ("name", "machine"),
        ("driver", "driver"),
        ("torch", "torch"),
        ("triton", "triton"),
        ("version", "k2c"),
        ("precision", "precision"),
    ):
        one, other = (getattr(report.environment, name) for report in (first, second))
        if one != other:
            yield f"another {label}: {one or 'unknown'}, then {other or 'unknown'}"
    kinds = {c.kind: c.value for c in first.ceilings}
    for ceiling in second.ceilings:
        was = kinds.get(ceiling.kind)
        if was and abs(ceiling.value / was - 1) > 0.03:
            yield f"the {ceiling.kind} ceiling moved by {100 * (ceiling.value / was - 1):+.0f} %"
    for row in fallen(first, second):
        state = "failed" if row.why.startswith(RAISES) else row.state
        yield f"{row.implementation} {row.shape}: was measured, then {state}"


def lines(first: Report, second: Report) -> Iterator[str]:
    """The comparison for a terminal: the verdicts counted, then every pair."""
    pairs = compare(first, second)
    counted = Counter(pair.verdict for pair in pairs)
    yield ", ".join(f"{count} {verdict}" for verdict, count in counted.most_common()) or (
        "no cell stands in both files"
    )
    yield from warnings(first, second)
    for pair in pairs:
        row = pair.before
        yield (
            f"{row.op:22} {row.dtype:9} {row.shape:20} {row.implementation:14}"
            f" {_times(row)} -> {_times(pair.after)} ms  {pair.ratio:5.2f}x  {pair.verdict}"
        )


def _times(row: Row) -> str:
    return f"{row.median_ms:8.4g} [{row.q1_ms:.4g}-{row.q3_ms:.4g}]"


def main(argv: Sequence[str]) -> int:
    """0 where nothing became slower, 1 where something did, or is not right any more."""
    parser = argparse.ArgumentParser(
        prog="k2c bench compare",
        description="Compares two runs: faster or slower only where quartiles lie apart and "
        "medians by more than 3 %.",
    )
    parser.add_argument("first", type=Path, metavar="A.json")
    parser.add_argument("second", type=Path, metavar="B.json")
    chosen = parser.parse_args(argv)
    try:
        first, second = read_report(chosen.first), read_report(chosen.second)
    except Refused as refused:
        sys.stderr.write(f"k2c: {refused.message}\n")
        return USAGE_ERROR
    for line in lines(first, second):
        sys.stdout.write(line + "\n")
    worse = any(pair.verdict == "slower" for pair in compare(first, second))
    broken = any(row.state in ("wrong", "rejected") for row in fallen(first, second))
    return 1 if worse or broken else 0
