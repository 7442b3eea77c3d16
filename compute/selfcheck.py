"""A tool for operators: proves the way to a worker and back, and tells which machine answered.

``k2c worker check`` asks for it; it is no slash command.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
from typing import Annotated, Literal

from pydantic import Field

from compute.tool import Context, Needs, Request, Result, Tool

KIB = 1024
HARMLESS = ("HF_HUB_DISABLE_IMPLICIT_TOKEN",)  # says that no token shall be used


class SelfcheckRequest(Request):
    """How long, in how many steps, and how large a file comes back."""

    where: Literal["any", "cuda"] = Field(
        default="any", description="any worker, or one with a GPU"
    )
    seconds: Annotated[float, Field(ge=0, le=60)] = Field(default=1.0, description="run time, s")
    steps: Annotated[int, Field(ge=1, le=100)] = Field(default=4, description="progress messages")
    file_kib: Annotated[int, Field(ge=0, le=65_536)] = Field(default=64, description="file, KiB")


class SelfcheckResult(Result):
    """The machine as the child sees it. ``file_sha256`` is "" without a file; ``secrets`` names
    what is in the child's environment and looks like a secret: it has to be empty.
    """

    python: str
    system: str
    cores: int
    gpu: str
    gpu_memory_gib: float
    sm: int
    torch: str
    steps: int
    file_sha256: str
    secrets: tuple[str, ...]


async def run(request: SelfcheckRequest, ctx: Context) -> SelfcheckResult:
    """Wait in steps, look around, and send a file back."""
    from compute.worker.probe import probe

    for step in range(request.steps):
        await ctx.progress(step / request.steps, f"step {step + 1} of {request.steps}")
        await asyncio.sleep(request.seconds / request.steps)
    machine = await asyncio.to_thread(probe)
    digest = await _file(request.file_kib, ctx)
    return SelfcheckResult(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        cores=machine.cores,
        gpu=machine.gpu,
        gpu_memory_gib=machine.memory_gib,
        sm=machine.sm,
        torch=machine.torch,
        steps=request.steps,
        file_sha256=digest,
        secrets=tuple(sorted(filter(_looks_secret, os.environ))),
    )


async def _file(size_kib: int, ctx: Context) -> str:
    """Send a file of that size; its SHA-256, "" for none."""
    if not size_kib:
        return ""
    block = b"selfcheck\n".ljust(KIB, b".")
    content = block * size_kib
    await ctx.keep("selfcheck.txt", "text/plain", content)
    return hashlib.sha256(content).hexdigest()


def _looks_secret(name: str) -> bool:
    return name not in HARMLESS and any(
        word in name.upper() for word in ("TOKEN", "SECRET", "KEY", "PASSWORD", "SEED")
    )


def needs(request: SelfcheckRequest) -> Needs:
    """Any worker, or one with a GPU; a minute more than it is asked to run.

    What a worker answered before proves nothing about now, so each check is a run of its own.
    """
    limit_s = request.seconds + 60.0
    return Needs(cuda=request.where == "cuda", host_gib=2.0, limit_s=limit_s, shared=False)


TOOL = Tool(
    name="selfcheck",
    title="Self-check",
    summary="Whether a worker answers, and which machine it is.",
    request=SelfcheckRequest,
    result=SelfcheckResult,
    run=run,
    needs=needs,
)
