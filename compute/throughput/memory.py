"""Whether a model fits and how many sequences: weights, cache, state, the engine's own needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from compute.throughput.dtypes import ModuleBits
from compute.throughput.engines import Engine
from compute.throughput.hardware import Device
from compute.throughput.mixers import STATE_BYTES
from compute.throughput.model import ModelSpec
from compute.throughput.operators import ACTIVATION_BYTES, Operator
from compute.throughput.parallel import Layout

GIB = float(1 << 30)
# live buffers of the widest point of a pass, in hidden vectors per prompt token
LIVE_VECTORS = 12.0
SAMPLING_BYTES = 8.0  # logits and probabilities in fp32, kept for as many sequences as may run
MOST_SAMPLED = 2048
MOST_TOKENS = 8192  # of one pass
MOST_SEQUENCES = 10**9


@dataclass(frozen=True)
class MemoryFit:
    """Bytes on one GPU. ``pool``: left for caches; ``token``, ``fixed``: cache of one sequence."""

    usable: float
    weights: float
    overhead: float
    pool: float
    fixed: float
    kinds: tuple[tuple[float, float, int], ...]
    copies: float
    gpus: int
    engine: Engine

    def sequence(self, length: float) -> float:
        """Bytes of one GPU's cache that a sequence of ``length`` tokens takes (on average)."""
        grown = self.fixed
        for per_token, per_index, window in self.kinds:
            grown += per_token * (min(length, window) if window else length) + per_index * length
        return grown

    def whole_sequence(self, length: float) -> float:
        """Bytes of one sequence over all GPUs of a copy, repeats included."""
        return self.sequence(length) * self.copies

    def in_flight(self, isl: int, osl: int) -> int:
        """Requests one copy runs at once: what memory holds and the engine admits."""
        room = self.capacity(isl + osl * self.engine.reserved_output)
        return min(room, self.engine.most_running)

    def capacity(self, length: float) -> int:
        """Sequences of ``length`` tokens that fit at once on one copy."""
        if self.pool <= 0:
            return 0
        return int(min(MOST_SEQUENCES, self.pool / max(1.0, self.sequence(length))))


def fit_memory(
    model: ModelSpec,
    device: Device,
    layout: Layout,
    engine: Engine,
    bits: ModuleBits,
    found: tuple[Operator, ...],
) -> MemoryFit:
    """One GPU's memory under a layout."""
    usable = device.usable_gib * GIB
    weights = sum(item.weight_bytes for item in found) / layout.pp
    weights += _looked_up(model, bits) / (layout.tp * layout.pp)
    overhead = engine.context_gib * GIB + _activations(model, layout, engine)
    inside = overhead if engine.context_gib else 0.0
    left = usable * engine.memory_share - weights - inside
    over = layout.tp / layout.attn_dp
    kinds = tuple(
        (
            item.context_bytes * item.share / layout.pp,
            item.index_bytes * item.share / layout.pp,
            item.window if engine.frees_window else 0,
        )
        for item in found
        if item.context_bytes
    )
    state = sum(mixer.layers * mixer.state_elements for mixer in model.mixers) * STATE_BYTES
    return MemoryFit(
        usable=usable,
        weights=weights,
        overhead=overhead,
        pool=left * engine.cache_share,
        fixed=state / over / layout.attn_dp / layout.pp,
        kinds=kinds,
        copies=over * layout.attn_dp * layout.pp,
        gpus=layout.tp * layout.pp,
        engine=engine,
    )


def _looked_up(model: ModelSpec, bits: ModuleBits) -> float:
    """Embeddings kept besides the head: an untied input table, Gemma's per-layer tables."""
    params = model.extra_embedding_params + (0 if model.tied else model.embedding_params)
    return params * bits.embedding / 8


def _activations(model: ModelSpec, layout: Layout, engine: Engine) -> float:
    """Buffers of the widest pass, and the logits of every sequence with what is sampled from."""
    tokens = min(engine.prompt_chunk, MOST_TOKENS)
    wide = tokens * model.hidden * ACTIVATION_BYTES * LIVE_VECTORS / math.sqrt(max(1, layout.tp))
    if engine.prompt_chunk < MOST_TOKENS:  # engines for one person sample a sequence at a time
        return wide
    return wide + SAMPLING_BYTES * model.vocab * min(engine.most_running, MOST_SAMPLED)
