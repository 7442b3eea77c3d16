"""What a GPU and an engine achieve: seconds per byte and FLOP by operator, link and fixed time."""

from __future__ import annotations

from dataclasses import dataclass

from compute.throughput.dtypes import WeightDtype
from compute.throughput.engines import Engine, reads_gguf
from compute.throughput.hardware import Device
from compute.throughput.model import ModelSpec
from compute.throughput.operators import ACTIVATION_BYTES, Operator
from compute.throughput.parallel import NODE, Layout
from compute.throughput.parameters import Parameters

US = 1e-6
NODE_LINK_GBS = 50.0  # 400 Gb/s of network per GPU between nodes
RACK_SCALE = ("GB200", "GB300")  # 72 GPUs on one NVLink fabric
HOST_LINK_GBS = 8.0  # GPUs without a link of their own talk through the host
WEIGHT_KINDS = ("weights", "experts", "head")
LOCAL_ENGINES = ("llama.cpp", "exllamav2")


@dataclass(frozen=True)
class Line:
    """An operator with what one of its bytes and one of its FLOPs cost on this GPU."""

    operator: Operator
    s_per_byte: float
    s_per_flop: float


@dataclass(frozen=True)
class Speculation:
    """A pass checks ``drafted`` tokens of each sequence and keeps ``accepted`` of them on average.

    ``draft``: what drafts them, a pass for each; None where that costs the GPU nothing.
    """

    drafted: int
    accepted: float
    draft: Rates | None


@dataclass(frozen=True)
class Rates:
    """Everything that turns work into time for one deployment."""

    layout: Layout
    engine: Engine
    lines: tuple[Line, ...]
    sharpness: float
    imbalance: float
    expert_pad: float
    allreduces: int
    allreduce_latency_s: float
    allreduce_s_per_token: float
    handover_s_per_token: float
    step_s: float
    sequence_s: float
    eager_s: float
    speculation: Speculation | None = None


def build_rates(
    found: tuple[Operator, ...],
    model: ModelSpec,
    device: Device,
    layout: Layout,
    engine: Engine,
    weights: WeightDtype,
    p: Parameters,
) -> Rates:
    """The rates of a deployment under the calibrated parameters."""
    across = layout.tp > NODE and not device.key.startswith(RACK_SCALE)
    nominal = min(device.link_gbs, NODE_LINK_GBS) if across else device.link_gbs
    fast = device.fast_link and not across
    reached = p["link.fraction"] if fast else p["link.slow_fraction"]
    link = max(nominal, HOST_LINK_GBS) * 1e9 * reached
    per_token = model.hidden * ACTIVATION_BYTES / link
    latency = p["link.latency_us"] if fast else p["link.slow_latency_us"]
    mixing = sum(mixer.layers for mixer in model.mixers)
    feeding = sum(ffn.layers for ffn in model.feed_forwards)
    return Rates(
        layout=layout,
        engine=engine,
        lines=tuple(_line(item, device, engine, weights, p) for item in found),
        sharpness=p["roofline.sharpness"],
        imbalance=p["link.expert_imbalance"] if layout.ep > 1 else 1.0,
        expert_pad=p["compute.expert_pad"],
        allreduces=mixing + feeding,
        allreduce_latency_s=latency * US * _amd(device, p, "link.amd"),
        allreduce_s_per_token=per_token * _exchanged(model, layout),
        handover_s_per_token=per_token,
        step_s=_step_seconds(model, device, engine, p),
        sequence_s=p["overhead.sequence_us"] * US * p.get(f"overhead.{engine.group}_sequence", 1.0),
        eager_s=_eager_seconds(model, device, engine, p),
    )


def _exchanged(model: ModelSpec, layout: Layout) -> float:
    """Hidden vectors one GPU sends per token of the batch, in each of two exchanges a layer.

    A ring all-reduce sends 2(n-1)/n. With attention data parallel a GPU gathers and scatters
    half of that, or sends its own tokens to the experts they chose where that is less.
    """
    ring = 2.0 * (layout.tp - 1) / layout.tp
    if layout.attn_dp == 1:
        return ring
    chosen = max((ffn.top_k for ffn in model.feed_forwards), default=0)
    to_experts = chosen / layout.attn_dp if chosen and layout.ep > 1 else ring
    return min(ring / 2, to_experts)


def _amd(device: Device, p: Parameters, name: str) -> float:
    return p[name] if device.vendor == "AMD" else 1.0


def combine(memory_s: float, compute_s: float, sharpness: float) -> float:
    """A smooth maximum: never less than either, more where both press."""
    big, small = (memory_s, compute_s) if memory_s >= compute_s else (compute_s, memory_s)
    if small <= big * 0.01:
        return big
    return float(big * (1.0 + (small / big) ** sharpness) ** (1.0 / sharpness))


def _line(
    item: Operator, device: Device, engine: Engine, weights: WeightDtype, p: Parameters
) -> Line:
    reached = min(0.97, _bandwidth_share(item, device, engine, weights, p))
    done = min(0.97, _compute_share(item, device, engine, weights, p))
    rate = device.rates.get(item.compute, device.rates["fp16"])
    if engine.group in LOCAL_ENGINES and device.halves_fp32_accumulation:
        rate *= 2.0
    s_per_byte = 1.0 / (device.bandwidth_gbs * 1e9 * reached)
    if weights.bits < 16 and item.kind in WEIGHT_KINDS and reads_gguf(engine):
        unpack_s = p["compute.unpack"] / (device.unpack_tops * 1e12)
        s_per_byte = combine(s_per_byte, unpack_s * 8.0 / weights.bits, p["roofline.sharpness"])
    return Line(item, s_per_byte, 1.0 / (rate * 1e12 * done))


def _bandwidth_share(
    item: Operator, device: Device, engine: Engine, weights: WeightDtype, p: Parameters
) -> float:
    """Part of the nominal bandwidth an operator of this kind reaches."""
    share = p[f"bandwidth.{device.memory_kind}"]
    if device.memory_kind == "hbm":
        share *= _amd(device, p, "bandwidth.amd")
    if item.kind in WEIGHT_KINDS:
        share *= p.get(f"bandwidth.{_kernels(device, engine, weights)}", 1.0)
        if item.kind == "experts":
            share *= p["bandwidth.experts"]
        if engine.group in LOCAL_ENGINES and device.memory_kind == "hbm":
            share *= p["bandwidth.local_hbm"]
    elif item.kind == "cache":
        share *= p["bandwidth.cache_gguf" if reads_gguf(engine) else "bandwidth.cache"]
    elif item.kind == "latent cache":
        share *= p["bandwidth.latent_cache"]
    else:
        share *= p["bandwidth.state"]
    return share


def _kernels(device: Device, engine: Engine, weights: WeightDtype) -> str:
    """Whose kernels read the weights: fp4 without fp4 units is unpacked as other 4-bit formats."""
    unpacked = weights.family == "fp4" and "fp4" not in device.rates
    return "int4" if unpacked and not reads_gguf(engine) else weights.family


def _compute_share(
    item: Operator, device: Device, engine: Engine, weights: WeightDtype, p: Parameters
) -> float:
    """Part of the dense peak an operator of this kind reaches."""
    share = p.get(f"compute.{_generation(device)}", 1.0)
    if reads_gguf(engine):
        share *= p["compute.gguf"]
        if weights.family == "gguf":
            share *= p["compute.gguf_quantised"]
        if item.experts:
            share *= p["compute.gguf_experts"]
    else:
        share *= p[f"compute.{item.compute}"]
        if item.experts:
            share *= p["compute.experts"]
    if item.context_bytes or item.kind == "state":
        share *= p["compute.attention_gguf" if reads_gguf(engine) else "compute.attention"]
    return share


def _generation(device: Device) -> str:
    if device.vendor == "Apple":
        return "apple"
    if device.vendor == "AMD":
        return "cdna" if device.arch.startswith("CDNA") else "rdna"
    return device.arch.split()[0].lower()


def _step_seconds(model: ModelSpec, device: Device, engine: Engine, p: Parameters) -> float:
    """Launches, gaps between kernels, sampling: time of a decode step that no byte explains."""
    layers = 0.0
    for mixer in model.mixers:
        extra = p["overhead.latent_us"] if mixer.latent else 0.0
        extra += p["overhead.state_us"] if mixer.state_elements else 0.0
        layers += mixer.layers * (0.5 * p["overhead.layer_us"] + extra)
    for ffn in model.feed_forwards:
        extra = p["overhead.moe_us"] if ffn.experts else 0.0
        layers += ffn.layers * (0.5 * p["overhead.layer_us"] + extra)
    own = p.get(f"overhead.{engine.group}", 1.0) * _amd(device, p, "overhead.amd")
    return (layers + p["overhead.step_us"]) * own * US


def _eager_seconds(model: ModelSpec, device: Device, engine: Engine, p: Parameters) -> float:
    """Launching the kernels of a pass with prompt tokens, which runs without recorded graphs.

    The host launches them one by one, so the GPU does not matter; its maker's libraries do.
    """
    if reads_gguf(engine):
        return _step_seconds(model, device, engine, p) * p["overhead.prefill_gguf"]
    layers = 0.0
    for mixer in model.mixers:
        extra = p["overhead.eager_latent"] if mixer.latent else 0.0
        extra += 1.0 if mixer.state_elements else 0.0
        layers += mixer.layers * (0.5 + extra)
    for ffn in model.feed_forwards:
        layers += ffn.layers * (0.5 + (p["overhead.eager_moe"] if ffn.experts else 0.0))
    return layers * p["overhead.eager_layer_us"] * US * _amd(device, p, "overhead.eager_amd")
