"""Pictures of charts: of a kept answer, or of one that a slider just made and nobody keeps."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict

from aiohttp import web

from bot.render.chart import ChartBusy, ChartFailed
from bot.view import Chart, Theme
from bot.web.answering import limit_reads
from bot.web.errors import Problem
from bot.web.guard import unlisted
from bot.web.services import SERVICES

CHART_SECONDS = 3600
# Three charts of at most 60 kB each answer; asked for by their page within a second.
PREVIEWS = 240


class Previews:
    """Charts of answers that are not kept, under the hash of what they show; the oldest go.

    ``turn``: one preview is computed at a time, so that answers keep the rest of the machine
    (/cost takes 0.1 to 0.2 s of a core).
    """

    def __init__(self) -> None:
        self.turn = asyncio.Semaphore(1)
        self._charts: OrderedDict[str, Chart] = OrderedDict()

    def add(self, chart: Chart) -> str:
        """Where the picture of ``chart`` is served for a while."""
        key = tag_of(chart)
        self._charts[key] = chart
        self._charts.move_to_end(key)
        while len(self._charts) > PREVIEWS:
            self._charts.popitem(last=False)
        return f"/preview/{key}.png"

    def get(self, key: str) -> Chart | None:
        """The chart of that key, while it is remembered."""
        return self._charts.get(key)


PREVIEWED = web.AppKey("previews", Previews)


def tag_of(chart: Chart) -> str:
    """The hash of all that a chart shows."""
    return hashlib.sha256(repr(chart).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def theme_of(request: web.Request) -> Theme:
    """What ``?theme=`` asks for. Raises ``Problem`` 404 for anything but light and dark."""
    asked = request.query.get("theme", "dark")
    if asked == "light":
        return "light"
    if asked == "dark":
        return "dark"
    raise Problem(404, "A chart is dark or light.")


async def preview_picture(request: web.Request) -> web.Response:
    """The picture of a chart that a slider made."""
    limit_reads(request)
    chart = request.app[PREVIEWED].get(request.match_info["key"])
    if chart is None:
        raise Problem(404, "This chart is forgotten; move a slider to draw it again.")
    return await picture(request, chart)


async def picture(request: web.Request, chart: Chart) -> web.Response:
    """The picture, drawn now unless the browser has this one already. Raises ``Problem``."""
    theme = theme_of(request)
    tag = f"{tag_of(chart)}-{theme}"
    headers = {"ETag": f'"{tag}"', "Cache-Control": f"private, max-age={CHART_SECONDS}"}
    unlisted(headers)
    if any(known.value in (tag, "*") for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    try:
        png = await request.app[SERVICES].charts.png(chart, theme)
    except ChartBusy:
        raise Problem(503, "Many charts are being drawn; try again shortly.", wait_s=2) from None
    except ChartFailed:
        raise Problem(500, "This chart could not be drawn; the answer stands without it.") from None
    return web.Response(body=png, content_type="image/png", headers=headers)
