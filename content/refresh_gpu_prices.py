"""Makes a new snapshot of GPU prices from public feeds: ``python -m content.refresh_gpu_prices``.

Run by hand or by a timer, never while someone waits for an answer. Each FEED is a file or an https
address; its form is recognised: gpu-price-feed's prices.json, gpu-pricing's offerings.json, or our
own CSV. A feed replaces everything of its source: what it no longer lists is dropped, never
repeated. Prices that cannot be right are kept and marked, so that no range uses them.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from content.gpu_prices import COLUMNS, FILE
from content.gpus import load_gpus
from content.refresh_feeds import FeedError, Row, csv_rows, load, read_feed, usd_of
from content.tables import CATALOGUE

OUTLIER = 5.0  # times the median of the GPU, up or down
LEAST_SHARE = 0.5  # of a source's last snapshot that the new one must have to be believed


def main(argv: Sequence[str] | None = None) -> int:
    """Read the feeds, merge, write; 1 where a feed was refused and nothing was written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("feeds", nargs="+", metavar="FEED", help="file or https address")
    parser.add_argument("--out", type=Path, default=CATALOGUE / FILE, help="the snapshot")
    parser.add_argument("--commit", default="", help="the feed's revision, kept with each row")
    parser.add_argument("--force", action="store_true", help="believe a feed that shrank")
    chosen = parser.parse_args(argv)
    try:
        old = read_snapshot(chosen.out) if chosen.out.exists() else []
        new: list[Row] = []
        for feed in chosen.feeds:
            new += read_feed(feed, load_gpus(), chosen.commit)
        merged, report = merge(old, new, force=chosen.force)
    except FeedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    write_snapshot(chosen.out, merged)
    sys.stdout.write("\n".join(report) + "\n")
    return 0


def merge(
    old: Sequence[Row], new: Sequence[Row], *, force: bool = False
) -> tuple[list[Row], list[str]]:
    """The new snapshot and what changed, a line each. Raises ``FeedError``."""
    report = []
    for source in sorted({row["source"] for row in new}):
        before = [row for row in old if row["source"] == source]
        after = [row for row in new if row["source"] == source]
        _check_source(source, before, after, force)
        gone = {row["provider"] for row in before} - {row["provider"] for row in after}
        report.append(
            f"{source}: {len(before)} offers became {len(after)}, {_newest(after)}"
            + (f"; no longer listed: {', '.join(sorted(gone))}" if gone else "")
        )
    replaced = {row["source"] for row in new}
    rows = [row for row in old if row["source"] not in replaced] + list(new)
    marked = mark_suspects(rows)
    report += [
        f"suspect: {row['provider']} {row['gpu']} ${usd_of(row):g} ({row['suspect']})"
        for row in marked
        if row["suspect"] and row["source"] in replaced
    ]
    return sorted(marked, key=lambda row: (row["gpu"], row["provider"], usd_of(row))), report


def _check_source(source: str, before: Sequence[Row], after: Sequence[Row], force: bool) -> None:
    if before and _newest(after) < _newest(before):
        raise FeedError(f"{source} is of {_newest(after)}, older than what is here")
    if len(after) < LEAST_SHARE * len(before) and not force:
        raise FeedError(f"{source} has {len(after)} offers where {len(before)} were; see --force")


def mark_suspects(rows: Sequence[Row]) -> list[Row]:
    """Spot dearer than the same seller's on-demand, and prices far from the GPU's median."""
    on_demand: dict[tuple[str, str, str], float] = {}
    prices: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        prices.setdefault((row["gpu_key"] or row["gpu"], row["pricing"]), []).append(usd_of(row))
        if row["pricing"] == "on-demand":
            key = (row["provider"], row["gpu"], row["date"])
            on_demand[key] = min(usd_of(row), on_demand.get(key, math.inf))
    found = []
    for row in rows:
        why = row["suspect"] if row["suspect"].startswith("spot>") else ""
        rent = on_demand.get((row["provider"], row["gpu"], row["date"]), math.inf)
        middle = median(prices[row["gpu_key"] or row["gpu"], row["pricing"]])
        if row["pricing"] == "spot" and usd_of(row) > rent:
            why = "spot>on-demand"
        elif not why and not middle / OUTLIER <= usd_of(row) <= middle * OUTLIER:
            why = f"{usd_of(row) / middle:.1f}x the median"
        found.append(row | {"suspect": why})
    return found


def read_snapshot(path: Path) -> list[Row]:
    """The rows that are there. Raises ``FeedError``."""
    return csv_rows(str(path), load(str(path)))


def write_snapshot(path: Path, rows: Sequence[Row]) -> None:
    """The whole file or none of it."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(path)


def _newest(rows: Sequence[Row]) -> str:
    return max((row["date"] for row in rows), default="")


if __name__ == "__main__":
    raise SystemExit(main())
