"""/throughput: tokens per second of any GPU, model and load."""

from __future__ import annotations

from collections.abc import Sequence

from bot.command import Choice, Command, options_of
from bot.commands.throughput.several import show_several
from bot.commands.throughput.single import show_one
from bot.commands.throughput.words import measured
from bot.view import Block, Bold, Heading, Note, Text, View
from compute.throughput import CALCULATOR, TOOL
from compute.throughput.request import ThroughputRequest
from compute.throughput.result import ThroughputResult

OPTIONS = (
    "gpu", "model", "gpus", "batch", "input", "output", "dtype", "kv_dtype", "engine",
    "parallel", "slo", "rate",
)  # fmt: skip
# of the forms, the pages and typed lines: the slash command's options are a public interface
DRAFTS = (
    ("eagle: an EAGLE-3 head", "eagle"),
    ("mtp: the model's own layer for it", "mtp"),
    ("ngram: from the text itself", "ngram"),
)
MORE = ("cached", "spec_tokens", "draft", "accept", "acceptance_length")


def suggest_gpus(text: str) -> Sequence[Choice]:
    """GPUs for what is typed so far; of a comma list the last is completed."""
    return CALCULATOR.library.gpus.suggest(text)


def suggest_models(text: str) -> Sequence[Choice]:
    """Catalogue models for what is typed so far; any other id may be typed as well."""
    return CALCULATOR.library.models.suggest(text)


def suggest_drafts(text: str) -> Sequence[Choice]:
    """Ways to draft, then smaller models."""
    typed = text.strip().lower()
    return [*(way for way in DRAFTS if way[1].startswith(typed)), *suggest_models(text)][:25]


def show(request: ThroughputRequest, result: ThroughputResult) -> View:
    """The answer: one GPU in full, or several side by side."""
    return show_several(result) if len(result.estimates) > 1 else show_one(result)


def details(request: ThroughputRequest, result: ThroughputResult) -> View:
    """What the estimate takes for granted, each with its source."""
    blocks: list[Block] = [Heading((Bold("What this estimate assumes"),))]
    for assumption in result.assumptions:
        blocks.append(Text((f"• {assumption.text}",)))
        if assumption.source:
            blocks.append(Note((assumption.source,)))
    for estimate in result.estimates:
        name = f"{estimate.gpu_name} {estimate.weight_dtype}"
        if estimate.fits:
            blocks.append(Note((f"{name}: {estimate.range_why}",)))
        if estimate.measured is not None and len(result.estimates) > 1:
            blocks.append(Note((f"{name}: ", *measured(estimate.measured))))
    return View(tuple(blocks), tone="notice")


COMMAND = Command(
    tool=TOOL,
    options=options_of(ThroughputRequest, OPTIONS, {"gpu": suggest_gpus, "model": suggest_models}),
    show=show,
    details=details,
    more=options_of(ThroughputRequest, MORE, {"draft": suggest_drafts}),
)
