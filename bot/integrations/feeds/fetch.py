"""Fetching a feed: only when it changed, only so much, only from where the operator said."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from bot.integrations.feeds.addresses import NotPublic, named_socket, public_socket

LIMIT = 5 * 2**20  # bytes, unpacked
TOTAL_S = 15.0
MAX_REDIRECTS = 5
MAX_MARK = 1_000  # characters of an ETag that are kept
CHUNK = 65_536
REDIRECTS = (301, 302, 303, 307, 308)
WANTED = "application/atom+xml, application/rss+xml, application/feed+json, */*;q=0.5"


class FetchFailed(Exception):
    """Why a feed could not be had, as a sentence; ``retry_s`` where its server asked to wait."""

    def __init__(self, sentence: str, retry_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.retry_s = retry_s


@dataclass(frozen=True, slots=True)
class Marks:
    """What a server gave to ask "changed since?" with."""

    etag: str = ""
    modified: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A feed's bytes, or None where nothing changed. ``url``: where redirects led."""

    content: bytes | None
    marks: Marks
    url: str
    content_type: str = ""


async def fetch_feed(url: str, marks: Marks, *, total_s: float = TOTAL_S) -> Fetched:
    """The feed at ``url`` if it changed since ``marks``. Raises ``FetchFailed``."""
    host = urlsplit(url).hostname or url
    try:
        async with asyncio.timeout(total_s):
            return await _follow(url, marks)
    except TimeoutError:
        raise FetchFailed(f"{host} did not answer in full within {total_s:g} s.") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if _denied(error):
            raise FetchFailed(
                f"{host} leads to a private address, which is not followed."
            ) from None
        raise FetchFailed(f"{host} cannot be reached ({type(error).__name__}).") from None


async def _follow(url: str, marks: Marks) -> Fetched:
    """Each hop on a connector of its own: the host that the operator named may be private, no
    host that somebody's server sends us to may be.
    """
    named, at = urlsplit(url), url
    for _ in range(MAX_REDIRECTS + 1):
        hop = urlsplit(at)
        if hop.scheme not in ("http", "https") or not hop.hostname:
            raise FetchFailed(f"{named.hostname} leads to {at[:80]!r}, which is no web address.")
        if named.scheme == "https" and hop.scheme == "http":
            raise FetchFailed(f"{named.hostname} leads from https to http, which is not followed.")
        private = (hop.hostname, _port(hop)) == (named.hostname, _port(named))
        async with (
            _client(private=private) as client,
            client.get(at, headers=_headers(marks), allow_redirects=False) as reply,
        ):
            if reply.status not in REDIRECTS:
                return await _read(reply, marks, at)
            at = urljoin(at, reply.headers.get("Location", ""))
    raise FetchFailed(f"{named.hostname} redirects more than {MAX_REDIRECTS} times.")


def _port(parts: Any) -> int | None:
    """The port; http and https of one host count as the same place."""
    return None if parts.port in (None, 80, 443) else int(parts.port)


def _client(*, private: bool) -> aiohttp.ClientSession:
    factory = named_socket if private else public_socket
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=1, force_close=True, socket_factory=factory),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,  # a proxy would connect for us, unchecked
        auto_decompress=True,
    )


def _headers(marks: Marks) -> dict[str, str]:
    given = {"User-Agent": "k2c", "Accept": WANTED}
    given |= {"If-None-Match": marks.etag} if marks.etag else {}
    return given | ({"If-Modified-Since": marks.modified} if marks.modified else {})


async def _read(reply: aiohttp.ClientResponse, marks: Marks, url: str) -> Fetched:
    host = urlsplit(url).hostname
    if reply.status == 304 and marks != Marks():
        return Fetched(None, marks, url)
    if reply.status != 200:
        wait = reply.headers.get("Retry-After", "")
        retry_s = min(float(wait), 86_400.0) if wait.isascii() and wait.isdigit() else 0.0
        raise FetchFailed(f"{host} answered {reply.status}.", retry_s)
    body = bytearray()
    async for chunk in reply.content.iter_chunked(CHUNK):
        body += chunk
        if len(body) > LIMIT:
            raise FetchFailed(f"{host} sends more than {LIMIT // 2**20} MiB.")
    found = Marks(_mark(reply, "ETag"), _mark(reply, "Last-Modified"))
    return Fetched(bytes(body), found, url, reply.headers.get("Content-Type", ""))


def _mark(reply: aiohttp.ClientResponse, name: str) -> str:
    value = reply.headers.get(name, "")
    return value if len(value) <= MAX_MARK and value.isprintable() else ""


def _denied(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        inner = getattr(seen, "os_error", None)
        if isinstance(seen, NotPublic) or isinstance(inner, NotPublic):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
