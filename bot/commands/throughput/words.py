"""How a throughput estimate's figures are said: machines, ranges, times, measurements."""

from __future__ import annotations

from collections.abc import Sequence

from bot.command import number
from bot.view import Anchor, Block, Note, Span, Text
from compute.throughput.result import Estimate, Measured, Range, SloPlan, ThroughputResult

NARROW = 10  # columns that a phone leaves a table's first one beside three of figures
MEMORY = ("weights", "KV cache")
METRICS = {
    "output_tps": "output tok/s",
    "total_tps": "tok/s in and out",
    "decode_tps_user": "tok/s per user",
    "prefill_tps": "prompt tok/s",
    "ttft_ms": "ms TTFT",
}


def machine(estimate: Estimate, *, parallel: bool = True) -> str:
    """``2x H100 SXM, TP2``."""
    if estimate.n_gpus == 1:
        return estimate.gpu_name
    sizes = (("TP", estimate.tp), ("PP", estimate.pp), ("EP", estimate.ep),
             ("DP", estimate.attn_dp))  # fmt: skip
    split = [f"{name}{size}" for name, size in sizes if size > 1]
    tail = f", {'x'.join(split)}" if parallel and split else ""
    return f"{estimate.n_gpus}x {estimate.gpu_name}{tail}"


def names(result: ThroughputResult) -> list[str]:
    """What tells the compared choices apart: the GPU, the format, or both."""
    gpus = len({found.gpu_name for found in result.estimates}) > 1
    formats = len({found.weight_dtype for found in result.estimates}) > 1
    return [
        " ".join(
            part
            for part, needed in ((found.gpu_name, gpus or not formats),
                                 (found.weight_dtype, formats))
            if needed
        )
        for found in result.estimates
    ]  # fmt: skip


def short_names(result: ThroughputResult) -> list[str]:
    """The same for a narrow column: ``H200 nvfp4`` where ``H200 SXM nvfp4`` would be cut."""
    whole = names(result)
    if all(len(name) <= NARROW for name in whole):
        return whole
    gpus = {found.gpu_name for found in result.estimates}
    return [
        name.replace(found.gpu_name, _short(found.gpu_name, gpus))
        for name, found in zip(whole, result.estimates, strict=True)
    ]


def _short(gpu: str, others: set[str]) -> str:
    """The fewest words of a GPU's name that hold a digit and none of the others begins with."""
    rest = {name: name.removeprefix("Apple ").removeprefix("RTX ") for name in others}
    words = rest[gpu].split()
    for number_of in range(1, len(words)):
        short = " ".join(words[:number_of])
        alone = sum(f"{name} ".startswith(f"{short} ") for name in rest.values()) == 1
        if alone and any(char.isdigit() for char in short):
            return short
    return rest[gpu]


def interval(speed: Range) -> str:
    """``1,210-1,760``."""
    return f"{number(speed.low)}-{number(speed.high)}"


def ms(value: float) -> str:
    """``310 ms``; seconds from ten of them on."""
    return f"{number(value)} ms" if value < 10_000 else f"{number(value / 1000)} s"


def shares(estimate: Estimate) -> str:
    """The largest causes of a step's time, first of what bounds it: ``weights 71%, KV 12%``."""
    of_bound = MEMORY if estimate.bound == "memory" else (estimate.bound,)
    largest = sorted(estimate.shares.items(), key=lambda item: -item[1])
    first = next(item for item in largest if item[0] in of_bound)
    second = [item for item in largest if item != first][:1]
    return ", ".join(
        f"{cause.removesuffix(' cache')} {share:.0%}" for cause, share in (first, *second)
    )


def gpus_range(plan: SloPlan) -> str:
    """``(6-12)``: the GPUs at the ends of the interval; empty where they are the same."""
    if plan.gpus_low is None or plan.gpus_high is None or plan.gpus_low == plan.gpus_high:
        return ""
    return f" ({plan.gpus_low:,}-{plan.gpus_high:,})"


def targets(plan: SloPlan) -> str:
    """``TTFT <= 500 ms and TPOT <= 30 ms``; empty where only a rate was asked for."""
    limits = (("TTFT", plan.ttft_ms), ("TPOT", plan.tpot_ms))
    return " and ".join(f"{name} <= {value:,.6g} ms" for name, value in limits if value is not None)


def purpose(plan: SloPlan) -> str:
    """``for 50 requests/s with TTFT <= 500 ms``: what a plan is made for."""
    held = targets(plan)
    rate = "" if plan.rate_rps is None else f" for {plan.rate_rps:,.10g} requests/s"
    return f"{rate} with {held}" if held else rate


def measured(row: Measured) -> tuple[Span, ...]:
    """A published measurement with its source and date."""
    what = METRICS.get(row.metric, row.metric)
    where = f"{row.n_gpus}x {row.gpu}" if row.n_gpus > 1 else row.gpu
    in_flight = "offline" if row.concurrency == "max" else f"{row.concurrency} in flight"
    engine = f"{row.engine} {row.engine_version}".strip()
    source: Span = Anchor(row.source, row.url) if row.url.startswith("https://") else row.source
    return (
        f"measured nearby: {number(row.value)} {what}, {engine}, {row.model} {row.weight_dtype}"
        f" on {where}, ISL {row.isl} OSL {row.osl}, {in_flight}: ",
        source,
        f", {row.date}" if row.date else "",
    )


def notes(estimate: Estimate) -> list[Block]:
    """The first remarks, and the nearest measurement."""
    found: list[Block] = [Note((note,)) for note in estimate.notes[:2]]
    if estimate.measured is not None:
        found.append(Note(measured(estimate.measured)))
    elif estimate.fits:
        found.append(Note((f"no published measurement is near this; {estimate.range_why}",)))
    return found


def left_out(result: ThroughputResult) -> list[Block]:
    """What could not be compared, each with its reason."""
    several = len({out.weight_dtype for out in result.left_out}) > 1
    return [
        Note((f"{out.gpu_name}{f' {out.weight_dtype}' if several else ''}: {out.reason}",))
        for out in result.left_out
    ]


def ways(result: ThroughputResult, title: str) -> Sequence[Block]:
    """The repairs behind the buttons, in one sentence."""
    if not result.fixes:
        return ()
    each = (
        f"{fix.label.removeprefix('Use ')}{f' ({fix.detail})' if fix.detail else ''}"
        for fix in result.fixes
    )
    return (Text((f"{title}: {'; '.join(each)}.",)),)
