"""Runs on workers, on the page of their answer: how far they are, Cancel, and their files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from bot.jobs.words import File
from bot.results import Deleter
from bot.web.answering import delete_key_of, kept_answer, limit_reads, show
from bot.web.errors import Problem, json_response
from bot.web.guard import FILE_POLICY, unlisted
from bot.web.services import SERVICES

NO_RUN = "No run belongs to this answer."
CANCELLED = {
    "cancelled": (200, "Cancelled."),
    "cancelling": (202, "Its worker is told to stop."),
    "ended": (409, "It was over already."),
    "not yours": (403, "Only who asked for it can cancel it, from the same browser."),
    "unknown": (404, NO_RUN),
}


@dataclass(frozen=True, slots=True)
class FileLine:
    """One file as a page lists it."""

    name: str
    url: str
    size: str


async def progress(request: web.Request) -> web.Response:
    """How far the run is: words and numbers for programs, the same as HTML for the page."""
    limit_reads(request)
    result_id = request.match_info["id"]
    command, _, outcome = await kept_answer(request, result_id)
    jobs = request.app[SERVICES].jobs
    pending = outcome.pending or (await jobs.progress(result_id) if jobs else None)
    if pending is None:
        raise Problem(404, NO_RUN)
    response = json_response(
        {
            "id": result_id,
            "state": pending.state,
            "ended": pending.ended and not outcome.unfinished,
            "place": pending.place or None,
            "wait_low_s": pending.wait_low_s,
            "wait_high_s": pending.wait_high_s,
            "fraction": pending.fraction,
            "words": pending.words,
            "why": pending.why,
            "left_s": pending.left_s,
            "worker": pending.worker,
            "machine": pending.machine,
            "attempt": pending.attempt,
            "html": show(command, outcome).html,
        }
    )
    unlisted(response.headers)
    return response


async def cancel(request: web.Request) -> web.Response:
    """End a run that this browser asked for."""
    limit_reads(request)
    jobs = request.app[SERVICES].jobs
    if jobs is None:
        raise Problem(404, NO_RUN)
    key = delete_key_of(request)
    said = await jobs.cancel(request.match_info["id"], Deleter(delete_key=key))
    status, sentence = CANCELLED[said]
    if status >= 400:
        raise Problem(status, sentence)
    return json_response({"state": said, "message": sentence}, status)


async def file(request: web.Request) -> web.StreamResponse:
    """A file that a run made: never an active page of our origin, whatever is in it."""
    limit_reads(request)
    await kept_answer(request, request.match_info["id"])
    found = await _find(request)
    jobs = request.app[SERVICES].jobs
    assert jobs is not None
    path = jobs.path_of(found.sha256)
    if not await asyncio.to_thread(path.is_file):
        raise Problem(410, f"{found.name} is no longer kept.")
    text = found.media_type.startswith("text/") or found.media_type == "application/json"
    headers = {
        "Content-Type": f"{found.media_type}; charset=utf-8" if text else found.media_type,
        "Content-Disposition": f'{_disposition(found.media_type)}; filename="{found.name}"',
        "Content-Security-Policy": FILE_POLICY,
        "ETag": f'"{found.sha256[:32]}"',
    }
    unlisted(headers)
    return web.FileResponse(path, headers=headers)


async def files_of(request: web.Request, result_id: str) -> Sequence[FileLine]:
    """The files of a result, for its page."""
    jobs = request.app[SERVICES].jobs
    found = await jobs.files(result_id) if jobs is not None else []
    return [FileLine(f.name, f"/r/{result_id}/artefacts/{f.name}", size_of(f.size)) for f in found]


def size_of(count: int) -> str:
    """``820 bytes``, ``14 KiB``, ``2.3 MiB``."""
    if count < 2048:
        return f"{count:,} bytes"
    return f"{count / 1024:,.0f} KiB" if count < 2**20 else f"{count / 2**20:,.1f} MiB"


async def _find(request: web.Request) -> File:
    jobs = request.app[SERVICES].jobs
    found = await jobs.files(request.match_info["id"]) if jobs is not None else []
    name = request.match_info["name"]
    for one in found:
        if one.name == name:
            return one
    raise Problem(404, "This answer has no such file.")


def _disposition(media_type: str) -> str:
    """Pictures and plain text are looked at; the rest is saved, HTML always."""
    return "inline" if media_type in ("image/png", "text/plain") else "attachment"
