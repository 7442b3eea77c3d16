"""Real pages on a loopback port, over a real store and runner; only the charts are plain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import pytest
from pydantic import Field

from bot.command import Command, options_of
from bot.limits import Limiter
from bot.render.chart import ChartBusy, ChartFailed
from bot.results import Results
from bot.runner import Runner
from bot.store import Store
from bot.view import (
    Anchor,
    Bold,
    Chart,
    Code,
    Facts,
    File,
    Heading,
    Link,
    Note,
    Series,
    Table,
    Text,
    Theme,
    View,
)
from bot.web import Services, create_app, start_pages
from bot.web.webhooks import Webhooks
from compute.tool import Context, Fix, Refused, Request, Result, Tool
from config.settings import load_settings
from content.site import load_site
from tests import sample

# One grey pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a49444154789c636800000082008177cd72b60000000049454e44ae426082"
)


class EchoRequest(Request):
    """Words of a stranger."""

    words: str = Field(max_length=8000, description="shown everywhere", examples=["hello"])
    url: str = Field(default="https://example.org/", description="where the words lead")


EchoRequest.model_config["str_max_length"] = 8000
EchoRequest.model_rebuild(force=True)


class EchoResult(Result):
    """The same words."""

    words: str


async def echo(request: EchoRequest, ctx: Context) -> EchoResult:
    """The words back; three of them are special."""
    if request.words == "crash":
        raise RuntimeError("secret /etc/passwd detail")
    if request.words.startswith("refuse"):
        fix = Fix(label=request.words, changes={"words": "fine"})
        raise Refused(request.words, field="words", given=request.words, fixes=(fix,))
    return EchoResult(words=request.words)


def show_echo(request: EchoRequest, result: EchoResult) -> View:
    """The words in every kind of block."""
    w = result.words
    line = Series(w, (1.0, 2.0), (1.0, 2.0))
    return View(
        (
            Heading((Bold(w), w)),
            Text((w, Code(w), Anchor(w, request.url))),
            Facts(((w, w),)),
            Table((w, w), ((w, w),), title=w),
            Note((w,)),
            Chart(w, w, w, (line,), alt=w),
            File(f"{w[:20]}.html", "text/html", b"<script>alert(1)</script>"),
            Link(w, request.url),
        )
    )


ECHO = Command(
    tool=Tool(
        name="echo",
        title="Echo",
        summary="Says it back.",
        request=EchoRequest,
        result=EchoResult,
        run=echo,
    ),
    options=options_of(EchoRequest, ("words", "url")),
    show=show_echo,
    details=lambda request, result: View((Text((result.words,)),)),
)


class PlainCharts:
    """Pictures at once, or the trouble a test asks for."""

    def __init__(self) -> None:
        self.drawn: list[Chart] = []
        self.themes: list[Theme] = []
        self.trouble: ChartBusy | ChartFailed | None = None

    async def png(self, chart: Chart, theme: Theme = "dark") -> bytes:
        """The picture, or the trouble."""
        if self.trouble is not None:
            raise self.trouble
        self.drawn.append(chart)
        self.themes.append(theme)
        return PNG


@dataclass
class Pages:
    """Running pages and a session that talks to them."""

    url: str
    http: aiohttp.ClientSession
    services: Services
    charts: PlainCharts
    store: Store

    async def run(self, line: str, **headers: str) -> dict[str, Any]:
        """What our own script gets for a line."""
        fields = {"line": line}
        accept = {"Accept": "application/json", **headers}
        async with self.http.post("/", data=fields, headers=accept) as reply:
            assert reply.status == 200, await reply.text()
            answer: dict[str, Any] = await reply.json()
            return answer

    async def page(self, path: str, **arguments: Any) -> str:
        """The text of a page that must be there."""
        async with self.http.get(path, **arguments) as reply:
            assert reply.status == 200, f"{reply.status} {await reply.text()}"
            return await reply.text()


class Serve(Protocol):
    """Starts pages with other settings."""

    async def __call__(self, **settings: Any) -> Pages: ...


COMMANDS: Mapping[str, Command] = {"kv": sample.COMMAND, "echo": ECHO}


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:

        async def start(**changes: Any) -> Pages:
            return await _start(stack, tmp_path, changes)

        yield start


async def _start(stack: AsyncExitStack, folder: Path, changes: dict[str, Any]) -> Pages:
    webhooks: Webhooks | None = changes.pop("webhooks", None)
    settings = load_settings(**{"data_dir": folder, "user_per_minute": 1000, **changes})
    store = await Store.open(folder / "pages.sqlite")
    stack.push_async_callback(store.close)
    results = Results(store)
    runner = Runner(results, sample.PlainContext(), retention_days=1)
    charts = PlainCharts()
    services = Services(
        settings, COMMANDS, runner, results, charts, Limiter(), load_site(), webhooks=webhooks
    )
    server, url = await start_pages(create_app(services), "127.0.0.1", 0)
    stack.push_async_callback(server.cleanup)
    http = await stack.enter_async_context(aiohttp.ClientSession(base_url=url))
    return Pages(url, http, services, charts, store)


@pytest.fixture
async def pages(serve: Serve) -> Pages:
    return await serve()
