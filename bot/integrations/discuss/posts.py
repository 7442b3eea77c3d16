"""Posts on their way: written down with their effects, followed to their end, told of once.

A post is a row beside its effect in the outbox, written in one change. Its end is written down by
``run``, together with whatever follows from it, so that a kill in between loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Protocol

from bot import effects
from bot.community.topics import channels_of_category, topic_names
from bot.community.words import ChannelSetting, Community, RolePurpose
from bot.discussing import Asked, Done, Origin, Poster
from bot.integrations.discuss import ledger
from bot.integrations.discuss.ending import asked_of, ended_post, reply_to, told_in
from bot.integrations.discuss.ledger import Post
from bot.integrations.discuss.pictures import WAIT_S
from bot.outbox import Effect, Outbox, Told
from bot.posting import DiscussionPost
from bot.store import Store

if TYPE_CHECKING:
    from sqlite_utils import Database

log = logging.getLogger(__name__)

KIND = "github.discussion"
RESULT, CHAT = "gh:result:{}:new", "gh:chat:{}:new"
NONE_ALLOWED = "Moderators have set the limit of posts to none here."
OVER = "That would be more posts than your {most:,} for now. You can post again <t:{again}:R>."
LOOK_S = 60.0  # a safety net under the outbox's word


class Rights(Community, Protocol):
    """What moderators have set, and which roles a right was given to."""

    def roles(self, purpose: RolePurpose, guild_id: str) -> Collection[str]:
        """The ids of the roles that were given that purpose in that server."""


class AdoptedPost(Protocol):
    """A Discussion or comment of ours that GitHub already has."""

    @property
    def key_short(self) -> str:
        """What its marker carries."""

    @property
    def kind(self) -> str:
        """``discussion`` or ``comment``."""

    @property
    def id(self) -> str:
        """Its node id."""

    @property
    def number(self) -> int:
        """Its number."""

    @property
    def url(self) -> str:
        """Its address."""

    @property
    def title(self) -> str:
        """Its title."""

    @property
    def category(self) -> str:
        """Its category's name."""


class Posts:
    """What is posted, whatever it is. ``clock`` gives Unix seconds; ``known``: whether ``adopt``
    was told what stands on GitHub; before that a post is looked for there before it is made.
    """

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        community: Rights,
        clock: Callable[[], float] = time.time,
        known: Callable[[], bool] = lambda: True,
    ) -> None:
        self._known = known
        self._store = store
        self._outbox = outbox
        self._community = community
        self._clock = clock
        self._wake = asyncio.Event()
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._listeners: list[Callable[[Done], None]] = []
        outbox.listen(self._heard)

    async def run(self) -> None:
        """Write down what has ended, until cancelled; first what ended while nobody looked."""
        while True:
            self._wake.clear()
            try:
                await self._settle()
            except Exception:
                log.exception("the ends of posts could not be written down")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()

    async def too_many(self, by: Poster) -> str:
        """Nothing while they may post one more, else when they may again."""
        return await self._store.read(lambda db: self._over_limit(db, by))

    async def origin_of(self, discussion: str | int) -> Origin | None:
        """Where in Discord the Discussion of that number or node id comes from.

        Raises ``LookupError`` where one of ours may be it whose number is not known yet.
        """
        word = str(discussion)
        number = int(word) if word.isdecimal() and len(word) < 16 else 0

        def query(db: Database) -> Origin | None:
            found = ledger.origin(db, number, word)
            if found is None and any(_may_stand(db, post) for post in ledger.posting(db)):
                raise LookupError(discussion)
            return found

        return await self._store.read(query)

    async def ended(self, key: str, limit_s: float) -> Asked:
        """How the post of that key stands when it has ended, or after ``limit_s`` seconds."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, set()).add(waiting)
        try:
            asked = await self._state_of(key)
            if asked is not None and asked.state == "posting":
                await asyncio.wait({waiting}, timeout=limit_s)
                asked = await self._state_of(key)
        finally:
            waiting.cancel()
            self._waiting[key].discard(waiting)
            if not self._waiting[key]:
                del self._waiting[key]
        return asked or Asked("failed", key, sentence="This post is not known any more.")

    def listen(self, done: Callable[[Done], None]) -> None:
        """Tell ``done`` of each post that has ended."""
        self._listeners.append(done)

    async def untold(self) -> list[Done]:
        """Posted results whose answers in Discord do not say so yet."""
        posts = await self._store.read(ledger.untold)
        return [Done("result", post.about, asked_of(post)) for post in posts]

    async def told(self, result_id: str) -> None:
        """Its answer says so now, or never can."""
        key = RESULT.format(result_id)
        await self._store.write(lambda db: ledger.set_told(db, key))

    async def adopt(self, posts: Iterable[AdoptedPost]) -> None:
        """Know Discussions again that an earlier database knew: a message is not posted twice."""
        now = self._clock()
        found = [
            Post(
                f"short:{post.key_short}", "adopted", "", "", "", "", "", "", post.title,
                post.category, now, "posted", post.number, post.id, post.url, told=1,
            )
            for post in posts
            if post.kind == "discussion"
        ]  # fmt: skip

        def change(db: Database) -> None:
            for post in found:
                ledger.keep(db, post)

        await self._store.write(change)

    def _heard(self, effect: Effect, _: Told) -> None:
        if effect.kind == KIND and effect.key.startswith(("gh:result:", "gh:chat:")):
            self._wake.set()

    async def _settle(self) -> None:
        """The ends that the outbox knows and the rows do not; replies go out with them."""
        ended = await self._store.read(_ended)
        if not ended:
            return

        def change(db: Database) -> None:
            for post, found in ended:
                ledger.keep(db, post)
                reply = reply_to(post)
                if reply is not None:
                    effects.enqueue(db, reply, doubtful=found)
                for each in told_in(post, self._tellers(post)):
                    effects.enqueue(db, each, doubtful=found)

        await self._store.write(change)
        self._outbox.wake()
        for post, _ in ended:
            for waiting in self._waiting.get(post.key, ()):
                if not waiting.done():
                    waiting.set_result(None)
            done = Done("result" if post.kind == "result" else "chat", post.about, asked_of(post))
            for listener in self._listeners:
                listener(done)

    def _tellers(self, post: Post) -> list[ChannelSetting]:
        """The channels for results of the server that it was posted from; one that is set for a
        topic takes what is posted in that topic's category.
        """
        every = channels_of_category(self._community, "results", post.category, topic_names())
        return [one for one in every if one.guild_id == post.guild_id]

    async def _enqueue(
        self, post: Post, by: Poster, body: str, files: tuple[Effect, ...] = ()
    ) -> Asked:
        """The row and its effects in one change; what was posted before is not posted again."""
        payload = DiscussionPost(category=post.category, title=post.title, body=body).payload()
        after, doubtful = files[-1].key if files else "", not self._known()
        effect = Effect(post.key, KIND, payload, after, WAIT_S if files else 0.0)

        def change(db: Database) -> Asked:
            before = ledger.post_of(db, post.key)
            if before is not None and before.state != "failed":
                return asked_of(before)
            over = self._over_limit(db, by)
            if over:
                return Asked("refused", post.key, sentence=over)
            # Given up means that it certainly was not done, so it may be tried anew.
            db.conn.execute("DELETE FROM outbox WHERE key = ? AND state = 'never'", [post.key])
            for each in files:
                effects.enqueue(db, each)
            effects.enqueue(db, effect, doubtful=doubtful)
            ledger.keep(db, post)
            return Asked("posting", post.key)

        asked = await self._store.write(change)
        self._outbox.wake()
        return asked

    async def _state_of(self, key: str) -> Asked | None:
        def query(db: Database) -> Asked | None:
            post = ledger.post_of(db, key)
            row = effects.row_of(db, key) if post is not None and post.state == "posting" else None
            return asked_of(post, row.told.reason if row else "") if post is not None else None

        return await self._store.read(query)

    def _over_limit(self, db: Database, by: Poster) -> str:
        now = self._clock()
        for most, per_s in self._community.post_limits(by.guild_id, by.roles):
            times = ledger.times_of(db, by.guild_id, by.user_id, now - per_s)
            if most == 0:
                return NONE_ALLOWED
            if len(times) >= most:
                again = math.ceil(times[len(times) - most] + per_s)
                return OVER.format(most=most, again=again)
        return ""


def _may_stand(db: Database, post: Post) -> bool:
    """Whether GitHub may have it already."""
    row = effects.row_of(db, post.key)
    return row is not None and row.told.state in ("unknown", "sent")


def _ended(db: Database) -> list[tuple[Post, bool]]:
    """Posts that have ended, with how, and whether they were found and not made by us."""
    rows = ((post, effects.row_of(db, post.key)) for post in ledger.posting(db))
    return [
        (ended_post(post, row.told), row.told.attempts == 0)
        for post, row in rows
        if row is not None and row.told.state in ("sent", "never")
    ]
