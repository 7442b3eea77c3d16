"""A small real tool and its command, for tests that are about the doors and not about a tool."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bot.command import Command, options_of
from bot.view import Bold, Chart, Facts, Heading, Note, Series, View
from compute.tool import Context, Fix, Refused, Request, Result, Tool

GIB = 2**30


class KvRequest(Request):
    """How large is the KV cache of one sequence?"""

    n_layers: Annotated[int, Field(ge=1, le=1000)] = Field(
        alias="layers", description="transformer layers", examples=[32]
    )
    isl: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        default=1024,
        alias="input",
        description="tokens in the cache",
        json_schema_extra={"slider": {"low": 16, "high": 131_072, "log": True}},
    )
    kv_dtype: Literal["fp16", "fp8"] = Field(default="fp16", description="type of a cached value")
    model: str = Field(default="", max_length=200, description="a name to show")


class KvResult(Result):
    """The cache of one sequence, 8 KV heads of 128."""

    kv_gib: float
    fixes: tuple[Fix, ...] = ()


async def run(request: KvRequest, ctx: Context) -> KvResult:
    """2 (K and V) x 8 heads x 128 wide x bytes x tokens x layers."""
    if request.model == "unknown":
        raise Refused(
            "I don't know that model.", field="model", given=request.model, nearest=("llama",)
        )
    await ctx.progress(0.5, "counting")
    size = 2 if request.kv_dtype == "fp16" else 1
    total = 2 * 8 * 128 * size * request.isl * request.n_layers / GIB
    fixes = (Fix(label="Use fp8", changes={"kv_dtype": "fp8"}),) if size == 2 else ()
    return KvResult(kv_gib=total, fixes=fixes)


def show(request: KvRequest, result: KvResult) -> View:
    """One line, one fact, one chart."""
    line = Series("KV", (1.0, float(request.isl)), (0.0, result.kv_gib))
    return View(
        (
            Heading((Bold(f"{result.kv_gib:.3f} GiB"), f" for {request.model or 'one sequence'}")),
            Facts((("layers", str(request.n_layers)), ("tokens", f"{request.isl:,}"))),
            Note(("8 KV heads of 128",)),
            Chart("KV cache", "tokens", "GiB", (line,), alt=f"{result.kv_gib:.3f} GiB"),
        )
    )


def details(request: KvRequest, result: KvResult) -> View:
    """What is taken for granted."""
    return View((Heading((Bold("Assumed"),)), Note(("8 KV heads of 128",))), tone="notice")


TOOL = Tool(
    name="kv",
    title="KV cache",
    summary="Size of a KV cache.",
    request=KvRequest,
    result=KvResult,
    run=run,
    waits=lambda request: request.model.startswith("hub/"),
)
COMMAND = Command(
    tool=TOOL,
    options=options_of(
        KvRequest,
        ("layers", "input", "kv_dtype", "model"),
        {"model": lambda text: [(f"Model {text}", text)]},
    ),
    show=show,
    details=details,
)


class PlainContext:
    """A Context that knows nothing of the world and remembers what was reported."""

    hub_endpoint = "https://hub.invalid"

    def __init__(self) -> None:
        self.reports: list[tuple[float, str]] = []

    async def fetch(self, url: str, *, limit_bytes: int) -> bytes:
        """Nothing is ever there."""
        raise AssertionError(f"nothing may be fetched here: {url}")

    async def progress(self, fraction: float, words: str, partial: Result | None = None) -> None:
        """Remember it."""
        self.reports.append((fraction, words))

    async def keep(self, name: str, media_type: str, content: bytes) -> None:
        """No sample tool makes files."""
        raise AssertionError(f"{name} was not expected")
