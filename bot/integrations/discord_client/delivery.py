"""Finished jobs: the answer is a new message that mentions who asked, sent once by the outbox.

Its key is in it: the message's nonce, and the result's id in its buttons. Where the channel takes
it no more it goes by direct message, and where that is closed it stays on its page; /jobs says so.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import discord

from bot.command import Command, answer
from bot.integrations.discord_client.channels.needs import HISTORY, VIEW
from bot.integrations.discord_client.channels.places import ClientPlaces
from bot.integrations.discord_client.discussions.offer import with_offer
from bot.integrations.discord_client.following import Following, ended_view
from bot.integrations.discord_client.parts import DiscordParts
from bot.integrations.discord_client.reply import BROKEN
from bot.jobs.words import Delivery, Progress
from bot.outbox import Effect, Later, Never, Outbox, Receipt
from bot.render.chart import ChartBusy, ChartFailed
from bot.render.discord import Message, Shown, notice, render
from bot.results import Posted, StoredResult
from bot.runner import Outcome, restore
from bot.view import Chart, File

if TYPE_CHECKING:
    from bot.integrations.discord_client.client import K2CClient

log = logging.getLogger(__name__)

KIND = "discord.answer"
KEY = "answer:"
AT_ONCE = 4  # so that one slow channel does not keep the others waiting
SEND_LIMIT_S, GRACE_S = 25.0, 40.0
TRIES_S = (7.0, 7.0)  # each with the same nonce, which Discord answers with the first message
CHART_S = 5.0
NONCE_S = 120.0  # how long Discord surely knows a nonce ("a few minutes")
BEFORE_S = 600.0  # how far before the attempt is looked: two clocks never quite agree
PAGE, MOST = 100, 1000  # messages looked through for an answer
NOT_CONNECTED_S = 2.0
SHOWING_S = 0.2
YOUNG_S = 3.0  # a run that is younger may be over before its progress message is begun

BY_DM = "I could not post the answer here, so it is in your direct messages."
ON_PAGE = "I could post the answer neither here nor as a direct message; its page has it."
PLAIN = "<@{user}> **Your answer is ready**, but too unusual for a message: {base}/r/{id}"


class Unsure(Exception):
    """Whether it was posted cannot be told."""


@dataclass(frozen=True, slots=True)
class Due:
    """One answer to be delivered."""

    command: Command
    row: StoredResult
    outcome: Outcome
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class Place:
    """A channel that may take the answer; ``delivery`` is what that is called."""

    channel_id: int
    delivery: Delivery


class AnswerSender:
    """The outbox's sender for ``KIND``. ``client`` gives the one that is logged in, if any."""

    def __init__(self, parts: DiscordParts, client: Callable[[], K2CClient | None]) -> None:
        self._parts = parts
        self._client = client

    def register(self, outbox: Outbox, *, grace_s: float = GRACE_S) -> None:
        """Take all effects of this kind."""
        limit_s = min(SEND_LIMIT_S, grace_s * 0.75)
        outbox.register(KIND, self, at_once=AT_ONCE, send_limit_s=limit_s, grace_s=grace_s)

    async def send(self, effect: Effect) -> Receipt:
        """Post it where it is taken. Raises ``Later`` and ``Never``."""
        client = self._connected()
        due = await self._due(effect)
        if due is None:
            raise Never("the answer was deleted, its time is over, or its command is gone")
        if due.progress is not None and due.progress.state == "cancelled":
            return await self._arrived(client.following, due, "", None)
        if due.outcome.unfinished:
            raise Later("the run is not over")
        young = not due.row.message_id and time.time() - due.row.created_at < YOUNG_S
        if young or client.following.is_being_shown(due.row.id):
            raise Later("its progress message is only just being posted", SHOWING_S)
        forms = await self._forms(due)
        async for place in self._places(client, due.row):
            posted = await _post(client, due.row, place, forms)
            if posted is not None:
                return await self._arrived(client.following, due, place.delivery, posted)
        return await self._arrived(client.following, due, "page only", None)

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """Look through our messages where it should stand."""
        client = self._connected()
        due = await self._due(effect)
        if due is None:
            return None
        async for place in self._places(client, due.row):
            try:
                posted = await _search(client, due.row, place, since)
            except Unsure as error:
                log.warning("ref %s: %s", due.row.id[:6], error)
                return await self._arrived(client.following, due, "page only", None)
            if posted is not None:
                return await self._arrived(client.following, due, place.delivery, posted)
        return None

    def _connected(self) -> K2CClient:
        client = self._client()
        if client is None or client.is_closed():
            raise Later("Discord is not connected", NOT_CONNECTED_S, all_of_it=True)
        return client

    async def _due(self, effect: Effect) -> Due | None:
        result_id = effect.key.removeprefix(KEY)
        row = await self._parts.results.get(result_id)
        command = self._parts.commands.get(row.tool) if row is not None else None
        if row is None or command is None:
            return None
        jobs = self._parts.jobs
        progress = await jobs.progress(result_id) if jobs is not None else None
        return Due(command, row, restore(command.tool, row), progress)

    async def _places(self, client: K2CClient, row: StoredResult) -> AsyncIterator[Place]:
        """Where the answer may go, best first."""
        if row.channel_id and not row.private:
            yield Place(int(row.channel_id), "posted")
        try:
            direct = await client.create_dm(discord.Object(int(row.user_id)))
        except discord.HTTPException as error:
            if _passing(error):
                raise Later(f"no direct message can be opened now: {error}") from error
            log.info("ref %s: no direct message: %s", row.id[:6], error)
        else:
            yield Place(direct.id, "by direct message")

    async def _forms(self, due: Due) -> list[Message]:
        """The answer; without its picture and files; and as no more than where it is."""
        row = due.row
        view = with_offer(self._parts, due.command, answer(due.command, due.outcome), row.guild_id)
        shown = Shown(row.id, self._parts.base_url, public=True, mention=int(row.user_id))
        bare = render(view.without(Chart, File), shown)
        chart = next(iter(view.charts()), None)
        if chart is not None:
            shown = await self._drawn(chart, shown)
        full = render(view, shown)
        plain = PLAIN.format(user=row.user_id, base=self._parts.base_url, id=row.id)
        return [full, *([bare] if full.attachments else []), notice(plain, "notice")]

    async def _drawn(self, chart: Chart, shown: Shown) -> Shown:
        try:
            async with asyncio.timeout(CHART_S):
                return replace(shown, png=await self._parts.charts.png(chart))
        except (ChartBusy, TimeoutError):
            return replace(shown, chart_button=True)
        except ChartFailed as error:
            log.warning("the chart of %s: %s", shown.result_id[:6], error)
            return shown

    async def _arrived(
        self, following: Following, due: Due, delivery: Delivery, posted: Posted | None
    ) -> Receipt:
        """Say in the progress message where the answer is, and keep it. May be repeated."""
        result_id = due.row.id
        before = await self._parts.results.message_of(result_id)
        if before is not None and before != posted:
            note = {"by direct message": BY_DM, "page only": ON_PAGE}.get(delivery, "")
            link = _link(due.row, posted) if posted is not None else ""
            view = ended_view(due.command, due.outcome, due.progress, link, note)
            await following.finish(result_id, before, render(view, following.shown(result_id)))
        if posted is not None:
            await self._parts.results.attach_message(
                result_id, posted.channel_id, posted.message_id
            )
        if self._parts.jobs is not None:
            await self._parts.jobs.delivered(result_id, delivery)
        where: Receipt = {"delivery": delivery}
        if posted is not None:
            where |= {"channel_id": posted.channel_id, "message_id": posted.message_id}
        return where


async def _post(
    client: K2CClient, row: StoredResult, place: Place, forms: list[Message]
) -> Posted | None:
    """Post the first form that is taken there; None where certainly none is.

    Without the right to attach files Discord refuses the whole message; the last form is only for
    an answer that Discord cannot read.
    """
    unreadable = False
    for form in forms:
        if form is forms[-1] and not unreadable:
            return None
        try:
            return await _send(client, place, form, row)
        except discord.HTTPException as error:
            if _passing(error):
                raise Later(f"Discord is busy: {error}") from error
            log.warning("ref %s: not %s: %s", row.id[:6], place.delivery, error)
            unreadable = unreadable or error.status in (400, 413)
            if error.status == 404:
                return None
    return None


async def _send(client: K2CClient, place: Place, message: Message, row: StoredResult) -> Posted:
    """One message, mentioning its asker alone; what breaks is tried again with the same nonce."""
    channel = client.get_partial_messageable(place.channel_id)
    only_them = discord.AllowedMentions(
        everyone=False, roles=False, users=[discord.Object(int(row.user_id))]
    )
    for last, limit_s in enumerate(TRIES_S, start=1 - len(TRIES_S)):
        try:
            async with asyncio.timeout(limit_s):
                sent = await channel.send(
                    view=message.layout, files=message.files(), allowed_mentions=only_them,
                    nonce=row.id,
                )  # fmt: skip
                return Posted(str(place.channel_id), str(sent.id))
        except BROKEN as error:  # a 5xx is one of them
            if last == 0:
                raise Unsure(f"posting broke off: {error!r}") from error
            log.info("ref %s: posting again: %s", row.id[:6], type(error).__name__)
    raise AssertionError("unreachable: the last try returns or raises")


async def _search(
    client: K2CClient, row: StoredResult, place: Place, since: float
) -> Posted | None:
    """Our message there with that result's id that is not its progress message."""
    lacking = ClientPlaces(lambda: client).lacking_of(str(place.channel_id), [VIEW, HISTORY])
    try:
        if lacking:  # Discord may then show an empty channel, which says nothing
            return _unseen(since, f"I lack {', '.join(lacking)}")
        async for message in _messages(client, place.channel_id, since - BEFORE_S):
            if _is_answer(message, row, client):
                return Posted(str(place.channel_id), str(message["id"]))
    except discord.NotFound:
        return None
    except discord.Forbidden as error:
        return _unseen(since, str(error))
    return None


def _unseen(since: float, why: str) -> Posted | None:
    """While Discord knows the nonce it may be posted again; after that raises ``Unsure``."""
    if time.time() - since >= NONCE_S:
        raise Unsure(f"I may not read there what I have posted: {why}")
    return None


def _is_answer(message: Any, row: StoredResult, client: K2CClient) -> bool:
    ours = client.user is not None and message["author"]["id"] == str(client.user.id)
    tells = any(str(user["id"]) == row.user_id for user in message["mentions"])
    parts = json.dumps(message["components"]) + message["content"]
    return ours and tells and row.id in parts and f"k2c:cancel:{row.id}" not in parts


async def _messages(client: K2CClient, channel_id: int, since: float) -> AsyncIterator[Any]:
    """What stands in a channel since then, the newest first, as Discord words it."""
    oldest = discord.utils.time_snowflake(datetime.fromtimestamp(since, UTC))
    before: int | None = None
    for _ in range(MOST // PAGE):
        page = await client.http.logs_from(channel_id, PAGE, before=before)
        for message in (m for m in page if int(m["id"]) >= oldest):
            yield message
        if len(page) < PAGE or int(page[-1]["id"]) < oldest:
            return
        before = int(page[-1]["id"])


def _passing(error: discord.HTTPException) -> bool:
    return error.status in (401, 429) or error.status >= 500


def _link(row: StoredResult, posted: Posted) -> str:
    guild = row.guild_id if posted.channel_id == row.channel_id else ""
    return f"https://discord.com/channels/{guild or '@me'}/{posted.channel_id}/{posted.message_id}"
