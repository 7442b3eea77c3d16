"""The conversation on GitHub, told in Discord, and answers brought back to where they were asked.

A webhook is a row before it is answered; notices follow from rows. What no webhook told of is
found in the list of discussions, by the same rules, so a missed delivery changes nothing but the
time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from bot.community.topics import channels_of_category
from bot.community.words import ChannelSetting, Community
from bot.effects import Effect, Told, enqueue
from bot.integrations.conversation import ledger
from bot.integrations.conversation.cards import answer_card
from bot.integrations.conversation.events import UNREADABLE, IsOwn, read_event, read_listed
from bot.integrations.conversation.seen import Seen
from bot.outbox import Outbox
from bot.posting import ChannelPost
from bot.store import Store
from content.site import Site

if TYPE_CHECKING:
    from sqlite_utils import Database

log = logging.getLogger(__name__)

BATCH_S = 5.0  # what happens within is told together
AGAIN_S = 5.0  # while something waits for its turn
OVERLAP_S = 600.0  # looked at again: lists can be minutes behind
SINCE = "conversation.since"
BASELINE = "conversation.baseline"


class Origin(Protocol):
    """The message in Discord that a discussion came from."""

    @property
    def guild_id(self) -> str:
        """Its server."""

    @property
    def channel_id(self) -> str:
        """Its channel or thread."""

    @property
    def message_id(self) -> str:
        """The message."""


Fetch = Callable[[float], Awaitable[Sequence[Mapping[str, Any]]]]
OriginOf = Callable[[int], Awaitable[Origin | None]]


class Conversation:
    """One for the process. ``is_own`` knows our login, ``fetch`` lists the discussions that
    changed since an instant, ``origin_of`` finds the message that one came from; it raises
    ``LookupError`` while that cannot be told.
    """

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        community: Community,
        site: Site,
        is_own: IsOwn,
        *,
        fetch: Fetch | None = None,
        origin_of: OriginOf | None = None,
        batch_s: float = BATCH_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._community = community
        self._site = site
        self._is_own = is_own
        self._fetch = fetch
        self._origin_of = origin_of
        self._batch_s = batch_s
        self._clock = clock
        self._wake = asyncio.Event()
        self._baseline: float | None = None
        outbox.listen(self._ended)

    async def take(self, event: str, action: str, payload: Mapping[str, Any], guid: str) -> bool:
        """Keep what a delivery tells, on disk when this returns; False where it is nothing new."""
        seen = read_event(event, action, payload, self._is_own)
        if seen is None:
            return False
        baseline, now = await self._since_start(), self._clock()
        new = await self._store.write(lambda db: ledger.record(db, seen, guid, baseline, now))
        self._wake.set()
        return new

    async def poll(self) -> None:
        """Look at the list for what no delivery told of. Raises what ``fetch`` raises."""
        if self._fetch is None:
            return
        baseline, now = await self._since_start(), self._clock()
        since = float(await self._store.fact(SINCE) or baseline)
        nodes = await self._fetch(since - OVERLAP_S)
        listed = await asyncio.to_thread(lambda: [self._listed(node) for node in nodes])
        seen = [one for one in listed if one is not None]

        def change(db: Database) -> None:
            for one in seen:
                ledger.record(db, one, "", baseline, now)
            ledger.purge(db, now)

        await self._store.write(change)
        latest = max([since, *(one.updated_at for one in seen)])
        await self._store.set_fact(SINCE, str(latest))
        self._wake.set()

    def wake(self) -> None:
        """Look now: a channel was configured."""
        self._wake.set()

    async def run(self) -> None:
        """Tell what happened, until cancelled."""
        await self._since_start()
        self._wake.set()  # what the last process did not come to
        waiting = False
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S if waiting else None):
                    await self._wake.wait()
            await asyncio.sleep(self._batch_s)
            self._wake.clear()
            try:
                waiting = await self.flush()
            except Exception:
                log.exception("news of discussions could not be told")
                waiting = True

    async def flush(self) -> bool:
        """Enqueue what is to be told now; True when something waits for its turn."""
        now = self._clock()
        waiting = await self._store.write(lambda db: ledger.flush(db, self._channels, now))
        waiting = await self._bring_answers() or waiting
        self._outbox.wake()
        return waiting

    def _listed(self, node: Mapping[str, Any]) -> Seen | None:
        try:
            return read_listed(node, self._is_own)
        except UNREADABLE:
            log.warning("a discussion in the list cannot be read")
            return None

    def _channels(self, seen: Seen) -> list[ChannelSetting]:
        """Where a discussion of that category is told of."""
        names = {topic.id: topic.name for topic in self._site.topics}
        return channels_of_category(self._community, "discussions", seen.category, names)

    async def _bring_answers(self) -> bool:
        """Whether one has to wait: its discussion was posted a moment ago, and is not known yet."""
        if self._origin_of is None:
            return False
        waiting = False
        for one in await self._store.read(ledger.untold_answers):
            try:
                origin = await self._origin_of(one.number)
            except LookupError:
                if one.own:
                    waiting = True
                    continue
                origin = None
            await self._store.write(partial(_bring, one=one, origin=origin))
        return waiting

    def _ended(self, effect: Effect, _: Told) -> None:
        if ":disc:" in effect.key:
            self._wake.set()

    async def _since_start(self) -> float:
        """When this database first knew of discussions: nothing older is told."""
        if self._baseline is None:
            now = str(self._clock())
            # One change, as a delivery and the list may both be the first.
            kept = await self._store.write(lambda db: ledger.kept_fact(db, BASELINE, now))
            self._baseline = float(kept)
        return self._baseline


def _bring(db: Database, one: Seen, origin: Origin | None) -> None:
    """Answer under the message that the discussion came from, once for each accepted answer; not
    where another one was accepted since ``one`` was read.
    """
    if not ledger.answer_told(db, one) or origin is None or one.answer is None or one.answer.own:
        return
    post = ChannelPost(
        channel_id=origin.channel_id,
        guild_id=origin.guild_id,
        card=answer_card(one, one.answer),
        reply_to=origin.message_id,
        purpose="discussions",
    )
    key = f"dc:{origin.channel_id}:answer:{one.number}:{one.answer.id}"
    enqueue(db, Effect(key, "discord.post", post.payload()))
