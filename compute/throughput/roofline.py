"""Time of a forward pass: each operator against memory and compute, then link and fixed time."""

from __future__ import annotations

from dataclasses import dataclass

from compute.throughput.operators import Operator
from compute.throughput.parallel import LAYER_SPLIT
from compute.throughput.rates import Rates, combine

HEAD_KIND = "head"
CHUNKS_AT_ONCE = 4.0  # llama.cpp cuts 2,048 tokens into 512 and waits for all before the next
STATE_CHUNK = 64.0  # tokens a scan keeps on chip before it touches the state in memory


@dataclass(frozen=True)
class PassTime:
    """Seconds of one pass by cause: each operator counts for what bounds it.

    ``cache_s`` is the part of ``memory_s`` that reads the cache of a decode step.
    """

    memory_s: float
    compute_s: float
    link_s: float
    overhead_s: float
    cache_s: float

    @property
    def total_s(self) -> float:
        """The whole pass."""
        return self.memory_s + self.compute_s + self.link_s + self.overhead_s

    def plus(self, other: PassTime, times: float = 1.0) -> PassTime:
        """This pass and ``times`` another, one after the other."""
        return PassTime(
            self.memory_s + times * other.memory_s,
            self.compute_s + times * other.compute_s,
            self.link_s + times * other.link_s,
            self.overhead_s + times * other.overhead_s,
            self.cache_s + times * other.cache_s,
        )


def decode_pass(rates: Rates, batch: float, context: float, each: float = 1.0) -> PassTime:
    """One decode step of ``batch`` sequences with ``context`` tokens each, through all stages.

    With pipeline stages the batch is cut into one part per stage; a sequence then waits for the
    passes of its own part through every stage, which is what is returned. ``each``: tokens of a
    sequence in one pass, more than 1 where drafted tokens are checked; they share a cache read.
    """
    sequences = max(1.0, batch / rates.layout.pp)
    memory = compute = cache = 0.0
    for line in rates.lines:
        moved, flops = decode_work(line.operator, rates, sequences, context, each)
        slow_memory, slow_compute = moved * line.s_per_byte, flops * line.s_per_flop
        seconds = combine(slow_memory, slow_compute, rates.sharpness)
        if slow_memory >= slow_compute:
            memory += seconds
            cache += seconds if line.operator.context_bytes else 0.0
        else:
            compute += seconds
    link = link_seconds(rates, sequences * each, rates.allreduce_latency_s)
    overhead = rates.step_s + rates.sequence_s * sequences
    return PassTime(memory, compute, link, overhead, cache)


def decode_work(
    item: Operator, rates: Rates, sequences: float, context: float, each: float
) -> tuple[float, float]:
    """Bytes moved and FLOPs of one operator in a decode step."""
    own = max(1.0, sequences * item.share) if item.share < 1.0 else sequences
    tokens = own * each
    if item.experts:
        share = touched(item, sequences * each, rates.imbalance)
        return item.weight_bytes * share, expert_flops(item, rates, tokens, share)
    # a recurrent state is read once and written after every token that may be kept
    touches = own * (1.0 + each) / 2 if item.kind == "state" else tokens
    moved = item.weight_bytes + touches * item.token_bytes
    flops = tokens * item.token_flops
    if item.context_bytes:
        attended = item.attended(context)
        moved += own * (item.context_bytes * attended + item.index_bytes * context)
        flops += tokens * (item.decode_flops * attended + item.index_flops * context)
    return moved, flops


def expert_flops(item: Operator, rates: Rates, tokens: float, share: float) -> float:
    """FLOPs of ``share`` of the experts over ``tokens`` tokens.

    An expert's few rows are filled up to whole tiles: at most as many again, a tile's worth for
    long ones.
    """
    rows = tokens * item.top_k / (item.experts * share)
    return tokens * item.token_flops * (1.0 + rates.expert_pad / (rows + rates.expert_pad))


def touched(item: Operator, tokens: float, imbalance: float) -> float:
    """Share of the experts that ``tokens`` tokens choose at least once: E(1 - (1 - k/E)^B)."""
    missed = (1.0 - item.top_k / item.experts) ** tokens if item.top_k < item.experts else 0.0
    return min(1.0, (1.0 - missed) * imbalance)


def prefill_pass(rates: Rates, tokens: float, done: float = 0.0, prompts: float = 1.0) -> PassTime:
    """The pass of ``prompts`` prompts together, each of ``tokens`` tokens after ``done`` cached."""
    chunks = max(1.0, -(-tokens * prompts // rates.engine.prompt_chunk))
    memory = compute = 0.0
    for line in rates.lines:
        moved, flops = _prefill_work(line.operator, rates, tokens, done, prompts, chunks)
        slow_memory, slow_compute = moved * line.s_per_byte, flops * line.s_per_flop
        seconds = combine(slow_memory, slow_compute, rates.sharpness)
        if slow_memory >= slow_compute:
            memory += seconds
        else:
            compute += seconds
    link = chunks * link_seconds(rates, tokens * prompts / chunks, rates.allreduce_latency_s)
    # stages work on different chunks at once; a single chunk passes them one after another
    at_once = min(chunks, CHUNKS_AT_ONCE) if rates.engine.name in LAYER_SPLIT else chunks
    flow = (at_once + rates.layout.pp - 1) / (at_once * rates.layout.pp)
    work = memory + compute + link
    # kernels are launched ahead of the GPU, so launching only shows where it takes longer
    overhead = combine(work, chunks * rates.eager_s, rates.sharpness) - work
    return PassTime(memory * flow, compute * flow, link * flow, overhead * flow, 0.0)


def _prefill_work(
    item: Operator, rates: Rates, tokens: float, done: float, prompts: float, chunks: float
) -> tuple[float, float]:
    """Bytes moved and FLOPs of one operator over all prompts of a pass."""
    # a prompt is worked on by one attention group, so with fewer prompts than groups some idle
    own = max(1.0, prompts * item.share) if item.share < 1.0 else prompts
    every = tokens * own
    if item.kind == HEAD_KIND:
        return item.weight_bytes + own * item.token_bytes, own * item.token_flops
    if item.experts:
        share = touched(item, every / chunks, rates.imbalance)
        flops = chunks * expert_flops(item, rates, every / chunks, share)
        return item.weight_bytes * share * chunks, flops
    if item.kind == "state":
        return every * item.token_bytes / STATE_CHUNK, every * item.token_flops
    moved = item.weight_bytes * chunks + every * item.token_bytes
    flops = every * item.token_flops
    if item.context_bytes:
        moved += item.context_bytes * (every + chunks * item.attended(done + tokens / 2))
        flops += own * item.prefill_flops * item.attended_in_prompt(tokens, done)
        flops += item.index_flops * every * (done + tokens / 2)
    return moved, flops


def link_seconds(rates: Rates, tokens: float, latency_s: float) -> float:
    """Two all-reduces a layer inside a stage, one hand-over between stages."""
    seconds = 0.0
    if rates.layout.tp > 1:
        seconds = rates.allreduces * (latency_s + tokens * rates.allreduce_s_per_token)
    if rates.layout.pp > 1:
        seconds += (rates.layout.pp - 1) * (latency_s + tokens * rates.handover_s_per_token)
    return seconds
