"""What serving engines do differently: chunk sizes, sequence limits, memory rules, names."""

from __future__ import annotations

from dataclasses import dataclass

from compute.throughput.dtypes import GGUF_ENGINES
from compute.throughput.hardware import Device


@dataclass(frozen=True)
class Engine:
    """``prompt_chunk``: prompt tokens of one pass. ``most_running``: sequences it runs at once.

    ``memory_share``: part of the GPU it takes; ``cache_share``: part of what is left for the cache.
    ``reserved_output``: part of the output length it sets cache aside for when it admits a request.
    ``context_gib``: CUDA context, communicators and graphs, taken out of its share or (SGLang,
    whose share means weights and cache alone) from the rest. ``mixes``: prompt tokens ride in
    decode steps (in-flight batching, chunked prefill) instead of passes of their own.
    ``frees_window``: layers with a window give back the cache of tokens that left it.
    """

    name: str
    group: str
    prompt_chunk: int
    most_running: int
    memory_share: float
    cache_share: float
    reserved_output: float
    context_gib: float
    mixes: bool = True
    frees_window: bool = True


# Defaults of each engine's own documentation for a server; research versions differ.
ENGINES = {
    item.name: item
    for item in (
        Engine("vllm", "vllm", 8192, 1024, 0.90, 1.0, 0.6, 0.6),
        Engine("sglang", "sglang", 8192, 2048, 0.92, 1.0, 0.6, 0.0, mixes=False),
        Engine("tensorrt-llm", "tensorrt-llm", 8192, 2048, 1.0, 0.90, 1.0, 0.6, frees_window=False),
        Engine(
            "lmdeploy", "lmdeploy", 8192, 256, 1.0, 0.80, 0.6, 0.6, mixes=False, frees_window=False
        ),
        Engine("atom", "atom", 16384, 512, 0.90, 1.0, 0.6, 0.6, mixes=False),
        Engine("deepspeed", "vllm", 8192, 256, 0.90, 1.0, 1.0, 0.6, frees_window=False),
        Engine("llama.cpp", "llama.cpp", 512, 256, 1.0, 1.0, 1.0, 0.3),
        Engine("ollama", "llama.cpp", 512, 256, 1.0, 1.0, 1.0, 0.3),
        Engine("exllamav2", "exllamav2", 2048, 256, 1.0, 1.0, 1.0, 0.4, frees_window=False),
        Engine("gpt-fast", "gpt-fast", 8192, 1, 1.0, 1.0, 1.0, 0.6, frees_window=False),
    )
}


def pick_engine(wanted: str, weight_dtype: str, device: Device) -> Engine:
    """The engine asked for; auto = what people run on that GPU with that weight format."""
    if wanted in ENGINES:
        return ENGINES[wanted]
    name = weight_dtype.strip().lower()
    if name.startswith(("q2", "q3", "q4", "q5", "q6", "q8", "iq")):
        return ENGINES["llama.cpp"]
    if name.startswith("exl2"):
        return ENGINES["exllamav2"]
    if device.kind == "unified" or device.vendor == "Apple":
        return ENGINES["llama.cpp"]
    return ENGINES["vllm"]


def reads_gguf(engine: Engine) -> bool:
    """Whether the engine is llama.cpp or runs it."""
    return engine.name in GGUF_ENGINES
