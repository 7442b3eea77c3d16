"""Behind the Assumptions button: every row with its quartiles, the method, the compiled code."""

from __future__ import annotations

from bot.commands.bench.cells import error_of, name_of, shapes_of, time_ms
from bot.commands.bench.kernels import sources, tables
from bot.view import Block, Bold, Facts, Heading, Note, Table, Text, View
from compute.bench.request import BenchRequest
from compute.bench.result import BenchResult
from compute.bench.words import figures, main_shape, ranked, rate, size

MOST_SHAPES = 6
METHODS = {
    "event": "Each launch is timed by two events in the stream, while the device is kept busy "
    "until the host has enqueued it.",
    "graph": "Launches over rotating inputs are captured in one CUDA graph; its replay is timed.",
}
CACHES = {
    "cold": "Before each launch the cache is overwritten with changing values, then read, so that "
    "nothing dirty is left in it.",
    "warm": "The cache is as the launch before left it, and the inputs are the same.",
    "both": "Rows say cold (cache overwritten and read before each launch) or warm.",
}
CPU_METHOD = "Each call is timed by the CPU's clock."
ALWAYS = (
    "Implementations take turns (A B A B), the first one changing each round, in two blocks.",
    "Each was compared with float64 before its timing, and after it on changed inputs.",
    "Faster means that the quartile ranges lie apart and the medians by more than 3 %.",
    "The ceilings are measured in the same process: a copy, and a matrix product of the dtype.",
)


def details(request: BenchRequest, result: BenchResult) -> View:
    """Method, quartiles, environment, and the static table."""
    blocks: list[Block] = [Heading((Bold("How this was measured"),))]
    if result.environment.device != "none":
        method = METHODS[request.method]
        if result.environment.device == "cpu":
            method = CPU_METHOD
        for text in (method, CACHES[request.cache], *ALWAYS):
            blocks.append(Text((f"• {text}",)))
        blocks += _quartiles(result)
        blocks += _memory(result)
        blocks.append(_environment(result))
    blocks += [Note((text,)) for text in result.counts]
    blocks += [*tables(result), *sources(result)]
    return View(tuple(blocks), tone="notice")


def _quartiles(result: BenchResult) -> list[Block]:
    """Median and quartiles in ms, the error, and how many launches; the last shapes of many."""
    blocks: list[Block] = []
    shapes = shapes_of(row for row in result.rows if row.state == "measured")
    caches = list(dict.fromkeys(row.cache for row in result.rows))
    for shape in shapes[-MOST_SHAPES:]:
        for cache in caches:
            rows = ranked(result.rows, shape, cache)
            cells = tuple(
                (
                    name_of(r),
                    time_ms(r.q1_ms),
                    time_ms(r.median_ms),
                    time_ms(r.q3_ms),
                    error_of(r.error_after),
                    str(r.n),
                )
                for r in rows
            )
            if cells:
                columns = ("", "Q1", "ms", "Q3", "error", "n")
                blocks.append(Table(columns, cells, title=f"{shape} {cache}"))
            at = next((row.checked_at for row in rows if row.checked_at), "")
            if at:
                blocks.append(
                    Note((f"Compared with float64 at {at}: {shape} is too large for it.",))
                )
    return blocks


def _memory(result: BenchResult) -> list[Block]:
    """What a call on the largest shape holds beside its inputs."""
    if result.environment.device == "cpu":
        return [Note(("Memory that a call takes: not measured on a CPU.",))]
    rows = [r for r in ranked(result.rows, main_shape(result.rows)) if r.peak_bytes is not None]
    if not rows:
        return []
    cells = tuple((name_of(r), f"{(r.peak_bytes or 0) / 2**20:,.1f}") for r in rows)
    title = f"memory of a call beside its inputs, {rows[0].shape}"
    return [Table(("", "MiB"), cells, title=title)]


def _environment(result: BenchResult) -> Facts:
    where = result.environment
    rows = [("machine", where.name), ("memory", f"{where.memory_gib:g} GiB")]
    rows.append(("cache", size(where.l2_bytes)))
    for name, value in (("driver", where.driver), ("CUDA", where.cuda), ("torch", where.torch),
                        ("triton", where.triton), ("Python", where.python),
                        ("k2c", where.version)):  # fmt: skip
        if value:
            rows.append((name, value))
    for ceiling in result.ceilings:
        copied = ceiling.kind == "copy"
        value = rate(ceiling.value) if copied else f"{figures(ceiling.value)} TFLOP/s"
        rows.append(("ceiling", f"{value}: {ceiling.what}"))
    rows += [("precision", where.precision), ("compile", f"{where.compile_mode}, static shapes")]
    for name, pair, unit in (("clock", where.clock_mhz, "MHz"), ("power", where.power_w, "W"),
                             ("temperature", where.temperature_c, "C")):  # fmt: skip
        if pair:
            rows.append((name, f"{pair[0]:g} to {pair[-1]:g} {unit}"))
    rows += [("seed", str(result.seed)), ("measured", where.measured_at)]
    return Facts(tuple(rows))
