"""The operator's own check that a worker answers; on pages and in the API, not in Discord."""

from __future__ import annotations

from bot.command import Command, options_of
from bot.view import Block, Bold, Facts, Heading, Note, Text, View
from compute.selfcheck import TOOL, SelfcheckRequest, SelfcheckResult


def show(request: SelfcheckRequest, result: SelfcheckResult) -> View:
    """Which machine answered, and whether its child is as clean as it has to be."""
    gpu = f"{result.gpu}, {result.gpu_memory_gib:.0f} GiB" if result.gpu else "no GPU"
    facts = (
        ("machine", gpu),
        ("cores", str(result.cores)),
        ("system", result.system),
        ("python", result.python),
        ("torch", result.torch or "not installed"),
        ("steps", f"{result.steps} of {request.steps}"),
        ("file", f"{request.file_kib:,} KiB came back" if result.file_sha256 else "none asked for"),
    )
    blocks: list[Block] = [Heading((Bold("A worker answers."),)), Facts(facts)]
    if result.secrets:
        names = ", ".join(result.secrets)
        blocks.append(Text((Bold("Its jobs can see secrets: "), names)))
    else:
        blocks.append(Note(("Nothing in the job's environment looks like a secret.",)))
    return View(tuple(blocks), tone="notice")


COMMAND = Command(
    tool=TOOL,
    options=options_of(SelfcheckRequest, ("where", "seconds", "steps", "file_kib")),
    show=show,
    user_installable=False,
    slash=False,
    subject=lambda request: f"self-check on {request.where}",
)
