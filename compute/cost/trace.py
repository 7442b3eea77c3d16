"""A member's own requests (CSV of timestamps and tokens) as a traffic profile.

The file is a stranger's: its size, rows and cells are limited, and nothing of it is kept but the
profile: weights, peaks, burstiness, length quantiles. ``python -m compute.cost FILE`` prints
that profile as JSON, for ``k2c cost --profile``.
"""

from __future__ import annotations

import csv
import datetime as dt
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from io import StringIO
from itertools import pairwise

from compute.tool import Refused
from content.errors import CatalogueError
from content.traffic import QUANTILES, TrafficProfile, read_profile

MAX_BYTES = 4_000_000
MAX_ROWS = 200_000
MAX_CELL = 200
LEAST_ROWS = 10
LONGEST_DAYS = 60
HOUR_S = 3600
DELIMITERS = (",", ";", "\t")
MAX_HEADER = 10_000  # characters of the first line that are looked at
# Clocks count seconds, ms, us or ns since 1970: in seconds 1e11 is the year 5138.
CLOCKS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
NAMES = {
    "time": ("timestamp", "time", "datetime", "date", "arrivaltime", "createdat", "ts"),
    "input": ("input", "inputtokens", "prompttokens", "contexttokens", "requesttokens", "isl"),
    "output": (
        "output",
        "outputtokens",
        "completiontokens",
        "generatedtokens",
        "responsetokens",
        "osl",
    ),
}
EXAMPLE = "timestamp,input_tokens,output_tokens"
Row = tuple[float, float | None, float | None]  # seconds, prompt tokens, output tokens


def profile_of_csv(data: bytes) -> TrafficProfile:
    """The profile of one request a line: a header, then time and, if there, both token counts.

    Times are ISO 8601 (UTC where no zone is given) or seconds, also ms, us or ns since 1970; cells
    are parted by commas, semicolons or tabs. Raises ``Refused`` with the line.
    """
    try:
        return read_profile("your trace", record_of_csv(data), "trace_csv")
    except CatalogueError as error:
        raise _refused(f"The trace makes no profile: {error.column} is {error.found}.") from None


def record_of_csv(data: bytes) -> dict[str, object]:
    """The same as a record in the shape of traffic_profiles.json. Raises ``Refused``."""
    rows = sorted(_rows(_text(data)), key=lambda row: row[0])
    if len(rows) < LEAST_ROWS:
        raise _refused(f"The trace has {len(rows)} requests; {LEAST_ROWS} are the least to go by.")
    span_s = rows[-1][0] - rows[0][0]
    if span_s <= 0:
        raise _refused("All requests of the trace have the same time.")
    if span_s > LONGEST_DAYS * 24 * HOUR_S:
        raise _refused(f"The trace spans more than {LONGEST_DAYS} days; send a part of it.")
    return _record(rows, span_s)


def _record(rows: Sequence[Row], span_s: float) -> dict[str, object]:
    """The trace in the shape of traffic_profiles.json."""
    times = [row[0] for row in rows]
    record: dict[str, object] = {
        "description": f"{len(rows):,} requests over {span_s / HOUR_S:,.1f} hours",
        "source": "your own trace",
        "peak_1min_over_mean": _peak(times, span_s, 60),
        "interarrival_cv": _cv(times),
        "mean_rps": len(rows) / span_s,
        **_hours(times, span_s),
    }
    for name, place in (("input_tokens", 1), ("output_tokens", 2)):
        counts = sorted(float(row[place] or 0) for row in rows if row[place] is not None)
        if counts and sum(counts) > 0:
            record[name] = _lengths(counts)
    return record


def _hours(times: Sequence[float], span_s: float) -> dict[str, object]:
    """Weights of whole days from midnight UTC; a trace shorter than a day has no hours."""
    days = int(span_s / (24 * HOUR_S) + 0.05)  # a day of requests seldom ends on the second
    if days < 1:
        return {}
    whole = 7 * (days // 7) or days
    hours = min(whole, 7) * 24
    seen = Counter(int(t // HOUR_S) % hours for t in times if t < times[0] + whole * 24 * HOUR_S)
    total = sum(seen.values())
    weights = [seen[hour] * hours / total for hour in range(hours)]
    minutes = Counter(int(t // 60) for t in times)
    mean = len(times) * 60 / span_s
    busiest = [0.0] * hours
    for minute, count in minutes.items():
        hour = minute // 60 % hours
        busiest[hour] = max(busiest[hour], count / mean)
    return {
        "period_hours": hours,
        "hourly_weights": weights,
        "hourly_max_minute_over_mean": [max(b, w) for b, w in zip(busiest, weights, strict=True)],
    }


def _peak(times: Sequence[float], span_s: float, bin_s: int) -> float:
    """Busiest bin over the mean; at least the mean."""
    counts = Counter(int((t - times[0]) // bin_s) for t in times)
    bins = max(1.0, span_s / bin_s)
    hourly = Counter(int((t - times[0]) // HOUR_S) for t in times)
    busiest_hour = max(hourly.values()) / (len(times) / max(1.0, span_s / HOUR_S))
    return max(1.0, max(counts.values()) / (len(times) / bins), busiest_hour)


def _cv(times: Sequence[float]) -> float | None:
    gaps = [b - a for a, b in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    if mean <= 0:
        return None
    return math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) / mean


def _lengths(counts: Sequence[float]) -> dict[str, float]:
    last = len(counts) - 1
    found = {q: counts[round(float(q[1:]) / 100 * last)] for q in QUANTILES}
    return {**found, "mean": sum(counts) / len(counts)}


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _refused(f"The trace is larger than {MAX_BYTES // 1_000_000} MB.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused("The trace is not UTF-8 text.") from None


def _rows(text: str) -> Iterator[Row]:
    first = text[:MAX_HEADER].partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(StringIO(text, newline=""), strict=True, delimiter=delimiter)
    try:
        header = next(reader, [])
        places = _places(header)
        for count, cells in enumerate(reader, start=1):
            if count > MAX_ROWS:
                raise _refused(f"The trace has more than {MAX_ROWS:,} requests; send a part of it.")
            if any(cell.strip() for cell in cells):
                yield _row(cells, places, reader.line_num)
    except csv.Error as error:
        raise _refused(f"The trace is no CSV, line {reader.line_num}: {error}.") from None


def _places(header: Sequence[str]) -> dict[str, int]:
    """Which column holds what, by its name."""
    squeezed = ["".join(c for c in cell.casefold() if c.isalnum()) for cell in header[:100]]
    places = {
        what: squeezed.index(name)
        for what, names in NAMES.items()
        for name in reversed(names)
        if name in squeezed
    }
    if "time" not in places:
        raise _refused("The trace needs a first line naming its columns, a timestamp among them.")
    return places


def _row(cells: Sequence[str], places: dict[str, int], line: int) -> Row:
    def cell(what: str) -> str:
        place = places.get(what)
        value = cells[place].strip() if place is not None and place < len(cells) else ""
        if len(value) > MAX_CELL:
            raise _refused(f"Line {line} of the trace has a cell of {len(value):,} characters.")
        return value

    return _seconds(cell("time"), line), _tokens(cell("input"), line), _tokens(cell("output"), line)


def _seconds(cell: str, line: int) -> float:
    try:
        seconds = float(cell)
    except ValueError:
        try:
            moment = dt.datetime.fromisoformat(cell)
        except ValueError:
            raise _refused(
                f"Line {line} of the trace: {cell[:40]!r} is neither ISO 8601 nor seconds."
            ) from None
        zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
        return (zoned - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)).total_seconds()
    for most, per_s in CLOCKS:
        if abs(seconds) <= most:
            return seconds / per_s
    raise _refused(f"Line {line} of the trace: {cell[:40]!r} is no time in seconds.")


def _tokens(cell: str, line: int) -> float | None:
    if not cell:
        return None
    try:
        tokens = float(cell)
    except ValueError:
        tokens = -1.0
    if not 0 <= tokens <= 1e8:
        raise _refused(f"Line {line} of the trace: {cell[:40]!r} is no count of tokens.")
    return tokens


def _refused(message: str) -> Refused:
    return Refused(message, field="trace_csv", example=EXAMPLE)
