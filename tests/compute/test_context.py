from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from compute.context import LocalContext
from compute.tool import FetchError

LIMIT = 10_000


class Hub:
    """A loopback hub that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.elsewhere = "http://127.0.0.1:9/config.json"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        match request.path:
            case "/ok":
                return web.json_response({"a": 1})
            case "/moved":
                raise web.HTTPTemporaryRedirect("/ok")
            case "/loop":
                raise web.HTTPTemporaryRedirect("/loop")
            case "/away":
                raise web.HTTPTemporaryRedirect(self.elsewhere)
            case "/huge":
                return web.Response(body=b"x" * (LIMIT + 1))
            case "/bomb":
                body = gzip.compress(b"\0" * 5_000_000)
                return web.Response(body=body, headers={"Content-Encoding": "gzip"})
            case "/cut":
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
        raise web.HTTPNotFound


@pytest.fixture
async def hub() -> AsyncIterator[tuple[Hub, LocalContext, Callable[[str], str]]]:
    made = Hub()
    app = web.Application()
    app.router.add_get("/{path:.*}", made.answer)
    async with TestServer(app) as server:
        context = LocalContext(str(server.make_url("")).rstrip("/"))
        yield made, context, lambda path: str(server.make_url(path))
        await context.close()


HubParts = tuple[Hub, LocalContext, Callable[[str], str]]


async def test_a_file_is_asked_once_however_many_want_it(hub: HubParts) -> None:
    made, context, url = hub
    bodies = await asyncio.gather(*(context.fetch(url("/ok"), limit_bytes=LIMIT) for _ in "abc"))
    bodies.append(await context.fetch(url("/ok"), limit_bytes=LIMIT))
    assert set(bodies) == {b'{"a": 1}'} and made.asked == ["/ok"]


async def test_a_redirect_on_the_same_host_is_followed(hub: HubParts) -> None:
    made, context, url = hub
    assert await context.fetch(url("/moved"), limit_bytes=LIMIT) == b'{"a": 1}'
    assert made.asked == ["/moved", "/ok"]


@pytest.mark.parametrize(
    ("path", "words"),
    [("/away", "another host"), ("/loop", "redirects without end"), ("/huge", "larger than"),
     ("/bomb", "larger than"), ("/none", "answered 404"), ("/cut", "cannot be reached")],
)  # fmt: skip
async def test_what_cannot_be_had_is_a_sentence(hub: HubParts, path: str, words: str) -> None:
    _, context, url = hub
    with pytest.raises(FetchError, match=words):
        await context.fetch(url(path), limit_bytes=LIMIT)


async def test_no_other_host_is_ever_asked(hub: HubParts) -> None:
    made, context, _ = hub
    with pytest.raises(FetchError, match="another host"):
        await context.fetch("http://127.0.0.1:1/secret", limit_bytes=LIMIT)
    assert made.asked == []


async def test_a_missing_file_is_remembered_with_its_status(hub: HubParts) -> None:
    made, context, url = hub
    for _ in range(2):
        with pytest.raises(FetchError) as caught:
            await context.fetch(url("/none"), limit_bytes=LIMIT)
        assert caught.value.status == 404
    assert made.asked == ["/none"]


async def test_a_passing_fault_is_not_remembered(hub: HubParts) -> None:
    made, context, url = hub
    for _ in range(2):
        with pytest.raises(FetchError):
            await context.fetch(url("/cut"), limit_bytes=LIMIT)
    assert made.asked.count("/cut") >= 2


async def test_an_unreachable_hub_is_named() -> None:
    context = LocalContext("http://127.0.0.1:9")
    with pytest.raises(FetchError, match=r"127\.0\.0\.1:9 cannot be reached"):
        await context.fetch("http://127.0.0.1:9/x", limit_bytes=LIMIT)
    await context.close()
