"""Reading a config.json that may come from anyone: one flat view, whole numbers within bounds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compute.tool import Refused

NESTED = ("text_config", "llm_config", "language_config", "thinker_config")
MOST = 10**7
MOST_LAYERS = 2000
MOST_WORD = 100  # characters of a name or text
MOST_KEPT_BYTES = 64 * 1024  # the catalogue's largest record is under 2 kB
NESTING = 4
ALIASES: dict[str, tuple[str, ...]] = {
    "num_hidden_layers": ("n_layer", "num_layers", "n_layers"),
    "hidden_size": ("n_embd", "d_model", "dim"),
    "num_attention_heads": ("n_head", "num_heads", "n_heads"),
    "num_key_value_heads": ("num_kv_heads", "n_head_kv", "n_kv_heads"),
    "intermediate_size": ("ffn_hidden_size", "n_inner", "ffn_dim"),
    "num_experts": ("num_local_experts", "n_routed_experts", "moe_num_experts"),
    "num_experts_per_tok": (
        "experts_per_token",
        "moe_topk",
        "moe_top_k",
        "top_k_experts",
        "moe_k",
    ),
    "moe_intermediate_size": ("expert_intermediate_size", "moe_ffn_hidden_size"),
    "shared_expert_intermediate_size": ("moe_shared_expert_intermediate_size",),
    "n_shared_experts": ("num_shared_experts", "moe_num_shared_experts"),
    "first_k_dense_replace": ("num_dense_layers",),
    "mamba_num_heads": ("mamba_n_heads",),
    "mamba_head_dim": ("mamba_d_head",),
    "ssm_state_size": ("mamba_d_state", "mamba_state_dim"),
    "conv_kernel": ("mamba_d_conv",),
    "n_groups": ("mamba_n_groups",),
    "moe_latent_size": ("moe_latent_dim",),
}


@dataclass(frozen=True)
class Fields:
    """The language model's fields of one config.json, asked for by their usual names."""

    values: Mapping[str, Any]

    def has(self, name: str) -> bool:
        """Whether the field (or an alias of it) is there and not null."""
        return self.raw(name) is not None

    def raw(self, name: str) -> Any:
        """The field as it stands in the file, or None."""
        for key in (name, *ALIASES.get(name, ())):
            value = self.values.get(key)
            if value is not None:
                return value
        return None

    def count(self, name: str, default: int | None = None, least: int = 1) -> int:
        """A whole number from ``least`` to 10 million. Raises ``Refused`` where it is not."""
        value = self.raw(name)
        if value is None and default is not None:
            return default
        if isinstance(value, list) and value and name == "intermediate_size":
            value = max((item for item in value if isinstance(item, int)), default=None)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST:
            raise bad_field(name, value, f"a whole number from {least} to {MOST:,}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.raw(name)
        return value if isinstance(value, bool) else default

    def word(self, name: str) -> str:
        """A text, in lower case; empty where it is missing or no text."""
        value = self.raw(name)
        return value.lower()[:100] if isinstance(value, str) else ""

    def items(self, name: str) -> list[Any]:
        """A list of at most ``MOST_LAYERS`` entries, or an empty one."""
        value = self.raw(name)
        return value[:MOST_LAYERS] if isinstance(value, list) else []

    def group(self, name: str) -> Fields:
        """A nested object's fields (empty where it is missing)."""
        value = self.raw(name)
        return Fields(value if isinstance(value, Mapping) else {})


def pruned(config: Mapping[str, Any]) -> dict[str, Any]:
    """What an estimate may read of a config.json: some are 250 kB of names of modules.

    Raises ``ValueError`` where more than ``MOST_KEPT_BYTES`` are left.
    """
    kept = {str(key)[:MOST_WORD]: _pruned(value, NESTING) for key, value in config.items() if key}
    size = len(json.dumps(kept))
    if size > MOST_KEPT_BYTES:
        raise ValueError(f"at most {MOST_KEPT_BYTES // 1024} KiB of settings (this has {size:,})")
    return kept


def _pruned(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value[:MOST_WORD]
    if isinstance(value, Mapping):
        inner = value.items() if depth else ()
        return {str(key)[:MOST_WORD]: _pruned(item, depth - 1) for key, item in inner}
    if isinstance(value, list):
        plain = [item for item in value if not isinstance(item, Mapping | list)]
        return [_pruned(item, 0) for item in plain[:MOST_LAYERS]]
    return value


def bad_field(name: str, value: Any, allowed: str) -> Refused:
    """The refusal for a config field that cannot be used."""
    found = "missing" if value is None else repr(value)[:60]
    return Refused(
        f"The model's config.json can't be used: {name} is {found}; it must be {allowed}.",
        field="model",
        given=found,
        example="meta-llama/Llama-3.1-8B",
    )


def read_fields(config: Mapping[str, Any]) -> Fields:
    """The language model's part of a config.json, with what only its top level says."""
    inner: Mapping[str, Any] = config
    for _ in range(3):
        nested = next((inner[key] for key in NESTED if isinstance(inner.get(key), Mapping)), None)
        if nested is None:
            break
        inner = nested
    top = {key: value for key, value in config.items() if key not in NESTED}
    merged = {**top, **{key: value for key, value in inner.items() if value is not None}}
    return Fields(merged)
