"""Prompt tokens inside decode steps, as engines with in-flight batching run them."""

from __future__ import annotations

from dataclasses import dataclass

from compute.throughput.operators import Operator
from compute.throughput.rates import Rates, combine
from compute.throughput.roofline import (
    HEAD_KIND,
    STATE_CHUNK,
    decode_work,
    expert_flops,
    link_seconds,
    touched,
)


@dataclass(frozen=True)
class Passengers:
    """``tokens`` prompt tokens in one step: of prompts with ``fresh`` tokens after ``done`` known.

    They stand for an average place in their prompts.
    """

    tokens: float
    fresh: float
    done: float


def added_seconds(
    rates: Rates, batch: float, context: float, each: float, riding: Passengers
) -> float:
    """What prompt tokens add to a decode step of ``batch`` sequences (``each`` tokens of each).

    Weights are read once for both, and a memory-bound step has arithmetic to spare; but a step
    with prompt tokens has its kernels launched one by one, which shows where the work is short.
    """
    sequences = max(1.0, batch / rates.layout.pp)
    plain = both = 0.0
    for line in rates.lines:
        moved, flops = decode_work(line.operator, rates, sequences, context, each)
        more, most = _added_work(line.operator, rates, sequences * each, riding)
        s_per_byte, s_per_flop = line.s_per_byte, line.s_per_flop
        plain += combine(moved * s_per_byte, flops * s_per_flop, rates.sharpness)
        both += combine((moved + more) * s_per_byte, (flops + most) * s_per_flop, rates.sharpness)
    latency = rates.allreduce_latency_s
    plain += link_seconds(rates, sequences * each, latency)
    both += link_seconds(rates, sequences * each + riding.tokens, latency)
    fixed = rates.step_s + rates.sequence_s * sequences
    return max(0.0, combine(both + fixed, rates.eager_s, rates.sharpness) - plain - fixed)


def _added_work(
    item: Operator, rates: Rates, decoding: float, riding: Passengers
) -> tuple[float, float]:
    """Bytes and FLOPs that prompt tokens add to one operator beside ``decoding`` tokens."""
    own = riding.tokens * item.share
    pieces = riding.tokens / riding.fresh
    if item.kind == HEAD_KIND:
        return pieces * item.token_bytes, pieces * item.token_flops
    if item.experts:
        before = touched(item, decoding, rates.imbalance)
        after = touched(item, decoding + own, rates.imbalance)
        flops = expert_flops(item, rates, decoding + own, after)
        flops -= expert_flops(item, rates, decoding, before)
        return item.weight_bytes * (after - before), flops
    if item.kind == "state":
        return own * item.token_bytes / STATE_CHUNK, own * item.token_flops
    moved, flops = own * item.token_bytes, own * item.token_flops
    if item.context_bytes:
        middle = riding.done + riding.fresh / 2
        reads = max(1.0, pieces) * item.share
        moved += item.context_bytes * (own + reads * item.attended(middle))
        pairs = item.attended_in_prompt(riding.fresh, riding.done) / riding.fresh
        flops += own * (item.prefill_flops * pairs + item.index_flops * middle)
    return moved, flops
