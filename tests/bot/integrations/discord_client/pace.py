"""A small real tool and its command: every kind of option, a chart, repairs, a wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from bot.command import Choice, Command, options_of
from bot.view import Bold, Chart, Facts, Heading, Note, Series, Text, View
from compute.tool import Context, Fix, Refused, Request, Result, Tool

GPUS = {"h100": 10.0, "h200": 14.0, "b200": 30.0}


class PaceRequest(Request):
    """What is asked."""

    gpu: str = Field(description="the GPU", examples=["h100"])
    n_gpus: int = Field(default=1, alias="gpus", ge=1, le=1024, description="how many GPUs")
    share: float = Field(default=1.0, ge=0, le=1, description="share of the time")
    dtype: Literal["bf16", "fp8"] = Field(default="bf16", description="weights")
    model: str = Field(default="small", description="model id")
    note: str | None = Field(default=None, description="your own words")
    fast: bool = Field(default=False, description="hurry")


class PaceResult(Result):
    """What comes out."""

    pace: float
    fixes: tuple[Fix, ...] = ()


async def run(request: PaceRequest, ctx: Context) -> PaceResult:
    """Requests per second; "crash" fails, "slow/..." waits for the network."""
    if request.note == "crash":
        raise RuntimeError("the tool is broken")
    if "/" in request.model:
        await asyncio.sleep(0.05)
        if request.model == "no/such":
            raise Refused("There is no model no/such.", field="model", given="no/such")
    if request.gpu not in GPUS:
        fixes = (Fix(label="Use h200", changes={"gpu": "h200"}),)
        raise Refused(
            f"I don't know the GPU {request.gpu[:60]}.",
            field="gpu",
            given=request.gpu[:60],
            nearest=("h100", "h200"),
            example="h100",
            fixes=fixes,
        )
    return PaceResult(pace=GPUS[request.gpu] * request.n_gpus * request.share)


def show(request: PaceRequest, result: PaceResult) -> View:
    """The answer."""
    return View(
        (
            Heading((Bold(f"{result.pace:g} requests/s"), f" on {request.n_gpus}x {request.gpu}")),
            Facts((("pace", f"{result.pace:g}"), ("dtype", request.dtype))),
            Text((request.note or "It is what it is.",)),
            Chart(
                f"pace of {request.gpu}",
                "gpus",
                "pace",
                (Series("pace", (1.0, 2.0), (1.0, result.pace)),),
                alt=f"pace {result.pace:g}",
            ),
        )
    )


def details(request: PaceRequest, result: PaceResult) -> View:
    """What it takes for granted."""
    return View((Heading((Bold("What this assumes"),)), Note(("nothing",))), tone="notice")


def suggest(text: str) -> Sequence[Choice]:
    """More than Discord takes, some too long for it."""
    if text == "crash":
        raise RuntimeError("the catalogue is broken")
    many = [(f"{text} number {i} " + "x" * 120, f"{text}{i}") for i in range(40)]
    return [("too long to send", "y" * 101), *many] if text else [(g.upper(), g) for g in GPUS]


OPTIONS = ("gpu", "gpus", "share", "dtype", "model", "note", "fast")


def command(*options: str, summary: str = "Requests per second of a pretend machine") -> Command:
    """The command with these options (default: all)."""
    tool: Tool[Any, Any] = Tool(
        name="pace",
        title="Pace",
        summary=summary,
        request=PaceRequest,
        result=PaceResult,
        run=run,
        waits=lambda request: "/" in request.model,
    )
    return Command(
        tool=tool,
        options=options_of(PaceRequest, options or OPTIONS, {"gpu": suggest}),
        show=show,
        details=details,
    )


@dataclass
class Charts:
    """Draws nothing: a picture is its chart's title. While ``error`` is set it is raised."""

    error: Exception | None = None
    drawn: int = 0

    async def png(self, chart: Chart) -> bytes:
        """The picture."""
        await asyncio.sleep(0.01)
        if self.error is not None:
            raise self.error
        self.drawn += 1
        return chart.title.encode()
