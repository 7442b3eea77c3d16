"""Progress messages: each follows its run, edited when something changed and not too often.

An edit that fails is not repeated: the next one says more. Nothing else waits for these edits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import discord

from bot.command import Command, pending, run_name
from bot.integrations.discord_client.parts import DiscordParts
from bot.integrations.discord_client.place import edit_in_channel
from bot.integrations.discord_client.reply import BROKEN, UNKNOWN_MESSAGE, Fate
from bot.jobs.words import Progress
from bot.render.discord import Message, Shown, render
from bot.results import Posted
from bot.runner import Outcome, restore
from bot.view import Block, Bold, Button, Heading, Link, Note, View
from compute.ending import end

log = logging.getLogger(__name__)

EVERY_S = 1.5  # between two edits of a message
FAR_BACK = 3  # from that place on, a message is edited less often: its news is only the place
LONGEST_EVERY_S = 30.0
AT_ONCE = 8  # edits under way: Discord takes 50 requests a second of a bot, answers among them
EDIT_S = 10.0
STILL_S = 0.7  # of the 3 s in which a press is to be answered
LAST_TRIES = 3
LAST_EDIT_S = 8.0  # of the delivery's time, which a slow edit must not use up


@dataclass(slots=True)
class Followed:
    """One message and the run that it shows. ``interaction`` is its quickest way while it lives."""

    command: Command
    outcome: Outcome
    posted: Posted | None
    interaction: discord.Interaction[Any] | None = None
    cancelling: bool = False
    over: bool = False
    last: View | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    task: asyncio.Task[None] | None = None


class Following:
    """One for a client."""

    def __init__(self, parts: DiscordParts, client: discord.Client) -> None:
        self._parts = parts
        self._client = client
        self._followed: dict[str, Followed] = {}
        self._beginning: set[str] = set()
        self._finished: set[str] = set()  # without being followed, before ``resume`` was through
        self._resumed = False
        self._room = asyncio.Semaphore(AT_ONCE)

    def follow(self, followed: Followed) -> None:
        """Keep this message up to date until its run is over."""
        if self._parts.jobs is None:
            return
        result_id = followed.outcome.id
        self._followed[result_id] = followed
        followed.task = asyncio.create_task(self._follow(followed), name=f"follow {result_id[:6]}")
        followed.task.add_done_callback(lambda _: self._followed.pop(result_id, None))

    async def resume(self) -> None:
        """Go on with the messages of runs that were not over when the last process ended."""
        if self._parts.jobs is None:
            return
        for row in await self._parts.results.unfinished("discord"):
            command = self._parts.commands.get(row.tool)
            # What only one person sees can be changed through its interaction alone.
            known = row.id in self._followed or row.id in self._finished
            if command is not None and not row.private and not known:
                posted = Posted(row.channel_id, row.message_id)
                self.follow(Followed(command, restore(command.tool, row), posted))
        self._resumed = True
        self._finished.clear()

    async def close(self) -> None:
        """Stop; the next process goes on."""
        await end(*[f.task for f in self._followed.values() if f.task is not None])

    @contextmanager
    def being_shown(self, result_id: str) -> Iterator[None]:
        """Around the first showing of a run: its answer waits until its message is known."""
        self._beginning.add(result_id)
        try:
            yield
        finally:
            self._beginning.discard(result_id)

    def is_being_shown(self, result_id: str) -> bool:
        """Whether the progress message of that run is only just being posted."""
        return result_id in self._beginning

    def cancelling(self, result_id: str) -> None:
        """Somebody pressed Cancel: from now on the message says so."""
        if result_id in self._followed:
            self._followed[result_id].cancelling = True

    @asynccontextmanager
    async def still(self, result_id: str, progress: Progress) -> AsyncIterator[bool]:
        """Whether ``progress`` may be shown now: no edit is under way, and none comes within but
        after it. What is over may always be said.
        """
        followed = self._followed.get(result_id)
        if followed is None or progress.ended:
            yield progress.ended
            return
        try:
            async with asyncio.timeout(STILL_S):
                await followed.lock.acquire()
        except TimeoutError:
            yield False
            return
        going = followed.task is not None and not followed.task.done()
        try:
            yield going and not followed.over
        finally:
            followed.lock.release()

    async def finish(self, result_id: str, posted: Posted, message: Message) -> None:
        """The last edit; nothing here changes that message afterwards. May be repeated."""
        followed = self._followed.get(result_id)
        if followed is None and not self._resumed:
            self._finished.add(result_id)
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_EDIT_S):
                if followed is None:
                    await edit_in_channel(self._client, posted, message)
                else:
                    await self._finish(followed, message)

    def shown(self, result_id: str) -> Shown:
        """How such a message looks."""
        return Shown(result_id=result_id, base_url=self._parts.base_url, public=True)

    async def _follow(self, followed: Followed) -> None:
        assert self._parts.jobs is not None
        try:
            async for progress in self._parts.jobs.watch(followed.outcome.id):
                if not await self._show(followed, progress) or progress.ended:
                    return
                await self._pause(progress)
        except Exception:
            ref = followed.outcome.id[:6]
            log.exception("ref %s: its progress is no longer shown", ref)

    async def _pause(self, progress: Progress) -> None:
        """Until the next edit may come: far back in the queue a while, but its end is soon seen."""
        assert self._parts.jobs is not None
        left_s = _every_s(progress)
        while left_s > 0:
            await asyncio.sleep(min(EVERY_S, left_s))
            left_s -= EVERY_S
            if left_s > 0:
                now = await self._parts.jobs.progress(progress.result_id)
                if now is None or now.state != progress.state:
                    return

    async def _show(self, followed: Followed, progress: Progress) -> bool:
        """Edit the message if it would change; False when it need not be followed any more."""
        view = view_of(followed, progress)
        message = render(view, self.shown(followed.outcome.id))
        for _ in range(LAST_TRIES if progress.ended else 1):
            if view == followed.last:
                return True
            async with self._room, followed.lock:
                fate = Fate.GONE if followed.over else await self._edit(followed, message)
            if fate is Fate.GONE:
                return False
            if fate is Fate.DONE:
                followed.last = view
            else:
                await asyncio.sleep(EVERY_S)
        return True

    async def _edit(self, followed: Followed, message: Message) -> Fate:
        """Through the interaction while its token lives, then by the bot's own right."""
        through = followed.interaction
        if through is not None and not through.is_expired():
            fate = await _try(
                through.edit_original_response(view=message.layout, attachments=message.files())
            )
            if fate is not Fate.GONE:
                return fate
        followed.interaction = None
        if followed.posted is None or not followed.posted.channel_id:
            return Fate.GONE
        channel = self._client.get_partial_messageable(int(followed.posted.channel_id))
        target = channel.get_partial_message(int(followed.posted.message_id))
        return await _try(target.edit(view=message.layout, attachments=message.files()))

    async def _finish(self, followed: Followed, message: Message) -> None:
        followed.over = True
        async with followed.lock:  # an edit that is under way is let through first
            for _ in range(LAST_TRIES):
                if await self._edit(followed, message) is not Fate.LOST:
                    return
                await asyncio.sleep(EVERY_S)


async def _try(edit: Any) -> Fate:
    """One edit: DONE, LOST (perhaps the next one succeeds), or GONE (this way never will)."""
    try:
        async with asyncio.timeout(EDIT_S):
            await edit
    except BROKEN as error:
        log.info("a progress edit was lost: %s", type(error).__name__)
        return Fate.LOST
    except discord.HTTPException as error:
        if error.status == 429:
            return Fate.LOST
        level = logging.INFO if error.code == UNKNOWN_MESSAGE else logging.WARNING
        log.log(level, "a progress message can no longer be edited: %s", error)
        return Fate.GONE
    return Fate.DONE


def view_of(followed: Followed, progress: Progress) -> View:
    """The message while its run goes on, and once it is over."""
    if progress.ended:
        return ended_view(followed.command, followed.outcome, progress)
    view = pending(followed.command, replace(followed.outcome, pending=progress))
    if not followed.cancelling:
        return view
    first, *rest = view.without(Button).blocks
    said = Heading((*first.words, " \u00b7 cancelling")) if isinstance(first, Heading) else first
    return View((said, *rest), view.tone)


def ended_view(
    command: Command, outcome: Outcome, progress: Progress | None, link: str = "", note: str = ""
) -> View:
    """The progress message of a run that is over: where its answer is."""
    name = run_name(command, outcome.inputs, outcome.request)
    state = progress.state if progress is not None else "done"
    blocks: list[Block] = []
    if state == "cancelled":
        blocks = [Heading((Bold(name), " \u00b7 cancelled")), Button("Change inputs", "change")]
    else:
        said = "failed" if state == "failed" else "finished"
        told = f" \u00b7 {said}" + (", see below" if link and not note else "")
        blocks = [Heading((Bold(name), told))]
        blocks += [Note((note,))] if note else []
        blocks += [Link("Answer", link)] if link else []
        blocks.append(Link("Page", f"/r/{outcome.id}"))
    return View(tuple(blocks), tone="notice")


def _every_s(progress: Progress) -> float:
    back = progress.place - FAR_BACK if progress.state == "queued" else 0
    return min(EVERY_S * max(back, 1), LONGEST_EVERY_S)
