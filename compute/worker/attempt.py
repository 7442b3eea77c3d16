"""A tool's run in the child: under its limits, and then its files into the object store."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

from nats.errors import Error

from compute.files import MediaType
from compute.jobs.job import Artefact, Job
from compute.worker.artefacts import upload
from compute.worker.child_process import Answer, ChildGone, ChildProcess
from compute.worker.outcome import HandBack, Outcome, failed, of_answer, of_ending, of_limit
from compute.worker.post import Post, ended
from compute.worker.report import Report
from compute.worker.watch import LOOK_S, Exceeded, watch

log = logging.getLogger(__name__)

UPLOAD_TRIES = 3


async def attempt(post: Post, job: Job, report: Report) -> Outcome:
    """Run ``job`` in the warm child. Raises ``HandBack`` where this worker is the trouble.

    Cancelling it kills the child with all that it started before this returns.
    """
    try:
        child = await post.warm.get()
    except ChildGone:
        raise HandBack("no child could be started") from None
    reuse = False
    try:
        outcome = await _asked(post, job, report, child)
        if outcome.phase == "done" and report.files:
            outcome = await _with_files(post, job, report, child, outcome)
        reuse = outcome.phase in ("done", "refused") and not outcome.worn
    finally:
        if printed := child.printed.take():
            log.info("%s, job %s, printed: %s", job.tool, job.id[:6], printed)
        await post.warm.put_back(child, reuse=reuse)
    return outcome


async def _asked(post: Post, job: Job, report: Report, child: ChildProcess) -> Outcome:
    talk = asyncio.create_task(child.ask(job, report.hear))
    try:
        await asyncio.wait({talk}, timeout=min(LOOK_S, job.limit_s))
        if not talk.done():  # most jobs of a busy queue end before anyone would look
            await _watched(post, job, child, talk)
        if not talk.done():
            return failed("time", f"It ran longer than {job.limit_s:g} s and was ended.")
        return _heard(job, await talk)
    except Exceeded as exceeded:
        return of_limit(exceeded)
    except ChildGone as gone:
        return of_ending(gone.ending)
    finally:
        await ended(talk)


async def _watched(post: Post, job: Job, child: ChildProcess, talk: asyncio.Task[Answer]) -> None:
    """Wait for the answer or the time limit. Raises ``Exceeded`` for any other limit."""
    bounds = post.warm.bounds
    watching = asyncio.create_task(watch(child.leash.pid, child.scratch, job.host_gib, bounds))
    try:
        left_s = max(0.0, job.limit_s - LOOK_S)
        first: set[asyncio.Task[Any]] = {talk, watching}
        await asyncio.wait(first, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            await watching
    finally:
        await ended(watching)


def _heard(job: Job, answer: Answer) -> Outcome:
    if trace := answer.get("trace"):
        log.error("%s, job %s: %s", job.tool, job.id[:6], trace)
    return of_answer(answer)


async def _with_files(
    post: Post, job: Job, report: Report, child: ChildProcess, outcome: Outcome
) -> Outcome:
    """The outcome with its files stored, or a failure that names the one that was not."""
    kept: list[Artefact] = []
    for name, media_type in report.files.items():
        artefact = await _sent(post, job, child, name, media_type)
        if artefact is None:
            return failed("error", f"It ended well, but its file {name} could not be sent.")
        kept.append(artefact)
    return replace(outcome, artefacts=tuple(kept))


async def _sent(
    post: Post, job: Job, child: ChildProcess, name: str, media_type: MediaType
) -> Artefact | None:
    path = child.scratch / "files" / name
    for _ in range(UPLOAD_TRIES):
        try:
            artefact = await upload(post.js, post.name, job.id, path, media_type)
        except (Error, TimeoutError) as error:
            log.warning("file %s of job %s: %r", name, job.id[:6], error)
            await asyncio.sleep(post.timing.renew_s)
        except (OSError, ValueError) as error:
            log.error("file %s of job %s: %r", name, job.id[:6], error)
            return None
        else:
            path.unlink()
            return artefact
    return None
