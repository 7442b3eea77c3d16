"""The answer for several GPUs or formats side by side, best first."""

from __future__ import annotations

from bot.command import number
from bot.commands.throughput.curve import curve_chart, frontier
from bot.commands.throughput.words import (
    gpus_range,
    left_out,
    measured,
    ms,
    names,
    purpose,
    short_names,
    targets,
    ways,
)
from bot.view import Block, Bold, Heading, Note, Span, Table, Text, View
from compute.throughput.result import Estimate, ThroughputResult

MOST_MEASURED = 3  # lines of small print; the others stand behind Assumptions

Named = tuple[Estimate, str]  # with the name for a sentence, or the short one for a table


def show_several(result: ThroughputResult) -> View:
    """Which does most, a row for each, what bounds each, and what the targets take."""
    named = list(zip(result.estimates, names(result), strict=True))
    short = dict(zip(names(result), short_names(result), strict=True))
    fitting = [pair for pair in named if pair[0].fits]
    if not fitting:
        first: tuple[Span, ...] = (Bold("None of these fits: "), result.estimates[0].fit_sentence)
        return View((Heading(first), *left_out(result), *ways(result, "Fits")))
    ordered = sorted(fitting, key=lambda pair: _order(pair[0], result))
    misfits = [pair for pair in named if not pair[0].fits]
    narrow, unfit = ([(found, short[name]) for found, name in of] for of in (ordered, misfits))
    blocks: list[Block] = [Heading(_headline(ordered, result))]
    if any(found.plan and found.plan.met for found, _ in ordered):
        blocks.append(_plans(narrow, result))
    blocks.append(_speeds(narrow, unfit, result))
    if result.osl:
        blocks.append(_bounds(narrow, result))
    if said := frontier(result):
        blocks.append(Text((said,)))
    blocks.append(Text((f"{ordered[0][1]}: {ordered[0][0].why}",)))
    blocks += [Note((f"{name} does not fit: {found.fit_sentence}",)) for found, name in misfits]
    blocks += [*left_out(result), *ways(result, _title_of_ways(misfits))]
    blocks += _measurements(ordered)
    chart = curve_chart(result)
    return View((*blocks, chart) if chart else tuple(blocks))


def _title_of_ways(misfits: list[Named]) -> str:
    return "To fit as well" if misfits else "To hold them"


def _label(result: ThroughputResult) -> str:
    """What the first column names."""
    return "GPU" if len({found.gpu_name for found in result.estimates}) > 1 else "format"


def _order(estimate: Estimate, result: ThroughputResult) -> tuple[float, ...]:
    """By GPUs that the targets need where there are any, then by speed of one GPU."""
    plan = estimate.plan
    if plan is None:
        return (-_per_gpu(estimate, result),)
    return (0.0 if plan.met else 1.0, float(plan.gpus or 0), -plan.rps_per_gpu,
            -_per_gpu(estimate, result))  # fmt: skip


def _per_gpu(estimate: Estimate, result: ThroughputResult) -> float:
    """Tokens/s of one GPU: generated ones, or of the prompt where nothing is generated."""
    copy = estimate.n_gpus / estimate.replicas
    return estimate.output_tps_per_gpu if result.osl else estimate.prefill_tps.value / copy


def _headline(ordered: list[Named], result: ThroughputResult) -> tuple[Span, ...]:
    best, name = ordered[0]
    number_of = len(result.estimates)
    plan = best.plan
    if plan is not None and not plan.met:
        return Bold(f"None of these holds {targets(plan)}"), f" for {result.model_name}"
    if plan is not None and plan.gpus is not None:
        gpus = "1 GPU" if plan.gpus == 1 else f"{plan.gpus:,} GPUs"
        words = f", the fewest of {number_of},{purpose(plan)}: {result.model_name}"
        return Bold(f"{name}: {gpus}"), gpus_range(plan) + words
    if plan is not None:
        words = f", the most of {number_of},{purpose(plan)}: {result.model_name}"
        return Bold(f"{name}: {plan.rps_per_gpu:,.2f} requests/s per GPU"), words
    what = "output" if result.osl else "prompt"
    return (
        Bold(f"{name}: {number(_per_gpu(best, result))} {what} tokens/s per GPU"),
        f", the most of {number_of} for {result.model_name}",
    )


def _speeds(ordered: list[Named], misfits: list[Named], result: ThroughputResult) -> Table:
    """Speed and latency of each; what does not fit keeps its row."""
    head = _label(result)
    columns = (head, "tok/s", "/user", "TTFT") if result.osl else (head, "tok/s", "TTFT")
    rows = [_row(found, name, result) for found, name in ordered]
    rows += [(name, "no fit", "-", "-")[: len(columns)] for _, name in misfits]
    what = "output" if result.osl else "prompt"
    return Table(columns, tuple(rows), title=f"{what}{_load(ordered)}")


def _load(ordered: list[Named]) -> str:
    """What all rows have in common: requests in flight (not at max), GPUs."""
    loads = {found.concurrency for found, _ in ordered}
    planned = any(found.plan is not None for found, _ in ordered)
    most = ", each at the load it holds" if planned else ", each at its most"
    load = f", {loads.pop():,} in flight" if len(loads) == 1 else most
    gpus = ordered[0][0].n_gpus
    return f"{load}, {gpus} GPUs" if gpus > 1 else load


def _row(estimate: Estimate, name: str, result: ThroughputResult) -> tuple[str, ...]:
    ttft = ms(estimate.ttft_ms.value)
    if not result.osl:
        return (name, number(estimate.prefill_tps.value), ttft)
    return (name, number(estimate.output_tps.value), number(estimate.decode_tps_user.value), ttft)


def _bounds(ordered: list[Named], result: ThroughputResult) -> Table:
    """The cause that takes most of a step, the batch up to which, and users in memory."""
    rows = tuple(
        (
            name,
            found.bound,
            f"{found.bound_changes_at:,}" if found.bound_changes_at else "-",
            f"{found.max_concurrency:,}",
        )
        for found, name in ordered
    )
    columns = (_label(result), "bound", "until", "room")
    return Table(columns, rows, title="until batch; room for users")


def _plans(ordered: list[Named], result: ThroughputResult) -> Table:
    """What each needs to hold the targets."""
    rated = any(found.plan and found.plan.rate_rps for found, _ in ordered)
    columns = (_label(result), "users", "req/s", "GPUs")
    rows = []
    for found, name in ordered:
        plan = found.plan
        if plan is None or not plan.met:
            rows.append((name, "0", "-", "-"))
            continue
        gpus = "-" if plan.gpus is None else f"{plan.gpus:,}"
        rows.append((name, f"{plan.max_concurrency:,}", f"{plan.replica_rps:,.2f}", gpus))
    each = ordered[0][0].n_gpus
    title = "held by one GPU" if each == 1 else f"held by {each} GPUs"
    title += "; GPUs in all" if rated else ""
    width = 4 if rated else 3
    return Table(columns[:width], tuple(row[:width] for row in rows), title=title)


def _measurements(ordered: list[Named]) -> list[Block]:
    """The published measurement nearest to each, said once where it is the same row."""
    lines: dict[tuple[Span, ...], list[str]] = {}
    for found, name in ordered:
        if found.measured is not None:
            lines.setdefault(measured(found.measured), []).append(name)
    return [
        Note((f"{', '.join(about)}: ", *words))
        for words, about in list(lines.items())[:MOST_MEASURED]
    ]
