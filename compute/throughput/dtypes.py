"""Number formats: bits a weight takes by module, and the format the multiplications run in."""

from __future__ import annotations

import re
from dataclasses import dataclass

from compute.throughput.hardware import Device
from compute.throughput.model import ModelSpec
from compute.tool import Refused

# llama.cpp's average bits per weight over a whole file, mixed tensors included
GGUF_BITS = {
    "q2_k": 3.0,
    "q3_k_s": 3.5,
    "q3_k_m": 3.95,
    "q3_k_l": 4.27,
    "iq4_xs": 4.3,
    "q4_0": 4.55,
    "q4_1": 5.0,
    "q4_k_s": 4.6,
    "q4_k_m": 4.85,
    "q5_0": 5.55,
    "q5_k_s": 5.55,
    "q5_k_m": 5.7,
    "q6_k": 6.57,
    "q8_0": 8.5,
}
# bits of a quantised weight with its scales; the second is the family
PLAIN_BITS = {
    "fp16": (16.0, "16-bit"),
    "bf16": (16.0, "16-bit"),
    "fp8": (8.0, "fp8"),
    "int8": (8.0, "int8"),
    "int4": (4.25, "int4"),
    "nvfp4": (4.5, "fp4"),
    "mxfp4": (4.25, "fp4"),
}
ALIASES = {
    "float16": "fp16",
    "half": "fp16",
    "bfloat16": "bf16",
    "e4m3": "fp8",
    "w8a8": "int8",
    "w4a16": "int4",
    "awq": "int4",
    "gptq": "int4",
    "fp4": "nvfp4",
    "q4": "q4_k_m",
    "q5": "q5_k_m",
    "q6": "q6_k",
    "q8": "q8_0",
    "q4_k": "q4_k_m",
    "q5_k": "q5_k_m",
    "exl2": "exl2-4.0",
}
KV_BITS = {"fp16": 16.0, "bf16": 16.0, "fp8": 8.0, "int8": 8.0, "q8_0": 8.5, "int4": 4.5}
KV_BITS |= {"q4_0": 4.5, "nvfp4": 4.5}
GGUF_ENGINES = ("llama.cpp", "ollama")
NO_BF16 = ("Volta", "Turing", "Pascal")
NO_INT8_MATRIX = ("Volta", "Pascal")


@dataclass(frozen=True)
class WeightDtype:
    """A weight format: bits of a quantised weight, and the family its kernels belong to."""

    name: str
    bits: float
    family: str


@dataclass(frozen=True)
class ModuleBits:
    """Bits per weight by module; formats quantise some modules and leave others alone."""

    mixer: float
    dense: float
    expert: float
    embedding: float


def weight_dtype(text: str, model: ModelSpec, device: Device, engine: str) -> WeightDtype:
    """The format ``text`` names; auto = the published weights'. Raises ``Refused``."""
    name = text.strip().lower()
    if name in ("", "auto"):
        name = _automatic(model, device, engine)
    return named_weights(name)


def named_weights(text: str) -> WeightDtype:
    """The format of that name. Raises ``Refused`` with the names there are."""
    name = text.strip().lower()
    name = ALIASES.get(name, name)
    if name in PLAIN_BITS:
        bits, family = PLAIN_BITS[name]
        return WeightDtype(name, bits, family)
    if name in GGUF_BITS:
        return WeightDtype(name, GGUF_BITS[name], "gguf")
    exl2 = re.fullmatch(r"exl2-(\d{1,2}(?:\.\d{1,2})?)", name)
    if exl2 and 2.0 <= float(exl2.group(1)) <= 8.0:
        return WeightDtype(name, float(exl2.group(1)), "exl2")
    raise Refused(
        "I don't know that weight format.",
        field="weight_dtype",
        given=text[:40],
        nearest=("fp8", "bf16", "int4", "nvfp4", "q4_k_m"),
        example="fp8",
    )


def _automatic(model: ModelSpec, device: Device, engine: str) -> str:
    if engine in GGUF_ENGINES and model.native_dtype != "mxfp4":
        return "q4_k_m"
    if engine == "exllamav2":
        return "exl2-4.0"
    if model.native_dtype == "bf16":
        return "fp16" if device.arch in NO_BF16 else "bf16"
    return model.native_dtype


def kv_bits(text: str, weights: WeightDtype, engine: str) -> tuple[str, float]:
    """Name and bits of a cached value. Raises ``Refused``.

    auto is 16-bit; TensorRT-LLM keeps the cache in fp8 for fp8 and fp4 checkpoints.
    """
    name = text.strip().lower()
    name = ALIASES.get(name, name)
    if name in ("", "auto"):
        name = "fp16"
        if engine == "tensorrt-llm" and weights.family in ("fp8", "fp4"):
            name = "fp8"
    if name not in KV_BITS:
        raise Refused(
            "I don't know that KV-cache format.",
            field="kv_dtype",
            given=text[:40],
            nearest=("auto", "fp16", "fp8", "int8"),
            example="fp8",
        )
    return name, KV_BITS[name]


def module_bits(weights: WeightDtype, model: ModelSpec, engine: str) -> ModuleBits:
    """Bits per weight by module: what each format leaves unquantised."""
    bits = weights.bits
    if weights.family == "gguf":
        return ModuleBits(bits, bits, bits, bits)
    if weights.family == "16-bit":
        return ModuleBits(16.0, 16.0, 16.0, 16.0)
    if weights.name == "mxfp4" and engine in GGUF_ENGINES:
        return ModuleBits(8.5, 8.5, bits, 8.5)
    if weights.name == "mxfp4" and model.is_moe and not model.is_mla:
        return ModuleBits(16.0, 16.0, bits, 16.0)
    if weights.family == "fp4" and model.is_mla:
        return ModuleBits(16.0, bits, bits, 16.0)
    if weights.family == "exl2":
        return ModuleBits(bits, bits, bits, 6.0)
    return ModuleBits(bits, bits, bits, 16.0)


def compute_dtype(weights: WeightDtype, device: Device, engine: str) -> str:
    """The format the matrix units run: fp16, int8, fp8 or fp4.

    Weight-only formats multiply in 16 bits; a GPU without a rate for a format falls back to it.
    """
    if weights.family == "fp8" and device.rates.get("fp8"):
        return "fp8"
    if weights.family == "fp4" and device.rates.get("fp4") and engine not in GGUF_ENGINES:
        return "fp4"
    weight_only = engine in ("gpt-fast", "exllamav2", "deepspeed")
    if weights.family == "int8" and device.rates.get("int8") and not weight_only:
        return "fp16" if device.arch in NO_INT8_MATRIX else "int8"
    return "fp16"
