"""A tool that needs a worker, and its command."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from bot.command import Command, options_of
from bot.view import Bold, Chart, Facts, Heading, Note, Series, View
from compute.tool import Context, Needs, Request, Result, Tool


class LapRequest(Request):
    """What is asked; ``laps`` 0 needs no worker."""

    laps: int = Field(default=3, ge=0, le=99, description="how many laps")
    car: str = Field(default="red", description="which car")


class LapResult(Result):
    """Seconds of each lap so far."""

    laps_s: tuple[float, ...]


async def run(request: LapRequest, ctx: Context) -> LapResult:
    """Here it only runs without laps."""
    assert request.laps == 0
    return LapResult(laps_s=())


def show(request: LapRequest, result: LapResult) -> View:
    """The answer, or what is known of it."""
    best = min(result.laps_s, default=0.0)
    numbers = tuple(float(n) for n in range(1, len(result.laps_s) + 1))
    blocks: list[Any] = [
        Heading((Bold(f"best lap {best:g} s"), f" of {len(result.laps_s)}")),
        Facts((("car", request.car),)),
    ]
    if len(result.laps_s) > 1:
        line = Series("laps", numbers, result.laps_s)
        blocks.append(Chart("laps", "lap", "s", (line,), alt=f"best {best:g} s"))
    return View(tuple(blocks))


def details(request: LapRequest, result: LapResult) -> View:
    """What it takes for granted."""
    return View((Heading((Bold("A dry track"),)), Note(("always",))), tone="notice")


def command() -> Command:
    """The command; /lap runs as a job."""
    tool: Tool[Any, Any] = Tool(
        name="lap",
        title="Lap",
        summary="Laps of a pretend car",
        request=LapRequest,
        result=LapResult,
        run=run,
        needs=lambda request: Needs(cuda=True) if request.laps else None,
    )
    return Command(
        tool=tool,
        options=options_of(LapRequest, ("laps", "car")),
        show=show,
        details=details,
        subject=lambda request: f"{request.laps} laps {request.car}",
    )
