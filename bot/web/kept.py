"""The page of a kept answer: the answer itself, its data, its pictures and files."""

from __future__ import annotations

import time

from aiohttp import web

from bot.render.html import CHART_HEIGHT, CHART_WIDTH
from bot.runner import Outcome
from bot.view import File, Heading, Text, View, plain
from bot.web.answering import form_address, kept_answer, left_out, limit_reads, show, typed_line
from bot.web.errors import Problem, json_response
from bot.web.guard import FILE_POLICY, unlisted
from bot.web.pages import page_response
from bot.web.pictures import picture
from bot.web.runs import files_of
from bot.web.services import base_of

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
        form=form_address(command, row.inputs),
        url=f"{base}/r/{row.id}",
        headline=_headline(shown.view),
        description=_description(shown.view),
        image=f"{base}/r/{row.id}/chart.png" if shown.view.charts() else "",
        running=outcome.unfinished,
        files=await files_of(request, row.id),
        image_size=(CHART_WIDTH, CHART_HEIGHT),
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
            "state": _state(outcome),
            "created_at": row.created_at,
            "expires_at": row.expires_at,
        }
    )
    response.headers["Content-Disposition"] = f'inline; filename="{row.tool}-{row.id[:6]}.json"'
    unlisted(response.headers)
    return response


def _state(outcome: Outcome) -> str:
    """``queued`` or ``running`` while a worker has it, then ``done`` or ``refused``."""
    if outcome.unfinished:
        return outcome.pending.state if outcome.pending else "queued"
    return "refused" if outcome.refusal else "done"


async def chart_picture(request: web.Request) -> web.Response:
    """The picture of one of the answer's charts, dark or light."""
    limit_reads(request)
    command, _, outcome = await kept_answer(request, request.match_info["id"])
    charts = show(command, outcome).view.charts()
    place = request.query.get("n", "1")
    if place not in {str(n + 1) for n in range(len(charts))}:
        raise Problem(404, "This answer has no such chart.")
    return await picture(request, charts[int(place) - 1])


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
