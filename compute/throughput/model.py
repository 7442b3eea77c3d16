"""What an estimate needs to know of a model: parameters by module, cache and work per layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compute.throughput.feedforward import FeedForward, feed_forwards
from compute.throughput.fields import Fields, read_fields
from compute.throughput.layers import layer_plan
from compute.throughput.mixers import Mixer, mixers
from compute.tool import Refused

ENCODERS = (
    "bert",
    "roberta",
    "electra",
    "albert",
    "mpnet",
    "clip",
    "siglip",
    "vit",
    "whisper",
    "wav2vec2",
    "t5",
    "bart",
    "pegasus",
    "marian",
)
TIED_BY_DEFAULT = ("gemma", "falcon", "gpt2", "bloom", "opt", "cohere", "lfm2", "codegemma")
PLACEHOLDERS = ("LLaMAMLP", "LLaMAMoE", "GemmaMLP", "GptNeoxMLP")


@dataclass(frozen=True)
class ModelSpec:
    """A decoder-only model. Parameter counts are numbers of weights, not bytes."""

    id: str
    name: str
    hidden: int
    layers: int
    vocab: int
    mixers: tuple[Mixer, ...]
    feed_forwards: tuple[FeedForward, ...]
    embedding_params: int
    extra_embedding_params: int
    head_params: int
    tied: bool
    native_dtype: str
    max_context: int | None
    q_heads: int
    notes: tuple[str, ...]
    mtp_layers: int = 0

    @property
    def mixer_params(self) -> int:
        """Weights of all attention, linear and state-space layers."""
        return sum(mixer.layers * mixer.params for mixer in self.mixers)

    @property
    def expert_params(self) -> int:
        """Weights of all routed experts."""
        return sum(ffn.layers * ffn.experts * ffn.expert_params for ffn in self.feed_forwards)

    @property
    def dense_params(self) -> int:
        """Weights of dense feed-forwards, shared experts, routers and norms."""
        norms = 2 * self.hidden * self.layers
        return norms + sum(ffn.layers * ffn.params for ffn in self.feed_forwards)

    @property
    def total_params(self) -> int:
        """Every weight, tied embeddings once, multi-token-prediction layers left out."""
        return (
            self.mixer_params
            + self.expert_params
            + self.dense_params
            + self.embedding_params
            + self.extra_embedding_params
            + self.head_params
        )

    @property
    def active_params(self) -> int:
        """Weights one token passes through (of embeddings only the output head)."""
        routed = sum(ffn.layers * ffn.top_k * ffn.expert_params for ffn in self.feed_forwards)
        head = self.embedding_params if self.tied else self.head_params
        return self.mixer_params + self.dense_params + routed + head

    @property
    def is_moe(self) -> bool:
        """Whether any layer routes to experts."""
        return any(ffn.experts for ffn in self.feed_forwards)

    @property
    def is_mla(self) -> bool:
        """Whether attention keeps one compressed latent per token."""
        return any(mixer.latent for mixer in self.mixers)

    @property
    def is_hybrid(self) -> bool:
        """Whether some layers keep a constant state instead of a cache that grows."""
        return any(mixer.state_elements for mixer in self.mixers)

    @property
    def model_class(self) -> str:
        """dense, moe, moe-mla, hybrid-dense or hybrid-moe, as in the measurements."""
        if self.is_hybrid:
            return "hybrid-moe" if self.is_moe else "hybrid-dense"
        if self.is_moe:
            return "moe-mla" if self.is_mla else "moe"
        return "dense"


def build_model(model_id: str, config: Mapping[str, Any]) -> ModelSpec:
    """The spec of any Hugging Face config.json. Raises ``Refused`` with a sentence."""
    fields = read_fields(config)
    _refuse_other_kinds(model_id, fields)
    mixing, feeding = layer_plan(fields)
    hidden, vocab = fields.count("hidden_size"), fields.count("vocab_size")
    tied = fields.flag("tie_word_embeddings", _tied_by_default(fields))
    embedding = hidden * vocab
    return ModelSpec(
        id=model_id,
        name=model_id.rpartition("/")[2],
        hidden=hidden,
        layers=max(sum(mixing.values()), sum(feeding.values()), 1),
        vocab=vocab,
        mixers=mixers(fields, mixing),
        feed_forwards=feed_forwards(fields, feeding),
        embedding_params=embedding,
        extra_embedding_params=_per_layer_embeddings(fields),
        head_params=0 if tied else embedding,
        tied=tied,
        native_dtype=_native_dtype(model_id, fields),
        max_context=_max_context(fields),
        q_heads=fields.count("num_attention_heads"),
        notes=_notes(fields),
        mtp_layers=_mtp_layers(fields),
    )


def _refuse_other_kinds(model_id: str, fields: Fields) -> None:
    kind = fields.word("model_type").replace("-", "_")
    stem = kind.removesuffix("_text").removesuffix("_model")
    encoder = any(stem == name or stem.endswith(name) for name in ENCODERS)
    if encoder or fields.flag("is_encoder_decoder", False):
        raise Refused(
            f"{model_id[:100]} ({kind or 'encoder'}) is not a decoder-only language model: it does"
            " not generate token by token, so tokens per second mean something else there.",
            field="model",
            given=model_id[:100],
            example="meta-llama/Llama-3.1-8B",
        )


def _tied_by_default(fields: Fields) -> bool:
    kind = fields.word("model_type")
    return any(kind.startswith(name) for name in TIED_BY_DEFAULT)


def _per_layer_embeddings(fields: Fields) -> int:
    """Gemma-3n and later: a small embedding per layer, looked up and never multiplied."""
    width = fields.count("hidden_size_per_layer_input", 0, least=0)
    if not width:
        return 0
    vocab = fields.count("vocab_size_per_layer_input", fields.count("vocab_size"))
    return width * vocab * fields.count("num_hidden_layers")


def _native_dtype(model_id: str, fields: Fields) -> str:
    """The dtype of the published weights, from quantization_config or the repository's name."""
    quantisation = fields.group("quantization_config")
    method = fields.word("quant_method") or quantisation.word("quant_method")
    algorithm = quantisation.word("quant_algo") or quantisation.word("fmt")
    name = model_id.lower()
    if "nvfp4" in algorithm or "nvfp4" in name or (method == "modelopt" and "fp4" in name):
        return "nvfp4"
    if method == "mxfp4" or "mxfp4" in name:
        return "mxfp4"
    if method in ("fp8", "fbgemm_fp8") or "fp8" in algorithm or name.endswith("fp8"):
        return "fp8"
    if method in ("gptq", "awq", "bitsandbytes", "compressed-tensors", "auto-round"):
        bits = quantisation.raw("bits") or quantisation.raw("w_bit")
        return "int8" if bits == 8 or quantisation.flag("load_in_8bit", False) else "int4"
    return "fp8" if method == "modelopt" else "bf16"


def _max_context(fields: Fields) -> int | None:
    if not fields.has("max_position_embeddings"):
        return None
    value = fields.raw("max_position_embeddings")
    return value if isinstance(value, int) and value > 0 else None


def _mtp_layers(fields: Fields) -> int:
    """Layers for multi-token prediction, which are published beside the model's own."""
    own = fields.count("num_nextn_predict_layers", 0, least=0)
    return own or fields.count("mtp_num_hidden_layers", 0, least=0)


def _notes(fields: Fields) -> tuple[str, ...]:
    notes = []
    kind = fields.word("model_type")
    if kind == "nemotron-nas":
        notes.append("Its blocks differ layer by layer and the record lacks their sizes.")
    if kind == "kimi_linear":
        notes.append("The record lacks its linear layers; all are taken as full attention.")
    if kind in ("deepseek_v4", "deepseek_ref"):
        notes.append("Its compressed attention is approximated: cache 1/4 and 1/128 by turns.")
    return tuple(notes)
