"""/bench: Triton, CUDA and PyTorch kernels against what the machine can do."""

from __future__ import annotations

from collections.abc import Sequence

from bot.command import Choice, Command, options_of
from bot.commands.bench.answer import show
from bot.commands.bench.details import details
from bot.commands.bench.typed import words
from bot.commands.bench.versus import alike, versus
from compute.bench import TOOL
from compute.bench.asked import gpus
from compute.bench.index import SHORT, SPELLINGS, suggest_dtypes, suggest_ops
from compute.bench.presets import suggest_presets
from compute.bench.request import BenchRequest

OPTIONS = ("op", "dtype", "shapes", "preset", "gpu")
# of the forms, the pages and typed lines: the slash command's options are a public interface
MORE = ("implementations", "cache", "method", "budget_s", "seed")
PLACES = (("any NVIDIA GPU that is attached", "cuda"), ("CPU: PyTorch alone", "cpu"))


def suggest_gpus(text: str) -> Sequence[Choice]:
    """Any GPU, the CPU, then NVIDIA's by name."""
    typed = text.strip().lower()
    first = [place for place in PLACES if typed in place[1] or not typed]
    named = [choice for choice in gpus().suggest(text) if _is_nvidia(choice[1])]
    return [*first, *named]


def _is_nvidia(key: str) -> bool:
    gpu = gpus().find(key)
    return gpu is not None and gpu.vendor == "NVIDIA"


def subject(request: BenchRequest) -> str:
    """``rms_norm bf16``: what names a run while it is waited for."""
    dtype = SPELLINGS.get(request.dtype.strip().lower(), "")
    return f"{request.op.strip()} {SHORT.get(dtype, request.dtype)}".strip()


COMMAND = Command(
    tool=TOOL,
    options=options_of(
        BenchRequest,
        OPTIONS,
        {
            "op": suggest_ops,
            "dtype": suggest_dtypes,
            "preset": suggest_presets,
            "gpu": suggest_gpus,
        },
    ),
    show=show,
    details=details,
    subject=subject,
    more=options_of(BenchRequest, MORE),
    words=words,
    versus=versus,
    alike=alike,
)
