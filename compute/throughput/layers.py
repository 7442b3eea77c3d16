"""Which layers a model has: how each mixes tokens and which feed-forward it carries."""

from __future__ import annotations

from collections import Counter
from typing import Any

from compute.throughput.fields import MOST_LAYERS, Fields, bad_field

PATTERN = {"M": "mamba", "*": "attention", "E": "moe", "-": "dense"}
BLOCKS = {"mamba": "mamba", "attention": "attention", "moe": "moe", "mlp": "dense"}
TYPES = {
    "full_attention": "attention",
    "deepseek_sparse_attention": "attention",
    "attention": "attention",
    "global_attention": "attention",
    "sliding_attention": "sliding",
    "sliding_window": "sliding",
    "local_attention": "sliding",
    "chunked_attention": "sliding",
    "linear_attention": "linear",
    "mamba": "mamba",
    "mamba2": "mamba",
    "conv": "conv",
    "short_conv": "conv",
}
GEMMA3_PATTERN = 6
LLAMA4_PATTERN = 4

Mixers = Counter[str]
FeedForwards = Counter[str]


def layer_plan(fields: Fields) -> tuple[Mixers, FeedForwards]:
    """How many layers mix tokens by which means, and how many carry a dense or MoE feed-forward."""
    blocks = _single_blocks(fields)
    if blocks is not None:
        mixers = Counter(block for block in blocks if block not in ("moe", "dense"))
        return mixers, Counter(block for block in blocks if block in ("moe", "dense"))
    layers = fields.count("num_hidden_layers")
    if layers > MOST_LAYERS:
        raise bad_field("num_hidden_layers", layers, f"at most {MOST_LAYERS}")
    return _mixers(fields, layers), _feed_forwards(fields, layers)


def _single_blocks(fields: Fields) -> list[str] | None:
    """Nemotron-H style: each layer is one block, named by a pattern string or a list."""
    pattern = fields.raw("hybrid_override_pattern")
    if isinstance(pattern, str) and pattern:
        return [_known(PATTERN, letter, "hybrid_override_pattern") for letter in pattern[:2000]]
    blocks = fields.items("layers_block_type")
    if "moe" in blocks or "mlp" in blocks:
        return [_known(BLOCKS, block, "layers_block_type") for block in blocks]
    return None


def _known(table: dict[str, str], key: Any, field: str) -> str:
    if not isinstance(key, str) or key not in table:
        raise bad_field(field, key, ", ".join(table))
    return table[key]


def _mixers(fields: Fields, layers: int) -> Mixers:
    counts = fields.raw("layer_type_counts")
    if isinstance(counts, dict) and counts:
        mixers: Mixers = Counter()
        for kind in counts:
            number = Fields(counts).count(kind, least=0)
            mixers[_known(TYPES, kind, "layer_type_counts")] += number
        return mixers
    types = fields.items("layer_types") or fields.items("layers_block_type")
    if types:
        return Counter(_known(TYPES, kind, "layer_types") for kind in types[:layers])
    if fields.has("full_attention_interval") and fields.has("linear_num_value_heads"):
        full = layers // fields.count("full_attention_interval")
        return Counter(attention=full, linear=layers - full)
    sliding = _sliding_layers(fields, layers)
    return Counter(attention=layers - sliding, sliding=sliding)


def _sliding_layers(fields: Fields, layers: int) -> int:
    pattern = fields.items("hybrid_layer_pattern")
    if pattern:
        return min(layers, sum(1 for kind in pattern if kind == 1))
    if fields.has("sliding_layers"):
        return min(layers, fields.count("sliding_layers", least=0))
    kind = fields.word("model_type")
    if fields.has("attention_chunk_size") and kind.startswith("llama4"):
        return layers - layers // LLAMA4_PATTERN
    if not fields.has("sliding_window") or not fields.flag("use_sliding_window", True):
        return 0
    if kind.startswith("gemma2"):
        return (layers + 1) // 2
    if kind.startswith("gemma3"):
        return layers - layers // fields.count("sliding_window_pattern", GEMMA3_PATTERN)
    if kind.startswith("deepseek"):
        return 0
    return layers


def _feed_forwards(fields: Fields, layers: int) -> FeedForwards:
    if not fields.has("num_experts") or fields.count("num_experts", least=0) == 0:
        return Counter(dense=layers)
    step = fields.count("interleave_moe_layer_step", 1, least=0)
    if step > 1:
        moe = layers // step
    elif fields.items("mlp_only_layers"):
        moe = layers - len(
            {item for item in fields.items("mlp_only_layers") if item in range(layers)}
        )
    elif fields.items("moe_layer_freq"):
        moe = sum(1 for item in fields.items("moe_layer_freq")[:layers] if item == 1)
    else:
        every = fields.count("decoder_sparse_step", 1)
        moe = (layers - min(layers, _dense_first(fields))) // every
    return Counter(dense=layers - moe, moe=moe)


def _dense_first(fields: Fields) -> int:
    default = 1 if fields.word("model_type") == "mimo_v2_flash" else 0
    return fields.count("first_k_dense_replace", default, least=0)
