"""Feed-forward layers: dense, or routed experts with what every token passes besides them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from compute.throughput.fields import Fields, bad_field

UNGATED = (
    "falcon",
    "gpt_neox",
    "gptneoxmlp",
    "phi",
    "gpt2",
    "opt",
    "bloom",
    "starcoder2",
    "gptj",
    "nemotron",
    "nemotron_h",
    "gpt_bigcode",
    "mpt",
)


@dataclass(frozen=True)
class FeedForward:
    """``layers`` alike. ``params``: weights every token passes; experts are counted each."""

    layers: int
    params: int
    experts: int
    top_k: int
    expert_params: int


def feed_forwards(fields: Fields, plan: Counter[str]) -> tuple[FeedForward, ...]:
    """The dense and the routed feed-forwards of a layer plan."""
    found = []
    if plan["dense"]:
        found.append(FeedForward(plan["dense"], _dense(fields, plan["moe"] > 0), 0, 0, 0))
    if plan["moe"]:
        found.append(_routed(fields, plan["moe"]))
    return tuple(found)


def _matrices(fields: Fields) -> int:
    """3 (gate, up, down) or 2 (up, down)."""
    kind = fields.word("model_type")
    return 3 if fields.flag("mlp_gated", kind not in UNGATED) else 2


def _dense(fields: Fields, beside_experts: bool) -> int:
    hidden = fields.count("hidden_size")
    if fields.has("intermediate_size_mlp") and beside_experts:
        return 3 * hidden * fields.count("intermediate_size_mlp")
    return _matrices(fields) * hidden * _dense_width(fields)


def _dense_width(fields: Fields) -> int:
    kind = fields.word("model_type")
    if fields.flag("block_auto_adjust_ff_dim", False):
        width = 2 * fields.count("intermediate_size") // 3
        unit = fields.count("block_multiple_of", 256)
        return -(-width // unit) * unit
    default = 4 * fields.count("hidden_size") if kind in UNGATED else None
    if kind == "nemotron-nas":
        default = 3 * fields.count("hidden_size")
    return fields.count("intermediate_size", default)


def _routed(fields: Fields, layers: int) -> FeedForward:
    hidden, matrices = fields.count("hidden_size"), _matrices(fields)
    experts, top_k = fields.count("num_experts"), fields.count("num_experts_per_tok")
    if top_k > experts:
        raise bad_field("num_experts_per_tok", top_k, f"at most num_experts, {experts}")
    width = fields.count("moe_intermediate_size", fields.count("intermediate_size", 0, least=0))
    if width == 0:
        raise bad_field("moe_intermediate_size", None, "a whole number of at least 1")
    latent = fields.count("moe_latent_size", hidden)
    around = 2 * hidden * latent if latent != hidden else 0
    always = hidden * experts + around + matrices * hidden * _shared_width(fields, width)
    if fields.word("model_type").startswith("gemma4"):
        always += matrices * hidden * fields.count("intermediate_size")
    return FeedForward(layers, always, experts, top_k, matrices * latent * width)


def _shared_width(fields: Fields, width: int) -> int:
    if fields.has("shared_expert_intermediate_size"):
        return fields.count("shared_expert_intermediate_size", least=0)
    if fields.word("model_type").startswith("llama4"):
        return width
    return width * fields.count("n_shared_experts", 0, least=0)
