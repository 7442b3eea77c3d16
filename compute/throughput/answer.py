"""What an estimate takes for granted, in sentences with their sources."""

from __future__ import annotations

from compute.throughput.estimate import Question
from compute.throughput.library import Library
from compute.throughput.result import Assumption


def assumptions_for(question: Question, library: Library) -> list[Assumption]:
    """The assumptions behind the first GPU's estimate."""
    deployment, load = question.deployment, question.load
    device, engine = deployment.device, deployment.engine
    rates = ", ".join(f"{name} {rate:,.0f}" for name, rate in device.rates.items())
    found = [
        Assumption(
            text=f"{device.name}: {device.bandwidth_gbs:,.0f} GB/s, dense TFLOP/s {rates},"
            f" link {device.link_gbs:,.0f} GB/s one way, {device.usable_gib:,.1f} GiB usable.",
            source=device.source,
        ),
        Assumption(
            text=f"{deployment.model.name}: {deployment.model.total_params / 1e9:,.2f} B weights,"
            f" {deployment.model.active_params / 1e9:,.2f} B used per token"
            f" ({deployment.model.model_class}).",
            source=_model_source(question, library),
        ),
        Assumption(
            text=f"{deployment.layout.text}; {engine.name}; weights {deployment.weights.name},"
            f" multiplied in {_sixteen(deployment.compute)}; cache {deployment.kv_name}.",
        ),
        Assumption(
            text=f"Steady state: {load.isl:,} tokens in, {load.osl:,} out, every finished request"
            f" replaced at once{_plainly(question)}."
        ),
        *_saved(question),
        Assumption(
            text="TPOT is the mean over a request's output tokens after the first; TTFT includes"
            " waiting for the running step and for prompts that came just before."
        ),
        Assumption(text=f"{_range_text(library)}", source="content/catalogue/measurements.csv"),
    ]
    if room := _room_text(question):
        found.append(Assumption(text=room))
    if deployment.model.is_moe:
        found.append(Assumption(text="Experts are chosen evenly; busy experts slow a step down."))
    return found


def _plainly(question: Question) -> str:
    """What is not used, so that nobody takes it for granted."""
    prefix = "" if question.load.cached else "; no prefix cache"
    return prefix if question.deployment.drafting else f"{prefix}; no speculative decoding"


def _saved(question: Question) -> list[Assumption]:
    """What a prefix cache and drafted tokens save, and what they do not."""
    load, drafting = question.load, question.deployment.drafting
    found = []
    if load.cached:
        text = (
            f"{load.cached:,} of {load.isl:,} prompt tokens are in the prefix cache: they are not"
            " computed again, but every step reads them and every request's room counts them."
            " Where all requests share one prefix, an engine keeps it once and more fit."
        )
        found.append(Assumption(text=text))
    if drafting is not None:
        rate = f" Each is kept with chance {drafting.rate:g}." if drafting.rate is not None else ""
        text = f"Speculative decoding: {drafting.text}.{rate} A step checks them in one pass."
        found.append(Assumption(text=text, source=drafting.source))
    return found


def _sixteen(compute: str) -> str:
    """fp16 and bf16 run at one rate, which the catalogue calls fp16."""
    return "16 bits" if compute == "fp16" else compute


def _room_text(question: Question) -> str:
    """Why more users fit than whole requests do: they are not all at their end at once."""
    memory, load = question.deployment.memory, question.load
    whole = memory.capacity(load.isl + load.osl) * question.deployment.layout.replicas
    if not 0 < whole < question.capacity:
        return ""
    return (
        f"Room for {question.capacity:,}: a running request holds its prompt and, on average,"
        f" {memory.engine.reserved_output:.0%} of its output; all at full length, {whole:,} fit."
    )


def _range_text(library: Library) -> str:
    total = len(library.measurements)
    return f"Achieved fractions are calibrated on {total:,} published measurements."


def _model_source(question: Question, library: Library) -> str:
    found = library.models.find(question.deployment.model.id)
    return found.source if found is not None else "its config.json"
