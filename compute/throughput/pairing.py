"""What goes together: engines run on some makers' GPUs and read some weight formats."""

from __future__ import annotations

from compute.throughput.dtypes import GGUF_ENGINES, WeightDtype
from compute.throughput.engines import Engine
from compute.throughput.hardware import Device
from compute.tool import Refused

# An engine that is not here runs on several makers' GPUs, or is being ported to them.
MAKERS = {
    "tensorrt-llm": ("NVIDIA",),
    "atom": ("AMD",),
    "exllamav2": ("NVIDIA", "AMD"),
    "lmdeploy": ("NVIDIA",),
    "gpt-fast": ("NVIDIA", "AMD"),
    "llama.cpp": ("NVIDIA", "AMD", "Intel", "Apple"),
    "ollama": ("NVIDIA", "AMD", "Apple"),
}
UNKNOWN_MAKER = "unknown"  # a GPU given by numbers
# Families that an engine has no reader for: their documentation of formats, 2026-11.
UNREAD = {
    "llama.cpp": ("fp8", "int8", "int4", "exl2"),
    "ollama": ("fp8", "int8", "int4", "exl2"),
    "exllamav2": ("fp8", "fp4", "gguf"),
    "tensorrt-llm": ("gguf", "exl2"),
    "gpt-fast": ("gguf", "exl2", "fp4"),
    "vllm": ("exl2",),  # both read GGUF files, experimentally
    "sglang": ("exl2",),
}
ELSEWHERE = ("gguf", "exl2")
READ_BY_OTHERS = ("bf16", "fp8", "int4")


def check_pairing(engine: Engine, weights: WeightDtype, device: Device) -> None:
    """Raises ``Refused`` where such an engine does not exist for the GPU or the format."""
    makers = MAKERS.get(engine.name, ())
    if makers and device.vendor not in (UNKNOWN_MAKER, *makers):
        named = " or ".join((", ".join(makers[:-1]), makers[-1])) if makers[1:] else makers[0]
        raise Refused(
            f"{engine.name} runs on GPUs of {named}; {device.name} is one of {device.vendor}.",
            field="engine",
            given=engine.name,
            nearest=("auto",),
            example="auto",
        )
    if weights.family in UNREAD.get(engine.name, ELSEWHERE):
        nearest = _read_by(engine)
        raise Refused(
            f"{engine.name} does not read {weights.name} weights.",
            field="weight_dtype",
            given=weights.name,
            nearest=nearest,
            example=nearest[0],
        )


def pairing_note(engine: Engine, device: Device) -> str:
    """What to know of a pair that exists but is unusual; empty where it is not."""
    if device.vendor != "Apple" or engine.name in MAKERS:
        return ""
    if engine.name == "vllm":
        return (
            "On Apple GPUs vLLM runs through the vLLM-Metal plug-in; nothing measured here used it."
        )
    return f"{engine.name} is not made for Apple GPUs: llama.cpp or vLLM-Metal is the usual choice."


def _read_by(engine: Engine) -> tuple[str, ...]:
    if engine.name in GGUF_ENGINES:
        return ("q8_0", "q4_k_m", "bf16")
    return ("exl2-4.0", "int4", "bf16") if engine.name == "exllamav2" else READ_BY_OTHERS
