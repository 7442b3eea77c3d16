"""Why an estimate is what it is: what bounds the step, and where that changes."""

from __future__ import annotations

from compute.throughput.deployment import Deployment
from compute.throughput.rates import Rates
from compute.throughput.result import Bound
from compute.throughput.roofline import PassTime, decode_pass

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

    def computes(batch: int) -> bool:
        return bound_of(decode_pass(rates, float(batch), context)) == "compute"

    high = 1
    while high < FAR and not computes(high):
        high *= 4
    if high >= FAR:
        return None
    low = max(1, high // 4)
    while high - low > max(1, low // 16):
        middle = (low + high) // 2
        low, high = (low, middle) if computes(middle) else (middle, high)
    return high


def why_sentence(deployment: Deployment, step: PassTime, batch: float, turns: int | None) -> str:
    """One sentence that says what bounds this load and what would change it."""
    bound = bound_of(step)
    shares = shares_of(step)
    if bound == "memory":
        if shares.get("KV cache", 0.0) > shares.get("weights", 0.0):
            return (
                "Reading the KV cache takes most of a step; it grows with batch and length, so"
                " more users bring little more tokens/s."
            )
        what = "the experts it routes to" if deployment.model.is_moe else "every weight"
        until = f" until about batch {turns:,}" if turns and turns > batch else ""
        return f"Decode reads {what} once per step, so a larger batch is nearly free{until}."
    if bound == "compute":
        return "The matrix units are the limit here: a larger batch costs as much time as it adds."
    if bound == "link":
        return "The GPUs wait for each other: fewer GPUs per copy would do more work per GPU."
    return (
        "Launches, synchronisation and scheduling take most of a step, not the GPU's work:"
        " a larger batch is nearly free."
    )
