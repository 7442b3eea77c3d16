"""/throughput: tokens per second of any GPU, model and load."""

from __future__ import annotations

from collections.abc import Sequence

from bot.command import Choice, Command, number, options_of
from bot.view import (
    Anchor,
    Block,
    Bold,
    Chart,
    Facts,
    Heading,
    Mark,
    Note,
    Series,
    Span,
    Table,
    Text,
    View,
)
from compute.throughput import CALCULATOR, TOOL
from compute.throughput.request import ThroughputRequest
from compute.throughput.result import Estimate, Measured, Range, SloPlan, ThroughputResult

OPTIONS = (
    "gpu", "model", "gpus", "batch", "input", "output", "dtype", "kv_dtype", "engine",
    "parallel", "slo", "rate",
)  # fmt: skip

METRICS = {
    "output_tps": "output tok/s",
    "total_tps": "tok/s in and out",
    "decode_tps_user": "tok/s per user",
    "prefill_tps": "prompt tok/s",
    "ttft_ms": "ms TTFT",
}


def suggest_gpus(text: str) -> Sequence[Choice]:
    """GPUs for what is typed so far; of a comma list the last is completed."""
    return CALCULATOR.library.gpus.suggest(text)


def suggest_models(text: str) -> Sequence[Choice]:
    """Catalogue models for what is typed so far; any other id may be typed as well."""
    return CALCULATOR.library.models.suggest(text)


def show(request: ThroughputRequest, result: ThroughputResult) -> View:
    """The answer: one GPU in full, or several side by side."""
    if len(result.estimates) > 1:
        return _comparison(result)
    estimate = result.estimates[0]
    if not estimate.fits:
        return View((Heading((Bold("Does not fit: "), estimate.fit_sentence)),
                     *_fitting(result), *_notes(estimate)))  # fmt: skip
    blocks: list[Block] = [
        Heading(_headline(estimate, result)),
        Text((_timing(estimate, result),)),
        _facts(estimate),
        Text((estimate.why,)),
    ]
    if result.plan is not None:
        blocks.append(_plan(result.plan))
    blocks += _notes(estimate)
    if len(estimate.curve) > 1 and result.osl:
        blocks.append(_chart(result))
    return View(tuple(blocks))


def _headline(estimate: Estimate, result: ThroughputResult) -> tuple[Span, ...]:
    if result.osl == 0:
        speed, unit = estimate.prefill_tps, "prompt tokens/s"
    else:
        speed, unit = estimate.output_tps, "output tokens/s"
    user = "" if result.osl == 0 else f"{number(estimate.decode_tps_user.value)} tok/s per user · "
    return (
        Bold(f"{number(speed.value)} {unit}"),
        f" ({_interval(speed)}) · {user}"
        f"{result.model_name} {estimate.weight_dtype} on {_machine(estimate)}",
    )


def _timing(estimate: Estimate, result: ThroughputResult) -> str:
    tpot = "" if result.osl < 2 else f"TPOT {_ms(estimate.tpot_ms.value)} · "
    return (
        f"TTFT {_ms(estimate.ttft_ms.value)} · {tpot}{result.isl:,} in / {result.osl:,} out · "
        f"{estimate.concurrency:,} in flight"
    )


def _facts(estimate: Estimate) -> Facts:
    memory = estimate.memory
    return Facts(
        (
            ("weights", f"{number(memory.weights_gib)} GiB"),
            ("KV cache", f"{number(memory.kv_gib_per_seq)} GiB/user"),
            ("room for", f"{estimate.max_concurrency:,} users"),
            ("bound by", _shares(estimate)),
        )
    )


def _shares(estimate: Estimate) -> str:
    """The two largest causes of a step's time: ``weights 71%, KV 12%``."""
    largest = sorted(estimate.shares.items(), key=lambda item: -item[1])[:2]
    return ", ".join(f"{cause.removesuffix(' cache')} {share:.0%}" for cause, share in largest)


def _plan(plan: SloPlan, gpu: str = "") -> Text:
    sentence = f"{gpu}: {plan.sentence}" if gpu else plan.sentence
    return Text((Bold(sentence),) if plan.met else (sentence,))


def _notes(estimate: Estimate) -> list[Block]:
    notes: list[Block] = [Note((note,)) for note in estimate.notes[:2]]
    if estimate.measured is not None:
        notes.append(Note(_measured(estimate.measured)))
    return notes


def _measured(row: Measured) -> tuple[Span, ...]:
    what = METRICS.get(row.metric, row.metric)
    machine = f"{row.n_gpus}x {row.gpu}" if row.n_gpus > 1 else row.gpu
    in_flight = "offline" if row.concurrency == "max" else f"{row.concurrency} in flight"
    load = f"ISL {row.isl} OSL {row.osl}, {in_flight}"
    where = f"{row.engine} {row.engine_version}".strip()
    source: Span = Anchor(row.source, row.url) if row.url.startswith("https://") else row.source
    return (
        f"nearest measurement: {number(row.value)} {what}, {row.model} {row.weight_dtype} on "
        f"{machine}, {where}, {load}: ",
        source,
        f" ({row.date})" if row.date else "",
    )


def _fitting(result: ThroughputResult) -> list[Block]:
    if not result.fixes:
        return []
    ways = (f"{fix.label.removeprefix('Use ')} ({fix.detail})" for fix in result.fixes)
    return [Text((f"Fits: {'; '.join(ways)}.",))]


def _comparison(result: ThroughputResult) -> View:
    fitting = [e for e in result.estimates if e.fits]
    if not fitting:
        first: tuple[Span, ...] = (Bold("None of these fits: "), result.estimates[0].fit_sentence)
        return View((Heading(first), *_fitting(result)))
    what = "output" if result.osl else "prompt"
    best = max(fitting, key=lambda e: _per_gpu(e, result))
    heading = (
        Bold(f"{best.gpu_name}: {number(_per_gpu(best, result))} {what} tokens/s per GPU"),
        f", the most of {len(result.estimates)} for {result.model_name}",
    )
    columns = ("GPU", "tok/s", "/user", "TTFT") if result.osl else ("GPU", "tok/s", "TTFT")
    rows = tuple(_row(estimate, result)[: len(columns)] for estimate in result.estimates)
    title = "output tokens/s, whole system" if result.osl else "prompt tokens/s of one copy"
    blocks: list[Block] = [Heading(heading), Table(columns, rows, title=title), Text((best.why,))]
    if result.plan is not None:
        blocks.append(_plan(result.plan, result.estimates[0].gpu_name))
    blocks += [
        Note((f"{e.gpu_name} does not fit: {e.fit_sentence}",))
        for e in result.estimates
        if not e.fits
    ]
    return View((*blocks, _chart(result)) if result.osl else tuple(blocks))


def _per_gpu(estimate: Estimate, result: ThroughputResult) -> float:
    """Tokens/s of one GPU: generated ones, or of the prompt where nothing is generated."""
    copy = estimate.n_gpus / estimate.replicas
    return estimate.output_tps_per_gpu if result.osl else estimate.prefill_tps.value / copy


def _row(estimate: Estimate, result: ThroughputResult) -> tuple[str, ...]:
    name = _machine(estimate, parallel=False)
    if not estimate.fits:
        return (name, "no fit", "-", "-")
    ttft = _ms(estimate.ttft_ms.value)
    if not result.osl:
        return (name, number(estimate.prefill_tps.value), ttft)
    return (name, number(estimate.output_tps.value), number(estimate.decode_tps_user.value), ttft)


def _chart(result: ThroughputResult) -> Chart:
    """The trade-off every operator chooses on: a user's speed against a GPU's output."""
    shown = [e for e in result.estimates if e.fits and e.curve]
    first = shown[0]
    return Chart(
        title=_title(shown, result),
        x_label="tokens/s per user",
        y_label="output tokens/s per GPU",
        series=tuple(_series(estimate, labelled=len(shown) == 1) for estimate in shown),
        marks=(_mark(first),) if len(shown) == 1 else (),
        alt=_alt(shown),
    )


def _series(estimate: Estimate, *, labelled: bool) -> Series:
    points = estimate.curve
    return Series(
        name=_machine(estimate),
        xs=tuple(p.tps_user for p in points),
        ys=tuple(p.tps_gpu for p in points),
        labels=_loads(estimate) if labelled else (),
    )


def _title(shown: Sequence[Estimate], result: ThroughputResult) -> str:
    on = f" on {_machine(shown[0], parallel=False)}" if len(shown) == 1 else ""
    return f"{result.model_name} {shown[0].weight_dtype}{on}"


def _loads(estimate: Estimate) -> tuple[str, ...]:
    """Requests in flight beside each point; the marked one has its own label."""
    loads = [p.concurrency for p in estimate.curve]
    labels = ["" if load == estimate.concurrency else f"{load}" for load in loads]
    if labels[-1]:
        labels[-1] += " in flight"
    return tuple(labels)


def _mark(estimate: Estimate) -> Mark:
    per_gpu = 1 / estimate.n_gpus
    return Mark(
        x=estimate.decode_tps_user.value,
        y=estimate.output_tps.value * per_gpu,
        label=f"{estimate.concurrency} in flight",
        y_low=estimate.output_tps.low * per_gpu,
        y_high=estimate.output_tps.high * per_gpu,
    )


def _alt(shown: Sequence[Estimate]) -> str:
    lines = [
        f"{_machine(e)}: "
        + "; ".join(
            f"{p.concurrency} in flight {number(p.tps_gpu)} tok/s per GPU at "
            f"{number(p.tps_user)} per user"
            for p in e.curve
        )
        for e in shown
    ]
    return ". ".join(lines)[:1000]


def details(request: ThroughputRequest, result: ThroughputResult) -> View:
    """What the estimate takes for granted, each with its source."""
    blocks: list[Block] = [Heading((Bold("What this estimate assumes"),))]
    for assumption in result.assumptions:
        blocks.append(Text((f"• {assumption.text}",)))
        if assumption.source:
            blocks.append(Note((assumption.source,)))
    for estimate in result.estimates:
        if estimate.fits:
            blocks.append(Note((f"{estimate.gpu_name}: {estimate.range_why}",)))
    return View(tuple(blocks), tone="notice")


def _machine(estimate: Estimate, *, parallel: bool = True) -> str:
    if estimate.n_gpus == 1:
        return estimate.gpu_name
    split = [f"{n}{v}" for n, v in (("TP", estimate.tp), ("PP", estimate.pp), ("EP", estimate.ep))
             if v > 1]  # fmt: skip
    tail = f", {'x'.join(split)}" if parallel and split else ""
    return f"{estimate.n_gpus}x {estimate.gpu_name}{tail}"


def _interval(speed: Range) -> str:
    return f"{number(speed.low)}-{number(speed.high)}"


def _ms(value: float) -> str:
    return f"{number(value)} ms" if value < 10_000 else f"{number(value / 1000)} s"


COMMAND = Command(
    tool=TOOL,
    options=options_of(ThroughputRequest, OPTIONS, {"gpu": suggest_gpus, "model": suggest_models}),
    show=show,
    details=details,
)
