"""The answer to /bench: who is fastest, how near to the ceiling, why, and on which machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from bot.commands.bench.cells import (
    ALIKE,
    UNSTABLE,
    dtype_of,
    error_of,
    listing,
    micros,
    name_of,
    rate_of,
    seconds,
    shapes_of,
    share,
    short_name,
    spread_of,
    time_ms,
    times_of,
    unit_of,
)
from bot.commands.bench.chart import picture
from bot.commands.bench.kernels import explained
from bot.view import Block, Bold, Heading, Note, Table, Text, View, Words
from compute.bench.request import BenchRequest
from compute.bench.result import RAISES, BenchResult, Environment, Row
from compute.bench.words import figures, main_shape, ranked, rate, size

MOST_SHAPES = 8
SHORT_SHAPE = 12  # columns of a shape beside three numbers
MOST_LEFT_OUT = 3
SHORT_MS = 0.02
SHORT_LAUNCHES = (
    "Launches this short are timed with some microseconds of the events themselves: method graph "
    "leaves them out."
)
STEADY = 1.03  # of the clock's two readings


def show(request: BenchRequest, result: BenchResult) -> View:
    """The answer first; the numbers of the largest shape; then the others and the machine."""
    if result.environment.device == "none":
        return explained(result)
    shape = main_shape(result.rows)
    rows = ranked(result.rows, shape)
    blocks: list[Block] = [Heading(_headline(result))]
    if rows:
        blocks += [_speeds(rows, result), _checks(rows, result)]
    if len(shapes_of(rows)) < len(measured(result)):
        blocks += _sizes(result)
    if result.sentence:
        blocks.append(Text((result.sentence,)))
    blocks += [Note((text,)) for text in _notes(result, rows)]
    blocks.append(Note((_machine(result, rows),)))
    chart = picture(result)
    return View((*blocks, chart) if chart else tuple(blocks))


def measured(result: BenchResult) -> list[str]:
    """The shapes with a time."""
    return shapes_of(row for row in result.rows if row.state == "measured")


def _headline(result: BenchResult) -> Words:
    answer, bracket, rest = result.headline.partition(" (")
    return (Bold(answer), f"{bracket}{rest}" if bracket else "")


def _speeds(rows: Sequence[Row], result: BenchResult) -> Table:
    cells = tuple(
        (name_of(r), time_ms(r.median_ms), spread_of(r), share(r.roofline_pct), times_of(r))
        for r in rows
    )
    title = f"{rows[0].shape} {dtype_of(result)}, {_cache(rows[0])}"
    return Table(("", "ms", "±", "%roof", "x eager"), cells, title=title)


def _checks(rows: Sequence[Row], result: BenchResult) -> Table:
    on_gpu = result.environment.device == "cuda"
    columns = ("", unit_of(result), "error", "1st call", *(("host",) if on_gpu else ()))
    cells = tuple(
        (
            name_of(r),
            rate_of(r, result),
            error_of(r.error),
            seconds(r.first_call_s),
            *((micros(r.host_us),) if on_gpu else ()),
        )
        for r in rows
    )
    return Table(columns, cells)


def _cache(row: Row) -> str:
    return "cold" if row.cache == "cold" else "warm"


def _sizes(result: BenchResult) -> list[Block]:
    """The fastest of each shape; of many the largest."""
    shapes = measured(result)
    shown = shapes[-MOST_SHAPES:]
    if len(shapes) < 2:
        return []
    best = [ranked(result.rows, shape)[0] for shape in shown]
    brief = all(len(row.shape) <= SHORT_SHAPE for row in best)
    rows = tuple(
        (
            row.shape if brief else size(row.moved_bytes),
            name_of(row),
            time_ms(row.median_ms),
            share(row.roofline_pct),
        )
        for row in best
    )
    title = "fastest by shape" if brief else "fastest by bytes moved"
    left = len(shapes) - len(shown)
    return [
        Table(("", "", "ms", "%roof"), rows, title=title + (f" (last {MOST_SHAPES})" * bool(left)))
    ]


def _notes(result: BenchResult, rows: Sequence[Row]) -> list[str]:
    """What the marks mean, what was not measured and why, each reason once."""
    notes = []
    if any(times_of(row).endswith(ALIKE) for row in rows):
        notes.append(f"{ALIKE} no difference: quartiles overlap, or less than 3 % apart")
    if any(row.unstable for row in result.rows):
        notes.append(f"{UNSTABLE} unstable: blocks of one run disagree, or times scatter by half")
    notes += [f"{name_of(r)}: tuned on this GPU, {r.tuned}" for r in rows if r.tuned]
    if result.environment.device == "cuda" and _is_short(rows):
        notes.append(SHORT_LAUNCHES)
    notes += _reasons(result.rows)
    notes += [f"{row.implementation} {row.shape}: {row.why}" for row in result.rows
              if row.state == "measured" and row.why and row in rows]  # fmt: skip
    notes += [f"The GPU stopped, and nothing more was run: {result.lost}"] if result.lost else []
    notes += [f"Left out: {text}" for text in result.left_out[:MOST_LEFT_OUT]]
    more = len(result.left_out) - MOST_LEFT_OUT
    notes += [f"{more} more shapes were left out."] if more > 0 else []
    return notes + _apart(result)


def _is_short(rows: Sequence[Row]) -> bool:
    """Whether what events add would be a good part of the fastest time."""
    return bool(rows) and rows[0].method == "event" and (rows[0].median_ms or 1.0) < SHORT_MS


def _reasons(rows: Sequence[Row]) -> list[str]:
    names: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.state == "measured" or not row.why:
            continue
        wrong = "wrong, so it has no time: " if row.state == "wrong" else ""
        if wrong and row.why.startswith(RAISES):
            wrong = "failed, so it has no time: "
        name = short_name(row.implementation)
        if name not in names[wrong + row.why]:
            names[wrong + row.why].append(name)
    return [f"{listing(who)}: {reason}" for reason, who in names.items()]


def _apart(result: BenchResult) -> list[str]:
    """What was said of kernels without running them on a GPU."""
    right = [c for c in result.checked if not c.why]
    notes = []
    if right:
        how = listing(list(dict.fromkeys(c.how for c in right)))
        notes.append(f"Their values are right in {how} ({right[0].shape}); that has no times.")
    notes += [f"{c.implementation}: wrong in {c.how}: {c.why}" for c in result.checked if c.why]
    if result.compiled and result.environment.device == "cpu":
        archs = ", ".join(str(arch) for arch in dict.fromkeys(c.arch for c in result.compiled))
        notes.append(f"Registers, shared memory and spills for sm_{archs}: behind Assumptions.")
    return notes


def _machine(result: BenchResult, rows: Sequence[Row]) -> str:
    """``H100 80GB HBM3 · driver 580 · torch 2.11 · cold L2, events, n=200 · clocks steady``."""
    where = result.environment
    parts = [where.name.removeprefix("NVIDIA ") or "CPU"]
    if where.driver:
        parts.append(f"driver {where.driver}")
    if where.device == "cpu" and where.threads:
        parts.append(f"{where.threads} threads")
    parts += [f"{name} {version}" for name, version in
              (("torch", where.torch), ("triton", where.triton)) if version]  # fmt: skip
    copy = next((c.value for c in result.ceilings if c.kind == "copy"), None)
    parts += [f"copy {rate(copy)}"] if copy else []
    parts += [f"{figures(c.value)} TFLOP/s at most" for c in result.ceilings if c.kind != "copy"]
    if rows:
        level = "L2" if where.device == "cuda" else "cache"
        parts.append(f"{rows[0].cache} {level}, {rows[0].method}s, n={min(r.n for r in rows)}")
    return " · ".join([*parts, *_state(where)])


def _state(where: Environment) -> list[str]:
    """Clocks and neighbours, as far as they are known."""
    said = []
    if where.throttle:
        said.append(f"held down by {listing(where.throttle)}")
    elif where.clock_mhz and min(where.clock_mhz) > 0:
        low, high = min(where.clock_mhz), max(where.clock_mhz)
        said.append("clocks steady" if high <= STEADY * low else f"clocks {low:.0f}-{high:.0f} MHz")
    if where.others:
        said.append(f"{where.others} other programs on the GPU")
    if where.load:
        said.append(f"load {max(where.load):.1f}")
    return said
