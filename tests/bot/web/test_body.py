"""What arrives broken, compressed, half or too slowly is its sender's trouble and not our log's."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from bot.web import body
from tests.bot.web.conftest import Pages

HEAD = b"POST /api/tools/kv HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.fixture(autouse=True)
def _no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO)
    yield
    records = caplog.get_records("call")
    assert not [r for r in records if r.exc_info or r.levelno >= logging.ERROR]


@asynccontextmanager
async def connected(
    pages: Pages, first: bytes
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection over which ``first`` has arrived."""
    port = int(pages.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(first)
        await writer.drain()
        await asyncio.sleep(0.05)
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def status(reader: asyncio.StreamReader) -> int:
    """The status of the answer that comes."""
    line = await asyncio.wait_for(reader.readline(), 10)
    return int(line.split()[1])


async def logged(caplog: pytest.LogCaptureFixture, words: str) -> None:
    async with asyncio.timeout(5):
        while words not in caplog.text:  # noqa: ASYNC110  # a log wakes nobody
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("content", [gzip.compress(b'{"layers": 1}', mtime=0), b"no gzip at all"])
async def test_a_compressed_body_is_refused_in_words(pages: Pages, content: bytes) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with pages.http.post("/api/tools/kv", data=content, headers=headers) as reply:
        assert reply.status == 415
        assert "uncompressed" in (await reply.json())["error"]["message"]


async def test_a_visitor_who_leaves_in_the_middle_is_one_line(
    pages: Pages, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(pages, HEAD + b'Content-Length: 100\r\n\r\n{"layers"') as (_, writer):
        writer.transport.abort()
        await logged(caplog, "did not arrive whole")


UNFINISHED = {
    "too short": (b"Content-Length: 100\r\n\r\n{", b"}"),
    # aiohttp reports the bad chunk only behind this request: nothing but the time ends it.
    "a bad chunk": (b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", b"zz\r\n"),
}


@pytest.mark.parametrize(("begun", "more"), UNFINISHED.values(), ids=UNFINISHED.keys())
async def test_a_body_that_never_ends_is_not_waited_for(
    pages: Pages, monkeypatch: pytest.MonkeyPatch, begun: bytes, more: bytes
) -> None:
    monkeypatch.setattr(body, "READ_S", 0.2)
    async with connected(pages, HEAD + begun) as (reader, writer):
        writer.write(more)
        assert await status(reader) == 408


NO_HTTP = {
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x00\xf5" * 9 + b"\r\n\r\n",
    "long": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("first", NO_HTTP.values(), ids=NO_HTTP.keys())
async def test_bytes_that_are_no_http_are_refused_without_a_traceback(
    pages: Pages, first: bytes
) -> None:
    async with connected(pages, first) as (reader, _):
        assert await status(reader) == 400
