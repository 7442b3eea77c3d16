"""Where the charts of a posted answer are seen: a repository for pictures, or our own pages."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlsplit

from bot.outbox import Effect
from bot.posting import RepositoryFile
from bot.render.chart import ChartBusy, ChartFailed
from bot.view import Chart
from config.settings import Settings

log = logging.getLogger(__name__)

TRIES_S = (0.0, 1.0, 3.0)  # pauses before each try at a chart while others are drawn
DRAW_S = 20.0
WAIT_S = 600.0  # for the picture; then the post goes out, and its chart is told in words


class Charts(Protocol):
    """Draws charts; ``bot.render.chart.ChartRenderer`` is the one in use."""

    async def png(self, chart: Chart) -> bytes:
        """The picture. Raises ``ChartBusy`` or ``ChartFailed``."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Addresses of an answer's charts in their order ("" = none); ``files`` make them exist."""

    addresses: tuple[str, ...] = ()
    files: tuple[Effect, ...] = ()


class PictureStore:
    """One for the process."""

    def __init__(self, settings: Settings, charts: Charts) -> None:
        self._settings = settings
        self._charts = charts

    async def of(self, result_id: str, charts: Sequence[Chart]) -> Pictures:
        """The pictures of an answer, drawn where they are to be stored."""
        if self._settings.github_pictures:
            return await self._stored(charts)
        if _seen_by_github(self._settings.public_url):
            base = f"{self._settings.public_url}/r/{result_id}/chart.png"
            return Pictures(tuple(f"{base}?n={n}&sha={_hash(c)}" for n, c in enumerate(charts, 1)))
        return Pictures()

    async def _stored(self, charts: Sequence[Chart]) -> Pictures:
        addresses: list[str] = []
        files: list[Effect] = []
        for chart in charts:
            png = await self._drawn(chart)
            if png is None:
                addresses.append("")
                continue
            effect, path = _file(png, chart, files[-1].key if files else "")
            addresses.append(address_of(self._settings, path))
            if effect.key not in {file.key for file in files}:
                files.append(effect)
        return Pictures(tuple(addresses), tuple(files))

    async def _drawn(self, chart: Chart) -> bytes | None:
        for pause_s in TRIES_S:
            await asyncio.sleep(pause_s)
            try:
                async with asyncio.timeout(DRAW_S):
                    return await self._charts.png(chart)
            except (ChartBusy, TimeoutError):
                continue
            except ChartFailed as error:
                log.warning("a chart for a Discussion: %s", error)
                return None
        return None


def address_of(settings: Settings, path: str) -> str:
    """Where a file of the picture repository is read without signing in."""
    repository, _, branch = settings.github_pictures.partition("@")
    place = f"{repository}/{quote(branch)}/{path}"
    parts = urlsplit(settings.github_api_base)
    if parts.hostname == "api.github.com":
        return f"https://raw.githubusercontent.com/{place}"
    return f"{parts.scheme}://{parts.netloc}/{repository}/raw/{quote(branch)}/{path}"


def _file(png: bytes, chart: Chart, after: str) -> tuple[Effect, str]:
    digest = hashlib.sha256(png).hexdigest()
    path = f"results/{digest}.png"
    payload = RepositoryFile(
        path=path,
        content=base64.b64encode(png).decode(),
        message=f"Chart {digest[:12]}",
    )
    effect = Effect(f"gh:file:{digest}", "github.file", payload.payload(), after, WAIT_S)
    return effect, path


def _hash(chart: Chart) -> str:
    """Of all that a chart shows: another chart has another address, and no cache an old one."""
    return hashlib.sha256(repr(chart).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _seen_by_github(public_url: str) -> bool:
    parts = urlsplit(public_url)
    return parts.scheme == "https" and parts.hostname not in (None, "localhost", "127.0.0.1")
