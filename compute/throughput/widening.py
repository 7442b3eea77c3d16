"""Wider ranges where tokens are saved by means that no published measurement here used."""

from __future__ import annotations

import math
from dataclasses import replace

from compute.throughput.deployment import Deployment
from compute.throughput.interval import Evidence, Widths, widths_for
from compute.throughput.parameters import Parameters
from compute.throughput.serving import Load
from compute.throughput.speculation import Drafting, accepted_tokens

UNSEEN = "interval.unseen_engine"  # as much wider as for an engine that was hardly measured
UNSEEN_USUAL = 1.2
RATE_SPREAD = 0.1  # acceptance rates published for one method differ by about that either way
PER_TOKEN = ("decode_tps_user", "output_tps", "total_tps")
OF_PROMPTS = ("prefill_tps", "ttft_ms")


def widths_of(deployment: Deployment, load: Load, evidence: Evidence, p: Parameters) -> Widths:
    """How sure an estimate of this load can be."""
    widths = widths_for(deployment, evidence, p)
    reasons = []
    half = dict(widths.half)
    factor = p.get(UNSEEN, UNSEEN_USUAL)
    if deployment.drafting is not None:
        doubt = _rate_doubt(deployment.drafting)
        for name in PER_TOKEN:
            half[name] = math.hypot(half[name] * factor, doubt)
        reasons.append("none with speculative decoding")
    if load.cached:
        for name in OF_PROMPTS:
            half[name] *= factor
        reasons.append("none with a prefix cache")
    if not reasons:
        return widths
    joined = "; wider: " if "wider: " not in widths.why else ", "
    return replace(widths, half=half, why=widths.why + joined + ", ".join(reasons))


def _rate_doubt(drafting: Drafting) -> float:
    """Half the spread of tokens per step, in ln, that an assumed acceptance rate brings."""
    if not drafting.source or drafting.rate is None:
        return 0.0
    low = accepted_tokens(drafting.drafted, max(0.0, drafting.rate - RATE_SPREAD))
    high = accepted_tokens(drafting.drafted, min(1.0, drafting.rate + RATE_SPREAD))
    return 0.5 * math.log((1.0 + high) / (1.0 + low))
