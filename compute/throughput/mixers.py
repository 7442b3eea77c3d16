"""Token mixers: attention in its kinds, linear attention, state space, short convolution."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from compute.throughput.fields import Fields

STATE_BYTES = 4  # engines keep recurrent state in fp32


@dataclass(frozen=True)
class Mixer:
    """``layers`` alike; all figures are per layer.

    ``kv_elements``: cached values per token. ``index_elements``: cached keys of a sparse indexer.
    ``latent``: the cache is one vector for all heads, so tensor parallelism cannot split it.
    ``window``: tokens kept and read (0 = all); ``top_k``: tokens read (0 = all).
    ``decode_flops``, ``prefill_flops``: per query token and context token.
    ``state_elements``: constant state per sequence. ``state_flops``: per token.
    """

    kind: str
    layers: int
    params: int
    kv_heads: int = 0
    kv_elements: float = 0.0
    index_elements: float = 0.0
    latent: bool = False
    window: int = 0
    top_k: int = 0
    decode_flops: float = 0.0
    prefill_flops: float = 0.0
    index_flops: float = 0.0
    state_elements: int = 0
    state_flops: int = 0


def mixers(fields: Fields, plan: Counter[str]) -> tuple[Mixer, ...]:
    """One ``Mixer`` for each kind of layer in a plan."""
    found: list[Mixer] = []
    for kind, layers in plan.items():
        if layers == 0:
            continue
        if kind == "attention" or kind == "sliding":
            found.extend(_attention(fields, kind, layers))
        elif kind == "linear":
            found.append(_linear(fields, layers))
        elif kind == "mamba":
            found.append(_mamba(fields, layers))
        else:
            found.append(_conv(fields, layers))
    return tuple(found)


def _attention(fields: Fields, kind: str, layers: int) -> list[Mixer]:
    latent = _latent_fields(fields)
    if latent is not None:
        return [_mla(fields, latent, layers)]
    if fields.word("model_type") in ("deepseek_v4", "deepseek_ref"):
        return _compressed(fields, layers)
    return [_grouped_query(fields, kind, layers)]


def _latent_fields(fields: Fields) -> Fields | None:
    nested = fields.group("mla")
    if nested.has("kv_lora_rank"):
        return nested
    return fields if fields.has("kv_lora_rank") else None


def _grouped_query(fields: Fields, kind: str, layers: int) -> Mixer:
    hidden, heads = fields.count("hidden_size"), fields.count("num_attention_heads")
    kv_heads = fields.count("num_key_value_heads", _kv_default(fields, heads))
    size = fields.count("head_dim", max(1, hidden // heads))
    full = kind == "attention"
    if full and fields.has("global_head_dim"):
        size = fields.count("global_head_dim")
        kv_heads = fields.count("num_global_key_value_heads", kv_heads)
    value_size = fields.count("v_head_dim", size)
    shared = full and fields.flag("attention_k_eq_v", False)
    gate = 2 if fields.flag("attn_output_gate", False) else 1
    params = hidden * heads * (gate * size + value_size)
    params += hidden * kv_heads * (size if shared else size + value_size)
    work = 2.0 * heads * (size + value_size)
    return Mixer(
        kind=kind,
        layers=layers,
        params=params,
        kv_heads=kv_heads,
        kv_elements=float(kv_heads * (size + value_size)),
        window=0 if full else _window(fields),
        decode_flops=work,
        prefill_flops=work,
    )


def _kv_default(fields: Fields, heads: int) -> int:
    return 1 if fields.flag("multi_query", False) else heads


def _window(fields: Fields) -> int:
    if fields.word("model_type").startswith("llama4"):
        return fields.count("attention_chunk_size", 8192)
    return fields.count("sliding_window", fields.count("attention_chunk_size", 4096))


def _mla(fields: Fields, latent: Fields, layers: int) -> Mixer:
    hidden, heads = fields.count("hidden_size"), fields.count("num_attention_heads")
    kv_rank, rope = latent.count("kv_lora_rank"), latent.count("qk_rope_head_dim", least=0)
    nope, value = latent.count("qk_nope_head_dim"), latent.count("v_head_dim")
    q_rank = latent.count("q_lora_rank", 0, least=0)
    query = heads * (nope + rope)
    params = q_rank * (hidden + query) if q_rank else hidden * query
    params += hidden * (kv_rank + rope) + kv_rank * heads * (nope + value) + heads * value * hidden
    index = _index(fields)
    params += (q_rank or hidden) * index.heads * index.size + hidden * (index.size + index.heads)
    return Mixer(
        kind="mla",
        layers=layers,
        params=params,
        kv_heads=1,
        kv_elements=float(kv_rank + rope),
        index_elements=float(index.size),
        latent=True,
        top_k=index.top_k,
        decode_flops=2.0 * heads * (2 * kv_rank + rope),
        prefill_flops=2.0 * heads * (nope + rope + value),
        index_flops=2.0 * index.heads * index.size,
    )


@dataclass(frozen=True)
class _Index:
    top_k: int
    heads: int
    size: int


def _index(fields: Fields) -> _Index:
    """The indexer of DeepSeek's sparse attention; all zero where the model has none."""
    if not fields.has("index_topk"):
        return _Index(0, 0, 0)
    heads, size = fields.count("index_n_heads", 64), fields.count("index_head_dim", 128)
    return _Index(fields.count("index_topk"), heads, size)


def _compressed(fields: Fields, layers: int) -> list[Mixer]:
    """DeepSeek-V4: one shared latent a token, kept 1 in 4 and 1 in 128 by turns of layers."""
    hidden, heads = fields.count("hidden_size"), fields.count("num_attention_heads")
    size, index = fields.count("head_dim"), _index(fields)
    q_rank = fields.count("q_lora_rank", max(1, hidden // 4))
    o_rank, groups = fields.count("o_lora_rank", q_rank), fields.count("o_groups", 8)
    params = q_rank * (hidden + heads * size) + hidden * size
    params += o_rank * (heads * size + groups * hidden)
    work = 4.0 * heads * size
    made = []
    for kept, number in ((4, (layers + 1) // 2), (128, layers // 2)):
        sparse = kept == 4
        own = params + (q_rank * index.heads * index.size if sparse else 0)
        made.append(
            Mixer(
                kind="mla",
                layers=number,
                params=own,
                kv_heads=1,
                kv_elements=size / kept,
                index_elements=index.size / kept if sparse else 0.0,
                latent=True,
                top_k=index.top_k * kept if sparse else 0,
                decode_flops=work / kept,
                prefill_flops=work / kept,
                index_flops=2.0 * index.heads * index.size / kept if sparse else 0.0,
            )
        )
    return [mixer for mixer in made if mixer.layers]


def _linear(fields: Fields, layers: int) -> Mixer:
    """Gated delta rule (Qwen3-Next and later): one matrix of state per value head."""
    hidden = fields.count("hidden_size")
    k_heads = fields.count("linear_num_key_heads", fields.count("num_attention_heads"))
    v_heads = fields.count("linear_num_value_heads", k_heads)
    k_size = fields.count("linear_key_head_dim", 128)
    v_size = fields.count("linear_value_head_dim", 128)
    keys, values = k_heads * k_size, v_heads * v_size
    conv = fields.count("linear_conv_kernel_dim", 4) * (2 * keys + values)
    params = hidden * (2 * keys + 2 * values + 2 * v_heads) + conv + values * hidden
    state = v_heads * k_size * v_size
    return Mixer("linear", layers, params, state_elements=state, state_flops=8 * state)


def _mamba(fields: Fields, layers: int) -> Mixer:
    """Mamba-2: one state matrix per head."""
    hidden = fields.count("hidden_size")
    heads, size = fields.count("mamba_num_heads"), fields.count("mamba_head_dim", 64)
    states, groups = fields.count("ssm_state_size", 128), fields.count("n_groups", 1)
    inner = heads * size
    conv = fields.count("conv_kernel", 4) * (inner + 2 * groups * states)
    params = hidden * (2 * inner + 2 * groups * states + heads) + conv + inner * hidden
    state = inner * states
    return Mixer("mamba", layers, params, state_elements=state, state_flops=6 * state)


def _conv(fields: Fields, layers: int) -> Mixer:
    """A gated short convolution (LFM2)."""
    hidden = fields.count("hidden_size")
    kernel = fields.count("conv_L_cache", 3)
    params = 4 * hidden * hidden + kernel * hidden
    return Mixer("conv", layers, params, state_elements=kernel * hidden, state_flops=2 * kernel)
