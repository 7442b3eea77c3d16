"""Shapes by name: the suites of an operator, and the shapes that a real model gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from compute.bench.index import Dims, Listed
from compute.inputs import shown
from compute.tool import Refused
from content.models import Model, ModelCatalogue, load_models

SUITES = ("smoke", "models", "sweep")
EXPLAIN = "explain"
PHASES = ("decode", "prefill")
# Sequences that decode at once, and tokens of a prompt (or of a chunk of one).
TOKENS = {"decode": (1, 16, 64, 256), "prefill": (2048, 8192)}
CONTEXT = 4096  # tokens behind each decoding sequence
GROUP = 128  # weights that share a scale, as AWQ and GPTQ checkpoints have it
OFFERED = (
    "meta-llama/Llama-3.1-8B",
    "meta-llama/Llama-3.1-70B",
    "Qwen/Qwen3-8B",
    "Qwen/Qwen3-30B-A3B",
    "openai/gpt-oss-120b",
    "deepseek-ai/DeepSeek-V3",
)
MOST = 25


@cache
def models() -> ModelCatalogue:
    """The catalogue, read once."""
    return load_models()


def preset_shapes(text: str, op: Listed) -> list[Dims]:
    """The shapes of a preset. Raises ``Refused`` for an unknown one, and for a model that has no
    such operator.
    """
    name = text.strip().lower()
    own = {**op.suites, **op.presets}
    if name in own:
        return list(own[name])
    words = name.split()
    phases = [word for word in words if word in PHASES]
    model = models().find(" ".join(word for word in words if word not in PHASES))
    if model is None:
        raise _unknown(text, own)
    found = [dims for phase in phases or PHASES for dims in model_shapes(op, model, phase)]
    if not found:
        raise Refused(
            f"{model.name} has no {op.name} whose sizes are known: try another preset.",
            field="preset",
            given=shown(text),
            example="models",
        )
    return found


def model_shapes(op: Listed, model: Model, phase: str) -> list[Dims]:
    """What ``model`` asks of ``op`` while it decodes or reads a prompt; empty if it has none."""
    made: list[Dims] = []
    for tokens in TOKENS[phase]:
        for sizes in _sizes(op.name, model.config, tokens, phase):
            dims = {name: sizes.get(name, 1) for name in op.dims}
            if dims not in made and set(sizes) >= set(op.dims) - {"causal"}:
                made.append(dims)
    return made


def _sizes(
    op: str, config: Mapping[str, Any], tokens: int, phase: str
) -> Sequence[Mapping[str, int]]:
    """Dimensions of ``op`` for ``tokens`` tokens (sequences while decoding), by how a transformer
    uses it. Norms run on hidden states, the gate on the feed-forward part, softmax and loss on the
    vocabulary.
    """
    hidden, vocab = config["hidden_size"], config["vocab_size"]
    experts, chosen = config.get("num_experts"), config.get("num_experts_per_tok")
    inner = config.get("moe_intermediate_size") or config.get("intermediate_size")
    heads = config.get("num_attention_heads")
    kv_heads = config.get("num_key_value_heads") or heads
    width = config.get("head_dim") or (hidden // heads if heads else None)
    matter = {"M": tokens}
    match op:
        case "rms_norm" | "fused_add_rms_norm" | "layer_norm" | "quantize_int8":
            return [{**matter, "N": hidden}]
        case "softmax" | "cross_entropy":
            return [{**matter, "N": vocab}]
        case "copy" | "vector_add":
            return [{"N": tokens * hidden}]
    if op in ("silu_and_mul", "gelu_tanh_and_mul") and inner:
        return [{**matter, "N": inner}]
    if op in ("gemm", "scaled_mm", "int4_linear") and inner:
        group = (
            {"G": GROUP} if op == "int4_linear" and not (hidden % GROUP or inner % GROUP) else {}
        )
        up, down = {"N": inner, "K": hidden}, {"N": hidden, "K": inner}
        return [{**matter, **sizes, **group} for sizes in (up, down)]
    if op == "topk_softmax" and experts and chosen:
        return [{**matter, "N": experts, "K": chosen}]
    if op == "grouped_gemm" and experts and chosen and inner:
        rows = tokens * chosen
        return [{"T": rows, "N": inner, "K": hidden, "G": experts, "G_used": min(experts, rows)}]
    if not heads or not kv_heads or not width or _is_latent(config):
        return []
    return _attention(op, heads, kv_heads, width, tokens, phase)


def _attention(
    op: str, heads: int, kv_heads: int, width: int, tokens: int, phase: str
) -> Sequence[Mapping[str, int]]:
    if op == "rope":
        return [{"T": tokens, "HQ": heads, "HK": kv_heads, "D": width}]
    if op == "attention" and phase == "prefill":
        shape = {"B": 1, "H": heads, "HK": kv_heads, "D": width, "causal": 1}
        return [{**shape, "SQ": tokens, "SK": tokens}]
    if op == "paged_decode_attention" and phase == "decode":
        shape = {"B": tokens, "H": heads, "HK": kv_heads, "D": width}
        return [{**shape, "TOK": tokens * CONTEXT}]
    return []


def _is_latent(config: Mapping[str, Any]) -> bool:
    """Multi-head latent attention has other heads than its config's counts say."""
    return "kv_lora_rank" in config or str(config.get("model_type", "")).startswith("deepseek_v")


def suggest_presets(text: str) -> list[tuple[str, str]]:
    """(label, value): suites, then offered models and their phases, then any model of the list."""
    typed = text.strip().lower()
    names = [*SUITES, EXPLAIN]
    short = [name.rpartition("/")[2].lower() for name in OFFERED]
    names += [f"{name} {phase}" for name in short for phase in PHASES]
    found = [(name, name) for name in names if typed in name]
    if typed:
        found += [pair for pair in models().suggest(text) if pair[1] not in names]
    return found[:MOST]


def _unknown(text: str, own: Mapping[str, object]) -> Refused:
    near = tuple(model.name.lower() for model in models().nearest(text))
    return Refused(
        f"I don't know that preset: a model, {', '.join(own)} or {EXPLAIN}.",
        field="preset",
        given=shown(text),
        nearest=near,
        example="llama-3.1-8b decode",
    )
