"""Why an estimate is what it is: what bounds the step, and where that changes."""

from __future__ import annotations

from collections.abc import Callable

from compute.throughput.deployment import Deployment
from compute.throughput.rates import Rates
from compute.throughput.result import Bound
from compute.throughput.roofline import PassTime
from compute.throughput.steps import decode_step

FAR = 1 << 17


def bound_of(step: PassTime) -> Bound:
    """The cause that takes the largest part of a pass."""
    parts: list[tuple[float, Bound]] = [
        (step.memory_s, "memory"),
        (step.compute_s, "compute"),
        (step.link_s, "link"),
        (step.overhead_s, "overhead"),
    ]
    return max(parts, key=lambda part: part[0])[1]


def shares_of(step: PassTime) -> dict[str, float]:
    """Fractions of a pass by cause, largest first, summing to 1."""
    total = max(step.total_s, 1e-12)
    parts = {
        "weights": step.memory_s - step.cache_s,
        "KV cache": step.cache_s,
        "compute": step.compute_s,
        "link": step.link_s,
        "overhead": step.overhead_s,
    }
    ordered = sorted(parts.items(), key=lambda part: -part[1])
    return {name: seconds / total for name, seconds in ordered if seconds > 0}


def compute_bound_at(rates: Rates, context: float) -> int | None:
    """The batch from which computing takes the largest part of a decode step, if any."""
    return _first_batch(1, lambda batch: _bound_at(rates, batch, context) == "compute")


def next_bound(rates: Rates, batch: float, context: float) -> tuple[int, Bound] | None:
    """The first larger batch at which another cause takes the largest part, and which."""
    start = max(1, round(batch))
    now = _bound_at(rates, start, context)
    found = _first_batch(start, lambda more: _bound_at(rates, more, context) != now)
    return None if found is None else (found, _bound_at(rates, found, context))


def _bound_at(rates: Rates, batch: int, context: float) -> Bound:
    return bound_of(decode_step(rates, float(batch), context))


def _first_batch(start: int, holds: Callable[[int], bool]) -> int | None:
    """The batch, to a sixteenth, from which ``holds`` is true: by leaps of four, then halving."""
    low = high = start
    while high < FAR and not holds(high):
        low, high = high, high * 4
    if high >= FAR:
        return None
    while high - low > max(1, low // 16):
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def growth_of(rates: Rates, step: PassTime, batch: float, context: float) -> float:
    """How much longer a decode step takes with twice the batch: 0.1 = 10 %."""
    twice = decode_step(rates, 2.0 * batch, context)
    return max(0.0, twice.total_s / max(step.total_s, 1e-12) - 1.0)


def why_sentence(
    deployment: Deployment, step: PassTime, growth: float | None, turns: int | None
) -> str:
    """What bounds this load and what more of it costs; ``growth`` None = only a prompt is run."""
    bound = bound_of(step)
    if bound == "compute":
        return "The matrix units are the limit here: a larger batch costs as much time as it adds."
    if bound == "link":
        return "The GPUs wait for each other: fewer GPUs per copy would do more work per GPU."
    if growth is None:
        return "The prompt is too short to keep the GPU busy: more tokens take hardly more time."
    twice = f"twice the batch makes a step {growth:.0%} longer"
    if bound == "overhead":
        return f"Launches and scheduling take the largest part of a step: {twice}."
    shares = shares_of(step)
    if shares.get("KV cache", 0.0) > shares.get("weights", 0.0):
        return (
            "Reading the KV cache takes the largest part of a step; it grows with batch and"
            f" length: {twice}."
        )
    what = "the experts its tokens choose" if deployment.model.is_moe else "every weight"
    until = f"; from about batch {turns:,} computing is the limit" if turns else ""
    return f"Decode reads {what} once per step: {twice}{until}."
