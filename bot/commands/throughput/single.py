"""The answer for one GPU and format, in full."""

from __future__ import annotations

from bot.command import number
from bot.commands.throughput.curve import curve_chart
from bot.commands.throughput.words import (
    gpus_range,
    interval,
    left_out,
    machine,
    ms,
    notes,
    purpose,
    shares,
    targets,
    ways,
)
from bot.view import Block, Bold, Facts, Heading, Span, Text, View
from compute.throughput.result import Estimate, SloPlan, ThroughputResult


def show_one(result: ThroughputResult) -> View:
    """Speed, latency, what bounds it, and what the targets take if there are any."""
    estimate = result.estimates[0]
    if not estimate.fits:
        misfit = Heading((Bold("Does not fit: "), estimate.fit_sentence))
        return View((misfit, *left_out(result), *ways(result, "Fits"), *notes(estimate)))
    speed = _speed(estimate, result)
    blocks: list[Block] = [Heading(speed)]
    if estimate.plan is not None:
        held = () if estimate.plan.met else ways(result, "Held by")
        blocks = [Heading(_planned(estimate.plan, estimate)), *held, Text(speed)]
    blocks += [Text((_timing(estimate, result),)), _facts(estimate), Text((estimate.why,))]
    blocks += [*left_out(result), *notes(estimate)]
    chart = curve_chart(result)
    return View((*blocks, chart) if chart else tuple(blocks))


def _speed(estimate: Estimate, result: ThroughputResult) -> tuple[Span, ...]:
    if result.osl == 0:
        speed, unit = estimate.prefill_tps, "prompt tokens/s"
    else:
        speed, unit = estimate.output_tps, "output tokens/s"
    # one token is the prompt's own pass: nothing is decoded after it
    user = "" if result.osl < 2 else f"{number(estimate.decode_tps_user.value)} tok/s per user · "
    return (
        Bold(f"{number(speed.value)} {unit}"),
        f" ({interval(speed)}) · {user}"
        f"{result.model_name} {estimate.weight_dtype} on {machine(estimate)}",
    )


def _planned(plan: SloPlan, estimate: Estimate) -> tuple[Span, ...]:
    """What the targets and the rate take: the answer where they were asked for."""
    if not plan.met:
        return (
            Bold(f"{targets(plan)}: not held by {machine(estimate, parallel=False)}"),
            f" even for one request: TTFT {ms(plan.at_ttft_ms)}, TPOT {ms(plan.at_tpot_ms)} there",
        )
    each = f"up to {plan.max_concurrency:,} in flight, {plan.replica_rps:,.2f} requests/s"
    if plan.gpus is None or plan.replicas is None:
        where = machine(estimate, parallel=False)
        words = f"{purpose(plan)}: up to {plan.max_concurrency:,} in flight"
        return Bold(f"{plan.replica_rps:,.2f} requests/s from {where}"), words
    if plan.replicas > 1:
        copies = f"{plan.replicas:,} times {machine(estimate, parallel=False)}, "
        each = f"{copies if estimate.n_gpus > 1 else ''}each {each}"
    words = f"{gpus_range(plan)}{purpose(plan)}: {each}"
    return Bold(f"{plan.gpus:,}x {estimate.gpu_name}"), words


def _timing(estimate: Estimate, result: ThroughputResult) -> str:
    tpot = "" if result.osl < 2 else f"TPOT {ms(estimate.tpot_ms.value)} · "
    cached = f" ({estimate.cached_tokens:,} cached)" if estimate.cached_tokens else ""
    return (
        f"TTFT {ms(estimate.ttft_ms.value)} · {tpot}{result.isl:,} in{cached} / "
        f"{result.osl:,} out · {estimate.concurrency:,} in flight"
    )


def _facts(estimate: Estimate) -> Facts:
    memory = estimate.memory
    rows = [
        ("weights", f"{number(memory.weights_gib)} GiB"),
        ("KV cache", f"{number(memory.kv_gib_per_seq)} GiB/user"),
        ("room for", f"{estimate.max_concurrency:,} users"),
        ("bound by", estimate.bound),
        ("time", shares(estimate)),
    ]
    if estimate.bound_changes_at and estimate.bound_then:
        then = f"{estimate.bound_then} from batch {estimate.bound_changes_at:,}"
        rows.insert(4, ("then", then))
    if estimate.drafting:
        rows.append(("drafts", f"{number(estimate.tokens_per_step)} tokens a step"))
    return Facts(tuple(rows))
