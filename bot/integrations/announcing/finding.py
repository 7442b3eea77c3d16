"""Asks each place once what of ours stands there already; nothing is posted there before."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bot.integrations.announcing.adoption import Found, shown_digest
from bot.integrations.announcing.records import GITHUB
from compute.ending import end

if TYPE_CHECKING:
    from sqlite_utils import Database

log = logging.getLogger(__name__)

FACT = "announce.found:"
TOGETHER_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 300.0


# Rows of bot.integrations.github_discussions.words.Adopted, and of
# bot.integrations.discord_client.channels.adopting.AdoptedMessage: no integration imports another.
AdoptGitHub = Callable[[], Awaitable[Sequence[Any]]]
AdoptChannel = Callable[[str], Awaitable[Sequence[Any]]]


class Finder:
    """What of ours stands where. ``known`` has the places that were asked."""

    def __init__(self, github: AdoptGitHub | None, channel: AdoptChannel | None) -> None:
        self.known: dict[str, list[Found]] = {}
        self._github = github
        self._channel = channel
        self._asking: dict[str, asyncio.Task[list[Found]]] = {}
        self._next_at: dict[str, tuple[float, float]] = {}  # place -> when, the pause before

    @property
    def github(self) -> bool:
        """Whether Discussions are configured."""
        return self._github is not None

    @property
    def discord(self) -> bool:
        """Whether Discord is configured."""
        return self._channel is not None

    def every(self) -> list[Found]:
        """All that was found."""
        return [one for found in self.known.values() for one in found]

    def load(self, facts: Iterable[tuple[str, str]]) -> None:
        """What was found before this start, from the facts that hold it."""
        for key, value in facts:
            self.known[key.removeprefix(FACT)] = [Found(**one) for one in json.loads(value)]

    async def ask(self, places: Iterable[str], now: float) -> dict[str, list[Found]]:
        """What the places that were not asked yet hold; one that cannot be read is asked again.

        All are waited for ``TOGETHER_S``, as what stands in one tells what is missing in another;
        one that takes longer goes on, and holds up none.
        """
        for place in places:
            due = self._next_at.get(place, (0.0, 0.0))[0] <= now
            if place not in self.known and place not in self._asking and due:
                self._asking[place] = asyncio.create_task(self._ask(place), name=f"find-{place}")
        if self._asking:
            await asyncio.wait(self._asking.values(), timeout=TOGETHER_S)
        over = [place for place, task in self._asking.items() if task.done()]
        tasks = {place: self._asking.pop(place) for place in over}
        found: dict[str, list[Found]] = {}
        for place, task in tasks.items():
            error = task.exception()
            if error is None:
                found[place] = task.result()
            else:
                self._put_off(place, now, error)
        return found

    async def close(self) -> None:
        """Ask no further."""
        await end(*self._asking.values())

    async def _ask(self, place: str) -> list[Found]:
        if place == GITHUB:
            if self._github is None:
                return []
            return [_discussion(one) for one in await self._github() if one.kind == "discussion"]
        if self._channel is None:
            return []
        return [_message(place, one) for one in await self._channel(place)]

    def _put_off(self, place: str, now: float, error: BaseException) -> None:
        if not isinstance(error, Exception):
            raise error
        _, before = self._next_at.get(place, (0.0, 0.0))
        pause_s = min(max(before * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        self._next_at[place] = (now + pause_s, pause_s)
        name = "GitHub" if place == GITHUB else f"channel {place}"
        level = logging.WARNING if before == 0.0 else logging.INFO
        log.log(level, "What stands in %s cannot be read, nothing is posted there: %s", name, error)


def keep(db: Database, place: str, found: Sequence[Found]) -> None:
    """So that the place is not asked again."""
    row = {"key": f"{FACT}{place}", "value": json.dumps([asdict(one) for one in found])}
    db.table("facts").insert(row, pk="key", replace=True)


def facts_of(db: Database) -> list[tuple[str, str]]:
    """The facts that hold what was found."""
    sql = "SELECT key, value FROM facts WHERE substr(key, 1, ?) = ?"
    return [(str(key), str(value)) for key, value in db.execute(sql, [len(FACT), FACT]).fetchall()]


def _discussion(one: Any) -> Found:
    receipt = {"id": one.id, "number": one.number, "url": one.url, "category": one.category}
    return Found(
        GITHUB, one.key_short, receipt, _instant(one.created_at), one.title, one.category,
        shown=shown_digest(one.body),
    )  # fmt: skip


def _message(place: str, one: Any) -> Found:
    """As the receipts say it: a thread is one of the message only in a forum."""
    crosspostable = bool(getattr(one, "crosspostable", False))
    forum = bool(getattr(one, "forum", False))
    thread = str(one.thread_id or "")
    receipt = {
        "channel_id": getattr(one, "channel_id", "") or place, "message_id": one.message_id,
        "thread_id": thread if forum else "", "url": one.url, "crosspostable": crosspostable,
        "channel_name": getattr(one, "channel_name", ""),
    }  # fmt: skip
    done: dict[str, dict[str, Any]] = {}
    if crosspostable and getattr(one, "crossposted", False):
        done["crosspost"] = {}
    if thread and not forum:
        url = f"{str(one.url).rsplit('/', 2)[0]}/{thread}"
        done["thread"] = {"thread_id": thread, "url": url}
    return Found(place, one.key_short, receipt, _instant(one.created_at), done=done)


def _instant(value: float | datetime) -> float:
    return value.timestamp() if isinstance(value, datetime) else float(value)
