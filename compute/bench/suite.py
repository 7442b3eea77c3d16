"""Many operators in one run: ``k2c bench --suite models --json FILE``; every row as it comes."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TextIO

from compute.bench.apart import Apart
from compute.bench.asked import BEYOND_S
from compute.bench.card import held_card
from compute.bench.goals import Goal, goals, judged
from compute.bench.index import SHORT, SPELLINGS, Listed, listed
from compute.bench.report import Report, report_of
from compute.bench.request import BenchRequest
from compute.bench.result import RAISES, BenchResult, Row
from compute.bench.tool import run
from compute.inputs import check_inputs
from compute.tool import AnyTool, Refused, Result

SUITES = ("smoke", "models", "sweep", "goals")
GOALS = "goals"
BUDGET_S = {"cpu": 220.0, "cuda": 420.0}  # of all operators together
LEAST_S = {"cpu": 2.0, "cuda": 6.0}  # of one; checks and warming up a GPU take two
MOST_S = 900.0
PARTS = 2  # as long as it measures, an operator may compile
USAGE_ERROR = 2
Keep = Callable[[Report, Sequence[Goal]], None]


class TerminalContext:
    """Shows rows as they come, and keeps no files: the suite writes one of its own."""

    hub_endpoint = ""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._shown = 0

    def begin(self) -> None:
        """Rows are counted anew for each operator."""
        self._shown = 0

    async def fetch(self, url: str, *, limit_bytes: int) -> bytes:
        """Nothing is fetched to measure."""
        raise LookupError(url)

    async def progress(self, fraction: float, words: str, partial: Result | None = None) -> None:
        """Print the rows that are new."""
        if isinstance(partial, BenchResult):
            self.rows(partial.rows)

    def rows(self, rows: Sequence[Row]) -> None:
        """Print those beyond what was printed."""
        for row in rows[self._shown :]:
            self._out.write(line_of(row) + "\n")
        self._out.flush()
        self._shown = max(self._shown, len(rows))

    def end(self, result: BenchResult) -> None:
        """What is left of an operator's result, and what it has no row of."""
        self.rows(result.rows)
        for text in result.left_out:
            self.say(f"{result.op:22} left out: {text}")
        if result.lost:
            self.say(f"{result.op:22} the GPU stopped: {result.lost}")

    def say(self, line: str) -> None:
        """One line, at once."""
        self._out.write(line + "\n")
        self._out.flush()

    async def keep(self, name: str, media_type: str, content: bytes) -> None:
        """The suite's own file holds it."""


def line_of(row: Row) -> str:
    """One row for a terminal or a log."""
    head = f"{row.op:22} {SHORT.get(row.dtype, row.dtype):5} {row.shape:24} {row.implementation:14}"
    if row.state != "measured":
        state = "failed" if row.why.startswith(RAISES) else row.state
        return f"{head} {state}: {row.why}"
    share = "" if row.roofline_pct is None else f"{row.roofline_pct:5.1f} % of roofline"
    return (
        f"{head} {row.median_ms:9.4g} ms [{row.q1_ms:.4g}-{row.q3_ms:.4g}] n={row.n:<4} {share}"
        f"{'  unstable' if row.unstable else ''}"
    )


async def run_suite(
    suite: str,
    ops: Sequence[Listed],
    dtype: str,
    place: str,
    budget_s: float | None,
    out: TextIO,
    keep: Keep | None = None,
) -> tuple[Report, list[Goal]]:
    """Every operator's shapes of ``suite``; for the goals those that they name. ``keep`` gets the
    report after each operator: who ends a long run has what was measured.
    """
    on_gpu = place != "cpu" and _has_gpu()
    asked = _requests(suite, ops, dtype, place)
    if suite == GOALS:
        asked = [*(_goal_requests(ops) if on_gpu else []), *_explained(ops)]
    kind = "cuda" if on_gpu else "cpu"
    budget_s = BUDGET_S[kind] if budget_s is None else budget_s
    shares = _shares(len(asked), budget_s, LEAST_S[kind])
    report = Report(suite=suite)
    found = judged(goals(), report) if suite == GOALS else []
    apart = Apart() if on_gpu else None
    try:
        async with held_card(None) if on_gpu else nullcontext():
            async for report in _all(suite, asked, shares, TerminalContext(out), apart):
                found = judged(goals(), report) if suite == GOALS else []
                if keep is not None:
                    keep(report, found)
    finally:
        if apart is not None:
            await apart.close()
    return report, found


def _shares(count: int, budget_s: float, least_s: float) -> Iterator[float]:
    """Seconds to measure for each of ``count`` operators, as the time goes on."""
    ends_at = time.monotonic() + budget_s
    for left in range(count, 0, -1):
        left_s = max(ends_at - time.monotonic(), 0.0)
        yield min(max(left_s / left / PARTS, least_s), MOST_S)


async def _all(
    suite: str,
    asked: Sequence[dict[str, str]],
    shares: Iterator[float],
    context: TerminalContext,
    apart: Apart | None,
) -> AsyncIterator[Report]:
    """The report after one operator and the next; on a GPU in a process that may be lost."""
    done: list[BenchResult] = []
    refused: list[str] = []
    for inputs, share_s in zip(asked, shares, strict=True):
        context.begin()
        try:
            request = check_inputs(_tool(), {**inputs, "budget_s": share_s})
            assert isinstance(request, BenchRequest)
            result = await _one(request, context, apart)
        except Refused as why:
            refused.append(f"{inputs['op']}: {why.message}")
            context.say(refused[-1])
        else:
            context.end(result)
            done.append(result)
        report = report_of(suite, done)
        yield report.model_copy(update={"left_out": (*report.left_out, *refused)})


async def _one(request: BenchRequest, context: TerminalContext, apart: Apart | None) -> BenchResult:
    if apart is None:
        return await run(request, context, static=False)
    return await apart.run(request, context, PARTS * request.budget_s + BEYOND_S)


def _tool() -> AnyTool:
    from compute.bench import TOOL

    return TOOL


def _requests(suite: str, ops: Sequence[Listed], dtype: str, place: str) -> list[dict[str, str]]:
    name = SPELLINGS.get(dtype.lower(), dtype) if dtype else ""
    return [
        {"op": op.name, "dtype": dtype, "preset": suite, "gpu": place}
        for op in ops
        if not name or name in op.dtypes or (name == "tf32" and op.takes_tf32)
    ]


def _goal_requests(ops: Sequence[Listed]) -> list[dict[str, str]]:
    """One for each operator and dtype, with the shapes of all its goals."""
    wanted = {op.name for op in ops}
    found: dict[tuple[str, str], list[str]] = {}
    for goal in goals():
        if goal.op in wanted and not goal.static:
            shapes = found.setdefault((goal.op, goal.dtype), [])
            shapes += [goal.shape] if goal.shape not in shapes else []
    return [
        {"op": op, "dtype": dtype, "shapes": ", ".join(shapes), "gpu": "cuda"}
        for (op, dtype), shapes in found.items()
    ]


def _explained(ops: Sequence[Listed]) -> list[dict[str, str]]:
    """Operators with a goal that compiled code answers, on any machine."""
    wanted = {op.name for op in ops}
    names = dict.fromkeys((g.op, g.dtype) for g in goals() if g.static and g.op in wanted)
    return [{"op": op, "dtype": dtype, "preset": "explain"} for op, dtype in names]


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def main(argv: Sequence[str]) -> int:
    """Run a suite; exit code 2 for wrong words, 1 where a measured goal is missed."""
    chosen = _parser().parse_args(argv)
    known = listed()
    unknown = [name for name in chosen.ops if name not in known]
    if unknown:
        sys.stderr.write(f"k2c: I don't know {', '.join(unknown)}: {', '.join(known)}.\n")
        return USAGE_ERROR
    ops = [known[name] for name in chosen.ops] or list(known.values())
    out = sys.stderr if chosen.json == "-" else sys.stdout

    def keep(report: Report, found: Sequence[Goal]) -> None:
        if chosen.json and chosen.json != "-":
            _write(report, found, chosen.json, missed=False)

    report, found = asyncio.run(
        run_suite(chosen.suite, ops, chosen.dtype, chosen.gpu, chosen.budget, out, keep)
    )
    for goal in found:
        out.write(goal.line() + "\n")
    return _write(report, found, chosen.json, missed=any(g.met is False for g in found))


def _write(report: Report, found: Sequence[Goal], target: str | None, *, missed: bool) -> int:
    if target is not None:
        document = report.model_dump(mode="json") | {"goals": [goal.record() for goal in found]}
        text = json.dumps(document, indent=1) + "\n"
        if target == "-":
            sys.stdout.write(text)
        else:
            try:
                Path(target).write_text(text, encoding="utf-8")
            except OSError as error:
                sys.stderr.write(f"k2c: {target} cannot be written: {error.strerror}.\n")
                return USAGE_ERROR
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="k2c bench --suite", description=__doc__)
    parser.add_argument("ops", nargs="*", metavar="OP", help="operators; left out: all")
    parser.add_argument("--suite", choices=SUITES, required=True)
    parser.add_argument("--dtype", default="", help="left out: bf16 where the operator has it")
    parser.add_argument("--gpu", default="", choices=("", "cuda", "cpu"))
    usual = f"{BUDGET_S['cuda']:.0f} on a GPU, {BUDGET_S['cpu']:.0f} on a CPU"
    parser.add_argument("--budget", type=float, metavar="S",
                        help=f"seconds for all operators (left out: {usual})")  # fmt: skip
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE")
    return parser
