"""What a person is told of their run: place in line, honest guesses, how far it is."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from bot.jobs import estimate, order
from bot.jobs.desk import Desk
from bot.jobs.estimate import Place, Running, RunTimes
from bot.jobs.order import Queued
from bot.jobs.run import Run
from bot.jobs.words import AskedRun, Progress

if TYPE_CHECKING:
    from sqlite_utils import Database

LOOK_S = 0.5  # the order of what waits is read that often, however many watch it
UNREACHABLE = "The queue cannot be reached at the moment; your run waits and goes on by itself."
AGAIN = "Its worker was lost; it starts again on the next free one."
ENDED = """SELECT asks.result_id, runs.tool, asks.state, runs.words, runs.worker, runs.machine,
    runs.attempt, asks.asked_at, asks.ended_at FROM asks JOIN runs ON runs.id = asks.run_id"""
OF_USER = """SELECT asks.result_id, results.inputs, asks.ended_at, asks.delivery, outbox.state
    FROM asks
    JOIN results ON results.id = asks.result_id
    LEFT JOIN outbox ON outbox.key = 'answer:' || asks.result_id
    WHERE asks.user_id = ? ORDER BY asks.asked_at DESC, asks.rowid DESC LIMIT ?"""


class Outlook:
    """The places of everything that waits, at most ``LOOK_S`` old."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._places: dict[str, Place] = {}
        self._times = RunTimes({})
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def refresh(self) -> None:
        """Read the order again when that is due."""
        async with self._lock:
            if time.monotonic() - self._read_at < LOOK_S:
                return
            self._read_at = time.monotonic()
            tools = {run.tool for run in self._desk.runs.values()}
            queue, times = await self._desk.store.read(lambda db: _read(db, tools))
            now = self._desk.clock()
            running = [
                Running(run.kind, run.worker, now - run.started_at)
                for run in self._desk.runs.values()
                if self._desk.occupies(run)
            ]
            self._times = times
            self._places = estimate.places(queue, running, self._desk.hands(), times)

    def progress(self, run: Run, result_id: str, asked_at: float) -> Progress:
        """Of one person's run that is not over."""
        told: dict[str, Any] = {"why": self._why(run), "words": run.words}
        if run.state == "queued":
            place = self._places.get(run.id)
            told["place"] = place.place if place else 0
            if place and place.starts and not told["why"]:
                told |= {"wait_low_s": place.starts.low_s, "wait_high_s": place.starts.high_s}
        else:
            elapsed_s = max(self._desk.clock() - run.started_at, 0.0)
            span = self._times.span(run.kind)
            told["left_s"] = estimate.left_s(span, elapsed_s, run.fraction)
            told |= {"fraction": run.fraction, "partial": run.partial}
        return Progress(
            result_id=result_id,
            tool=run.tool,
            state=run.state,
            worker=run.worker,
            machine=run.machine,
            attempt=run.attempt,
            asked_at=asked_at,
            **told,
        )

    def _why(self, run: Run) -> str:
        if run.cancelling:
            return "It is being cancelled."
        if not self._desk.queue.up:
            return UNREACHABLE if run.state == "queued" else ""
        if run.state == "running":
            return ""
        lacking = self._desk.presence.lacking(run.kind)
        return lacking or (AGAIN if run.base else "")


def ended_progress(db: Database, result_id: str) -> Progress | None:
    """How a run that is over ended for one who asked; None when there is no such ask."""
    row = db.conn.execute(f"{ENDED} WHERE asks.result_id = ?", [result_id]).fetchone()
    if row is None:
        return None
    result_id, tool, state, words, worker, machine, attempt, asked_at, _ = row
    return Progress(
        result_id, tool, state or "queued", words=words, worker=worker, machine=machine,
        attempt=attempt, asked_at=asked_at, fraction=1.0 if state == "done" else 0.0,
    )  # fmt: skip


def asked_runs(db: Database, user_id: str, limit: int) -> list[tuple[AskedRun, bool]]:
    """The last runs of a member, newest first, each with whether it is over; those that are not
    have yet to be given their progress.
    """
    found = []
    for row in db.conn.execute(OF_USER, [user_id, limit]).fetchall():
        result_id, inputs, ended_at, delivery, effect = row
        progress = ended_progress(db, result_id)
        if progress is not None:
            if not delivery and effect in ("waiting", "unknown"):
                delivery = "waiting"
            asked = AskedRun(progress, json.loads(inputs), ended_at or None, delivery)
            found.append((asked, ended_at > 0))
    return found


def _read(db: Database, tools: set[str]) -> tuple[list[Queued], RunTimes]:
    """What is on the broker goes before what is not."""
    return [*order.waiting(db), *order.in_order(db)], estimate.past_times(db, tools)
