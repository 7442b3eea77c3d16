"""Continuous batching in its steady state: every finished request is replaced at once."""

from __future__ import annotations

from dataclasses import dataclass

from compute.throughput.deployment import Deployment
from compute.throughput.parameters import Parameters
from compute.throughput.rates import US, Rates
from compute.throughput.roofline import PassTime
from compute.throughput.steps import decode_step, prompt_pass, riding_prompt, tokens_per_step


@dataclass(frozen=True)
class Load:
    """Requests of ``isl`` + ``osl`` tokens; ``concurrency`` in flight in all, None = max.

    ``cached``: prompt tokens whose cache is there already, so that they are not computed again.
    """

    isl: int
    osl: int
    concurrency: int | None
    cached: int = 0


@dataclass(frozen=True)
class Served:
    """The steady state of all copies. ``running`` sequences decode at once on one copy.

    ``ttft_s`` is the mean over requests, ``ttft_median_s`` what half of them stay below.
    """

    running: float
    waiting: float
    step: PassTime
    prompt: PassTime
    ttft_s: float
    ttft_median_s: float
    tpot_s: float
    request_s: float
    output_tps: float
    total_tps: float
    prefill_tps: float


def serve(deployment: Deployment, rates: Rates, load: Load, p: Parameters) -> Served:
    """Speed and latency under a load. A load beyond memory waits in line.

    While a request lives, its copy of the model runs its own prompt, a pass for each of its
    tokens and the prompts of all others once: that sum is the request's time, and by Little's law
    the requests running over that time are the throughput.
    """
    running, waiting = _running(deployment, load, p)
    step = decode_step(rates, running, load.isl + load.osl / 2)
    prompt = prompt_pass(rates, load.isl, load.cached)
    shared_s = _shared_prompt(rates, load, running, prompt, p)
    others_s = (running - 1.0) * shared_s
    decode_s = load.osl * step.total_s / tokens_per_step(rates)
    ahead = _prompts_ahead(p, shared_s, others_s, decode_s, running)
    residual_s = p["serving.residual_steps"] * step.total_s * (1.0 - 1.0 / running)
    first_s = p["serving.request_us"] * US + prompt.total_s + residual_s
    later = max(0.0, load.osl - 1.0)
    passes = later / tokens_per_step(rates)
    request_s = first_s + others_s + passes * step.total_s
    in_flight = running * deployment.layout.replicas
    queued_s = waiting * request_s / running
    return Served(
        running=running,
        waiting=waiting,
        step=step,
        prompt=prompt,
        ttft_s=queued_s + (first_s + ahead.mean_s if passes else request_s),
        ttft_median_s=queued_s + (first_s + ahead.median_s if passes else request_s),
        tpot_s=step.total_s / tokens_per_step(rates)
        + ((others_s - ahead.mean_s) / later if later else 0.0),
        request_s=queued_s + request_s,
        output_tps=in_flight * load.osl / request_s,
        total_tps=in_flight * (load.osl + load.isl) / request_s,
        prefill_tps=load.isl / prompt.total_s,
    )


def _running(deployment: Deployment, load: Load, p: Parameters) -> tuple[float, float]:
    """Sequences running and waiting on one copy."""
    room = max(1, deployment.memory.in_flight(load.isl, load.osl))
    if load.concurrency is None:
        filled = min(float(room), p["serving.most_per_gpu"] * deployment.memory.gpus)
        return max(1.0, filled), 0.0
    wanted = max(1.0, load.concurrency / deployment.layout.replicas)
    running = min(wanted, float(room))
    return running, wanted - running


def _shared_prompt(
    rates: Rates, load: Load, running: float, alone: PassTime, p: Parameters
) -> float:
    """Seconds one prompt costs the others: inside their steps, or in passes it shares."""
    per_step = running * tokens_per_step(rates) / max(1.0, float(load.osl))
    if rates.engine.mixes and load.osl:
        context = load.isl + load.osl / 2
        riding_s = riding_prompt(rates, running, context, load.isl, load.cached, per_step)
        return riding_s * p["serving.mixing"]
    groups = float(rates.layout.attn_dp)
    fresh = load.isl - load.cached
    together = min(max(per_step, groups), max(rates.engine.prompt_chunk / fresh, groups), running)
    if together <= 1.0:
        return alone.total_s * p["serving.prefill_overlap"]
    shared = prompt_pass(rates, load.isl, load.cached, together).total_s / together
    return shared * p["serving.prefill_overlap"]


@dataclass(frozen=True)
class Ahead:
    """Seconds of others' prompts before one's own first token."""

    mean_s: float
    median_s: float


def _prompts_ahead(
    p: Parameters, shared_s: float, others_s: float, decode_s: float, running: float
) -> Ahead:
    """What a prompt waits for in line; at most half of all others' prompts.

    Some come at random, as the share of time spent on prompts says; a part of all others comes
    along with one's own, because requests that began together also end together. Most requests
    meet neither while prompts take less than half of the time, so the median has no queue in it:
    DeepSeek-R1 on B200 with TensorRT-LLM 1.3, ISL 8192, median 215 ms for 4 requests in flight,
    223 ms for 16.
    """
    if others_s <= 0:
        return Ahead(0.0, 0.0)
    work = running * shared_s
    pressure = work / (work + decode_s)
    ahead = p["serving.contention"] * pressure / max(1e-9, 1.0 - pressure)
    mean_s = min(ahead * shared_s + p["serving.clumping"] * others_s, 0.5 * others_s)
    return Ahead(mean_s, mean_s * max(0.0, 2.0 * pressure - 1.0))
