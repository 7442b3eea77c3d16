"""What an engine runs at a time: a decode step with its drafts, a prompt after its prefix."""

from __future__ import annotations

from compute.throughput.mixed import Passengers, added_seconds
from compute.throughput.rates import Rates
from compute.throughput.roofline import PassTime, decode_pass, prefill_pass


def tokens_per_step(rates: Rates) -> float:
    """Tokens a sequence gains in one step: 1, and of drafted ones those accepted on average."""
    return 1.0 + rates.speculation.accepted if rates.speculation else 1.0


def decode_step(rates: Rates, batch: float, context: float) -> PassTime:
    """One step of ``batch`` sequences; with drafts, a pass for each drafted token and the check."""
    speculation = rates.speculation
    if speculation is None:
        return decode_pass(rates, batch, context)
    check = decode_pass(rates, batch, context, each=1.0 + speculation.drafted)
    if speculation.draft is None:
        return check
    return check.plus(decode_pass(speculation.draft, batch, context), times=speculation.drafted)


def prompt_pass(rates: Rates, isl: int, cached: int = 0, prompts: float = 1.0) -> PassTime:
    """The pass of ``prompts`` prompts of ``isl`` tokens, the first ``cached`` of each known.

    What drafts tokens needs the prompt's cache too, so it reads the same prompt.
    """
    fresh = max(1, isl - cached)
    own = prefill_pass(rates, fresh, float(isl - fresh), prompts)
    draft = rates.speculation.draft if rates.speculation else None
    return own if draft is None else own.plus(prefill_pass(draft, fresh, isl - fresh, prompts))


def riding_prompt(
    rates: Rates, batch: float, context: float, isl: int, cached: int, per_step: float
) -> float:
    """Seconds that one prompt adds to the decode steps it rides in, ``per_step`` prompts in each.

    A prompt longer than the engine's chunk rides in several steps; a short one in one.
    """
    fresh = float(max(1, isl - cached))
    tokens = min(fresh * max(1.0, per_step), float(rates.engine.prompt_chunk))
    riding = Passengers(tokens, fresh, isl - fresh)
    speculation = rates.speculation
    each = 1.0 + speculation.drafted if speculation else 1.0
    seconds = added_seconds(rates, batch, context, each, riding)
    if speculation and speculation.draft:
        seconds += added_seconds(speculation.draft, batch, context, 1.0, riding)
    return seconds * fresh / tokens
