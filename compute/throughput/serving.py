"""Continuous batching in its steady state: every finished request is replaced at once."""

from __future__ import annotations

from dataclasses import dataclass

from compute.throughput.deployment import Deployment
from compute.throughput.parameters import Parameters
from compute.throughput.rates import US, Rates
from compute.throughput.roofline import PassTime, decode_pass, prefill_pass


@dataclass(frozen=True)
class Load:
    """Requests of ``isl`` + ``osl`` tokens; ``concurrency`` in flight in all, None = max."""

    isl: int
    osl: int
    concurrency: int | None


@dataclass(frozen=True)
class Served:
    """The steady state of all copies. ``running`` sequences decode at once on one copy."""

    running: float
    waiting: float
    step: PassTime
    prompt: PassTime
    ttft_s: float
    tpot_s: float
    request_s: float
    output_tps: float
    total_tps: float
    prefill_tps: float


def serve(deployment: Deployment, rates: Rates, load: Load, p: Parameters) -> Served:
    """Speed and latency under a load. A load beyond memory waits in line."""
    running, waiting = _running(deployment, load, p)
    step = decode_pass(rates, running, load.isl + load.osl / 2)
    prompt = prefill_pass(rates, load.isl)
    shared_s = _shared_prompt(rates, load, running, prompt)
    others = running - 1.0
    share = p["serving.prefill_overlap"]
    tpot = step.total_s + (others * shared_s * share / load.osl if load.osl else 0.0)
    ttft = _first_token(rates, load, p, prompt.total_s, shared_s, step.total_s, running)
    busy = max(0.0, load.osl - 1.0) * tpot
    request = max(ttft + busy, (others + 1.0) * shared_s * share)
    if waiting > 0:
        ttft += waiting * request / running
    in_flight = running * deployment.layout.replicas
    return Served(
        running=running,
        waiting=waiting,
        step=step,
        prompt=prompt,
        ttft_s=ttft,
        tpot_s=tpot,
        request_s=ttft + busy,
        output_tps=in_flight * load.osl / request,
        total_tps=in_flight * (load.osl + load.isl) / request,
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


def _shared_prompt(rates: Rates, load: Load, running: float, alone: PassTime) -> float:
    """Seconds one prompt costs the others: short prompts that arrive together share a pass."""
    together = running / max(1.0, float(load.osl))
    together = min(together, rates.engine.prompt_chunk / load.isl, running)
    if together <= 1.0:
        return alone.total_s
    return prefill_pass(rates, load.isl, prompts=together).total_s / together


def _first_token(
    rates: Rates,
    load: Load,
    p: Parameters,
    prompt_s: float,
    shared_s: float,
    step_s: float,
    running: float,
) -> float:
    """Own prompt, the rest of the running step, and prompts of others that came just before."""
    seconds = p["serving.request_us"] * US + prompt_s
    if running <= 1.0:
        return seconds
    work = running * shared_s
    pressure = work / (work + load.osl * step_s)
    ahead = min(running - 1.0, pressure / max(1e-9, 1.0 - pressure)) * shared_s
    queued = p["serving.contention"] * ahead
    return seconds + p["serving.residual_steps"] * step_s + queued
