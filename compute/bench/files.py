"""The answer as files: JSON with everything, CSV with a line for each row."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from compute.bench.result import BenchResult, Row
from compute.tool import Context

COLUMNS = (
    "op", "implementation", "backend", "dtype", "shape", "cache", "method", "state", "median_ms",
    "q1_ms", "q3_ms", "min_ms", "n", "unstable", "moved_bytes", "flops", "gbs", "tflops",
    "floor_ms", "roofline_pct", "copy_pct", "speedup", "standing", "error", "error_after",
    "allowed", "checked_at", "first_call_s", "host_us", "peak_bytes", "tuned", "why",
)  # fmt: skip


async def keep_files(result: BenchResult, ctx: Context) -> None:
    """Add both to the answer."""
    text = result.model_dump_json(indent=1)
    await ctx.keep("bench.json", "application/json", text.encode())
    await ctx.keep("bench.csv", "text/csv", as_csv(result.rows).encode())


def as_csv(rows: Sequence[Row]) -> str:
    """One line a row; unknown is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        values = row.model_dump()
        writer.writerow(["" if values[name] is None else values[name] for name in COLUMNS])
    return out.getvalue()
