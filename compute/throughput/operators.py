"""The work of one forward pass on one GPU, operator by operator, in FLOPs and bytes."""

from __future__ import annotations

from dataclasses import dataclass

from compute.throughput.dtypes import ModuleBits, WeightDtype
from compute.throughput.mixers import STATE_BYTES, Mixer
from compute.throughput.model import ModelSpec
from compute.throughput.parallel import Layout

ACTIVATION_BYTES = 2.0
# reads and writes of the hidden vector around a layer: norms, residual, projections' ends
PASSES_PER_LAYER = 12.0


@dataclass(frozen=True)
class Operator:
    """One kind of kernel over all layers that run it, as one GPU sees it.

    ``weight_bytes`` are read once a pass; ``token_bytes``, ``token_flops`` are per token;
    ``context_bytes``, ``decode_flops``, ``prefill_flops`` per token and context token that
    it attends to (``window`` tokens at most, 0 = all; ``top_k`` read of a longer cache).
    ``experts`` > 0: ``weight_bytes`` belong to all local experts, ``top_k`` chosen of ``experts``.
    ``share``: the part of the batch's tokens this GPU works on (attention data parallel).
    """

    name: str
    kind: str
    compute: str
    weight_bytes: float = 0.0
    token_bytes: float = 0.0
    token_flops: float = 0.0
    context_bytes: float = 0.0
    decode_flops: float = 0.0
    prefill_flops: float = 0.0
    window: int = 0
    top_k: int = 0
    index_bytes: float = 0.0
    index_flops: float = 0.0
    experts: int = 0
    share: float = 1.0

    def attended(self, context: float) -> float:
        """Tokens read by one query whose context is ``context`` tokens long."""
        limit = self.window or self.top_k
        return min(context, float(limit)) if limit else context

    def attended_in_prompt(self, tokens: float, done: float = 0.0) -> float:
        """Query-key pairs of a causal prompt of ``tokens`` after ``done`` earlier ones."""
        limit = float(self.window or self.top_k)
        if not limit or done + tokens <= limit:
            return tokens * (done + tokens / 2)
        ramp = max(0.0, limit - done)
        return ramp * (done + ramp / 2) + (tokens - ramp) * limit


def operators(
    model: ModelSpec,
    layout: Layout,
    bits: ModuleBits,
    weights: WeightDtype,
    compute: str,
    kv_bits: float,
) -> tuple[Operator, ...]:
    """Every operator of a pass through all layers, divided over the GPUs of one stage."""
    found = [_mixing(model, layout, bits, compute)]
    found += [_attention(mixer, layout, kv_bits) for mixer in model.mixers if mixer.kv_elements]
    found += [_state(mixer, layout) for mixer in model.mixers if mixer.state_elements]
    found += _feed_forwards(model, layout, bits, weights, compute)
    found.append(_head(model, layout, bits))
    return tuple(found)


def _mixing(model: ModelSpec, layout: Layout, bits: ModuleBits, compute: str) -> Operator:
    """The projections of attention, linear and state-space layers."""
    over = layout.tp / layout.attn_dp
    params = model.mixer_params / over
    return Operator(
        name="attention projections",
        kind="weights",
        compute=compute if bits.mixer < 16 else "fp16",
        weight_bytes=params * bits.mixer / 8,
        token_flops=2.0 * params,
        token_bytes=model.layers * model.hidden * ACTIVATION_BYTES * PASSES_PER_LAYER / over,
        share=1.0 / layout.attn_dp,
    )


def _attention(mixer: Mixer, layout: Layout, kv_bits: float) -> Operator:
    """Reading the cache. KV heads are copied where there are fewer of them than GPUs."""
    over = layout.tp / layout.attn_dp
    split = 1.0 if mixer.latent else min(over, float(mixer.kv_heads))
    cache = mixer.layers * mixer.kv_elements * kv_bits / 8 / split
    return Operator(
        name="attention",
        kind="latent cache" if mixer.latent else "cache",
        compute="fp16",
        context_bytes=cache,
        decode_flops=mixer.layers * mixer.decode_flops / over,
        prefill_flops=mixer.layers * mixer.prefill_flops / over,
        window=mixer.window,
        top_k=mixer.top_k,
        index_bytes=mixer.layers * mixer.index_elements,
        index_flops=mixer.layers * mixer.index_flops / over,
        share=1.0 / layout.attn_dp,
    )


def _state(mixer: Mixer, layout: Layout) -> Operator:
    """Reading and writing the constant state of linear and state-space layers."""
    over = layout.tp / layout.attn_dp
    return Operator(
        name=f"{mixer.kind} state",
        kind="state",
        compute="fp16",
        token_bytes=2.0 * mixer.layers * mixer.state_elements * STATE_BYTES / over,
        token_flops=mixer.layers * mixer.state_flops / over,
        share=1.0 / layout.attn_dp,
    )


def _feed_forwards(
    model: ModelSpec, layout: Layout, bits: ModuleBits, weights: WeightDtype, compute: str
) -> list[Operator]:
    dense = model.dense_params / layout.tp
    found = [
        Operator(
            name="feed-forward",
            kind="weights",
            compute=compute if bits.dense < 16 else "fp16",
            weight_bytes=dense * bits.dense / 8,
            token_flops=2.0 * dense,
        )
    ]
    for ffn in model.feed_forwards:
        if ffn.experts:
            each = ffn.layers * ffn.expert_params / layout.tp
            found.append(
                Operator(
                    name="experts",
                    kind="experts",
                    compute=compute if bits.expert < 16 or weights.bits == 16 else "fp16",
                    weight_bytes=each * ffn.experts * bits.expert / 8,
                    token_flops=2.0 * each * ffn.top_k,
                    top_k=ffn.top_k,
                    experts=ffn.experts,
                )
            )
    return found


def _head(model: ModelSpec, layout: Layout, bits: ModuleBits) -> Operator:
    """The output head; a tied embedding is read once here and never besides."""
    params = model.embedding_params / layout.tp
    return Operator(
        name="output head",
        kind="head",
        compute="fp16",
        weight_bytes=params * bits.embedding / 8,
        token_flops=2.0 * params,
        token_bytes=model.vocab * 4.0 / layout.tp,
    )
