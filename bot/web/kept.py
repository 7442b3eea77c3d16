"""The page of a kept answer: the answer itself, its data, its pictures and files."""

from __future__ import annotations

import hashlib
import time

from aiohttp import web

from bot.render.chart import ChartBusy, ChartFailed
from bot.view import Chart, File, Heading, Text, View, plain
from bot.web.answering import kept_answer, left_out, limit_reads, show, typed_line
from bot.web.errors import Problem, json_response
from bot.web.guard import FILE_POLICY, unlisted
from bot.web.pages import page_response
from bot.web.services import SERVICES, base_of

CHART_SECONDS = 3600
DESCRIPTION = 300  # characters of an answer that a pasted link shows
# What a browser may be told a downloaded file is; anything else is just bytes.
FILE_TYPES = frozenset({"text/plain", "text/markdown", "text/csv", "application/json", "image/png"})


async def result_page(request: web.Request) -> web.Response:
    """The page of a kept answer."""
    limit_reads(request)
    command, row, outcome = await kept_answer(request, request.match_info["id"])
    shown = show(command, outcome)
    base = base_of(request)
    response = page_response(
        request,
        "result.html",
        answer=shown.html,
        line=shown.line,
        left_out=left_out(command, row.inputs),
        result_id=row.id,
        tool=command.tool,
        url=f"{base}/r/{row.id}",
        headline=_headline(shown.view),
        description=_description(shown.view),
        image=f"{base}/r/{row.id}/chart.png" if shown.view.charts() else "",
        made=_date(row.created_at),
        until=_date(row.expires_at),
    )
    unlisted(response.headers)
    return response


def _headline(view: View) -> str:
    return next((plain(b.words) for b in view.blocks if isinstance(b, Heading)), "An answer")


def _description(view: View) -> str:
    words = " · ".join(plain(b.words) for b in view.blocks if isinstance(b, Text))
    return words if len(words) <= DESCRIPTION else words[: DESCRIPTION - 1] + "…"


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


async def result_json(request: web.Request) -> web.Response:
    """The kept answer as data; who asked and where is not part of it."""
    limit_reads(request)
    command, row, outcome = await kept_answer(request, request.match_info["id"])
    response = json_response(
        {
            "id": row.id,
            "url": f"{base_of(request)}/r/{row.id}",
            "tool": row.tool,
            "line": typed_line(command, row.inputs),
            "inputs": row.inputs,
            "request": row.request,
            "result": row.result,
            "refusal": outcome.refusal,
            "created_at": row.created_at,
            "expires_at": row.expires_at,
        }
    )
    response.headers["Content-Disposition"] = f'inline; filename="{row.tool}-{row.id[:6]}.json"'
    unlisted(response.headers)
    return response


async def chart_picture(request: web.Request) -> web.Response:
    """The picture of the answer's chart, drawn now unless the browser has this one already."""
    limit_reads(request)
    command, _, outcome = await kept_answer(request, request.match_info["id"])
    charts = show(command, outcome).view.charts()
    place = request.query.get("n", "1")
    if place not in {str(n + 1) for n in range(len(charts))}:
        raise Problem(404, "This answer has no such chart.")
    chart = charts[int(place) - 1]
    etag = _etag(chart)
    headers = {"ETag": f'"{etag}"', "Cache-Control": f"private, max-age={CHART_SECONDS}"}
    unlisted(headers)
    if any(tag.value in (etag, "*") for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    try:
        picture = await request.app[SERVICES].charts.png(chart)
    except ChartBusy:
        raise Problem(503, "Many charts are being drawn; try again shortly.", wait_s=2) from None
    except ChartFailed:
        raise Problem(500, "This chart could not be drawn; the answer stands without it.") from None
    return web.Response(body=picture, content_type="image/png", headers=headers)


def _etag(chart: Chart) -> str:
    return hashlib.sha256(repr(chart).encode("utf-8", "surrogatepass")).hexdigest()[:32]


async def result_file(request: web.Request) -> web.Response:
    """A file of the answer, always as a download and never as an active page of ours."""
    limit_reads(request)
    command, _, outcome = await kept_answer(request, request.match_info["id"])
    files = [b for b in show(command, outcome).view.blocks if isinstance(b, File)]
    place = int(request.match_info["place"])
    if not 1 <= place <= len(files):
        raise Problem(404, "This answer has no such file.")
    file = files[place - 1]
    kind = file.media_type if file.media_type in FILE_TYPES else "application/octet-stream"
    headers = {"Content-Disposition": "attachment", "Content-Security-Policy": FILE_POLICY}
    unlisted(headers)
    return web.Response(body=file.content, content_type=kind, headers=headers)
