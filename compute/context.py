"""The Context of tools that run here: bounded reads from the hub, progress to a callback."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from compute.files import check_file
from compute.tool import FetchError, Result

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)

TOTAL_S, CONNECT_S = 10.0, 5.0
MAX_REDIRECTS = 5
KEEP_S = 600.0  # a model's config.json hardly ever changes
KEPT = 64
MISSING_KEEP_S = 30.0  # a typo repeated ten times asks the hub once

Report = Callable[[float, str, Result | None], Awaitable[None]]
_Kept = tuple[float, bytes | FetchError]


async def _silent(fraction: float, words: str, partial: Result | None) -> None:
    """Nobody watches this run's progress."""


class LocalContext:
    """Reads only from ``hub_endpoint`` (also after redirects); answers are kept for a while."""

    def __init__(self, hub_endpoint: str, report: Report = _silent) -> None:
        self._endpoint = hub_endpoint.rstrip("/")
        self._report = report
        self._session: aiohttp.ClientSession | None = None
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._running: dict[str, asyncio.Task[bytes]] = {}
        self.files: dict[str, bytes] = {}
        self.process_lost = False

    @property
    def hub_endpoint(self) -> str:
        """Base URL of the Hugging Face hub, without a trailing slash."""
        return self._endpoint

    def lose_process(self) -> None:
        """Say that nothing more can be run in this process: its GPU takes no work from it, and may
        be held by a kernel that never ends.
        """
        self.process_lost = True

    async def progress(self, fraction: float, words: str, partial: Result | None = None) -> None:
        """Pass on how far the work is."""
        await self._report(fraction, words, partial)

    async def keep(self, name: str, media_type: str, content: bytes) -> None:
        """Hold the file in ``files`` for whoever ran the tool."""
        check_file(name, media_type, len(content))
        self.files[name] = content

    async def fetch(self, url: str, *, limit_bytes: int) -> bytes:
        """The body at ``url``, asked once however many wait for it. Raises ``FetchError``."""
        until, kept = self._kept.get(url, (0.0, b""))
        if time.monotonic() < until:
            if isinstance(kept, FetchError):
                raise FetchError(str(kept), status=kept.status)
            return kept
        task = self._running.get(url)
        if task is None:
            task = asyncio.create_task(self._fetch(url, limit_bytes))
            self._running[url] = task
            task.add_done_callback(lambda done: self._finish(url, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Drop connections and what is under way."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _fetch(self, url: str, limit_bytes: int) -> bytes:
        import aiohttp

        try:
            return await self._follow(url, limit_bytes)
        except TimeoutError:
            raise FetchError(f"{_host(url)} did not answer within {TOTAL_S:.0f} s.") from None
        except aiohttp.ClientError as error:
            log.info("%s: %r", url, error)
            raise FetchError(f"{_host(url)} cannot be reached.") from error

    async def _follow(self, url: str, limit_bytes: int) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            if _origin(url) != _origin(self._endpoint):
                raise FetchError(f"The hub sent us to another host, {_host(url)}.")
            async with self._client().get(url, allow_redirects=False) as reply:
                if 300 <= reply.status < 400:
                    url = urljoin(url, reply.headers.get("Location", ""))
                    continue
                if reply.status != 200:
                    status = reply.status
                    raise FetchError(f"{_host(url)} answered {status}.", status=status)
                return await _bounded(reply, limit_bytes)
        raise FetchError(f"{_host(url)} redirects without end.")

    def _client(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TOTAL_S, connect=CONNECT_S),
                headers={"User-Agent": "k2c"},
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=True,
            )
        return self._session

    def _finish(self, url: str, done: asyncio.Task[bytes]) -> None:
        self._running.pop(url, None)
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self._keep(url, KEEP_S, done.result())
        elif isinstance(error, FetchError) and error.status in (401, 403, 404):
            self._keep(url, MISSING_KEEP_S, error)

    def _keep(self, url: str, seconds: float, what: bytes | FetchError) -> None:
        self._kept[url] = (time.monotonic() + seconds, what)
        self._kept.move_to_end(url)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)


async def _bounded(reply: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """The body, given up as soon as it grows over the limit (also when compressed)."""
    body = bytearray()
    async for chunk in reply.content.iter_chunked(65_536):
        body += chunk
        if len(body) > limit_bytes:
            raise FetchError(f"The answer is larger than {limit_bytes // 1024:,} KiB.")
    return bytes(body)


def _origin(url: str) -> tuple[Any, ...]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _host(url: str) -> str:
    return urlsplit(url).netloc or "the hub"
