"""Announces articles: takes what changed, decides, and enqueues; the outbox does it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from bot.command import Choice
from bot.community.words import Community
from bot.effects import Effect, Told
from bot.guild_command import Preview
from bot.integrations.announcing import book
from bot.integrations.announcing.diff import Before, Polled, compare
from bot.integrations.announcing.finding import AdoptChannel, AdoptGitHub, Finder
from bot.integrations.announcing.plan import targets
from bot.integrations.announcing.preview import ShownBy, going, plain_card, preview
from bot.integrations.announcing.problems import identity
from bot.integrations.announcing.records import GITHUB, Record, Standing
from bot.integrations.announcing.shelf import Shelf
from bot.integrations.announcing.where import Whereabouts
from bot.outbox import Outbox
from bot.store import Store
from compute.ending import end
from compute.tool import Refused
from config.settings import Settings
from content.library import Library
from content.site import Site
from content.sources.article import Problem

log = logging.getLogger(__name__)

LOOK_S = 5.0  # between looks at what waits for nothing but time
FIND_S = 1.0  # between looks whether a new channel was configured
BATCH = 20  # articles planned in one change, which is 20 ms of the writer's time

UNKNOWN = "I know no such article: pick one of the suggestions."
DRAFT = "It is a draft. Publish the article first; then it is announced by itself."
NOWHERE = (
    "There is nowhere to announce it: set a channel with /config channel, or ask whoever operates "
    "this bot to configure GitHub."
)


class Announcer:
    """One for the process; answers as ``bot.guild_command.Announcing``.

    Without ``adopt_github`` there are no Discussions, without ``adopt_channel`` no messages in
    Discord; both tell what of ours stands there, before anything is posted. ``since``: articles of
    then or later are announced though they were there before we looked first.
    """

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        community: Community,
        library: Library,
        site: Site,
        settings: Settings,
        categories: Callable[[], list[str]] = list,
        adopt_github: AdoptGitHub | None = None,
        adopt_channel: AdoptChannel | None = None,
        *,
        shown_by: ShownBy | None = None,
        since: datetime | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._community = community
        self._library = library
        self._sources = frozenset(settings.articles)
        self._finder = Finder(adopt_github, adopt_channel)
        self._where = Whereabouts(site, community, categories, self._finder)
        self._shown_by = shown_by or ShownBy(plain_card)
        self._since = since
        self._clock = clock
        self._shelf = Shelf()
        self._read: frozenset[str] = frozenset()
        self._revision = -1
        self._categories: dict[str | None, str] = {}
        self._problems: list[Problem] | None = None  # before the first look
        self._logged: set[str] = set()
        self._taking = asyncio.Lock()
        self._awake = asyncio.Event()

    async def start(self) -> None:
        """Read what is known, before the outbox runs."""
        loaded = await self._store.read(book.load)
        self._read = loaded.read
        self._finder.load(loaded.found)
        if self._since is None and loaded.since:
            self._since = datetime.fromisoformat(loaded.since)
        self._shelf.hold({record.short: record for record in loaded.records})
        self._shelf.stir_open()
        self._where.heard_at = self._clock()
        self._outbox.listen(self._ended)

    async def on_articles(self, polled: Polled) -> None:
        """Take what a look at the sources found. Raises ``StoreError``."""
        async with self._taking:
            now = self._clock()
            before = Before(self._shelf.by_key(), self._read, self._sources, self._since)
            change = await asyncio.to_thread(compare, before, polled, now)
            read = self._read | change.read
            if change.records or read != self._read:
                found = self._finder.every()
                topics = {record.article.topic for _, record in change.records}
                wheres = self._where.of(topics | self._shelf.topics())
                made = await self._store.write(
                    lambda db: book.take(db, change, read, found, wheres, now)
                )
                self._read = read
                self._keep(made.records)
            self._problems = [*polled.problems, *change.problems]
            await self._tell()
        self.wake()

    def wake(self) -> None:
        """Look now."""
        self._awake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        finding = asyncio.create_task(self._keep_finding(), name="announce-find")
        try:
            while True:
                self._awake.clear()
                try:
                    await self.step()
                except Exception:
                    log.exception("Announcing could not go on; it is tried again")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pause_s()):
                        await self._awake.wait()
        finally:
            await end(finding)
            await self._finder.close()

    async def step(self) -> None:
        """Announce what is due and plan what changed, as far as it goes now."""
        await self._note_settings()
        now = self._clock()
        due = self._shelf.due(now)
        wheres = self._where.of({record.article.topic for record in due})
        sensible = [
            r.short for r in due
            if wheres[r.article.topic].wants_github or wheres[r.article.topic].channels
            or book.is_old_news(r, now)
        ]  # fmt: skip
        await self._in_batches(sensible, book.announce)
        await self._in_batches(self._shelf.stirred(), book.plan)

    async def find(self) -> None:
        """Ask the places that were not asked yet what of ours stands there."""
        answers = await self._finder.ask(self._where.asked(), self._clock())
        if not answers:
            return
        async with self._taking:
            every = [*self._finder.every(), *(one for found in answers.values() for one in found)]
            wheres, now = self._where.of(self._shelf.topics()), self._clock()
            made = await self._store.write(lambda db: book.know(db, answers, every, wheres, now))
            self._finder.known |= answers
            self._keep(made.records)
            self._shelf.stir_open()
        for place, found in answers.items():
            log.info("%s: %d posts of ours stand there", place, len(found))
        self.wake()

    def knows_github(self) -> bool:
        """Whether what of ours stands there is known."""
        return GITHUB in self._finder.known

    def waiting(self) -> list[Choice]:
        """Articles that could be announced, newest first."""
        return self._shelf.choices()

    def others(self) -> list[Choice]:
        """Those that are announced, withdrawn or drafts, newest first, with that word."""
        return self._shelf.others()

    async def preview(self, short_key: str) -> Preview:
        """Both renderings. Raises ``Refused`` for an article that is not known."""
        record = self._known(short_key)
        posts, told = await self._store.read(lambda db: book.stands(db, record.short))
        where = self._where.of_one(record.article.topic)
        return preview(record, posts, told, where, self._clock(), self._shown_by)

    async def publish(self, short_key: str, by: str) -> str:
        """Announce it now; a sentence. Raises ``Refused``."""
        async with self._taking:  # a look at the sources may be withdrawing it just now
            record = self._known(short_key)
            where = self._where.of_one(record.article.topic)
            if record.article.state == "draft" or record.withdrawn:
                raise Refused(DRAFT)
            if not where.wants_github and not where.channels:
                raise Refused(NOWHERE)
            await self._decide(record, "waiting", by)
        posts = " and ".join(going(where, targets(record, where)))
        return f"It is being announced: {posts}. /announce shows how it stands."

    async def skip(self, short_key: str, by: str) -> str:
        """Never announce it; a sentence. Raises ``Refused``."""
        async with self._taking:
            await self._decide(self._known(short_key), "skipped", by)
        return "Skipped: it is not announced unless somebody publishes it here."

    async def _decide(self, record: Record, state: Standing, by: str) -> None:
        decided = await self._store.write(lambda db: book.decide(db, record.short, state, by))
        if decided is None:
            raise Refused("It is announced already.")
        self._shelf.hold({decided.short: decided})
        self.wake()

    def _known(self, short_key: str) -> Record:
        record = self._shelf.find(short_key)
        if record is None:
            raise Refused(UNKNOWN, field="article")
        return record

    def _keep(self, records: dict[str, Record]) -> None:
        self._shelf.hold(records)
        self._shelf.stir(short for short, record in records.items() if not record.settled)

    def _ended(self, effect: Effect, told: Told) -> None:
        """An effect is over: what follows it may be planned."""
        if effect.kind.startswith("github.") and told.state == "sent":
            self._where.heard_at = self._clock()
        parts = effect.key.split(":")
        self._shelf.stir(parts[1:2] if parts[0] == "gh" else parts[2:3])
        self.wake()

    async def _in_batches(self, shorts: list[str], change: Callable[..., book.Made]) -> None:
        for first in range(0, len(shorts), BATCH):
            some = shorts[first : first + BATCH]
            async with self._taking:
                wheres = self._where.of({self._shelf.topic(short) for short in some})
                wanted = partial(change, shorts=some, wheres=wheres, now=self._clock())
                try:
                    made: book.Made = await self._store.write(wanted)
                except Exception:
                    self._shelf.stir(shorts[first:])
                    raise
                self._shelf.hold(made.records)
            if made.planned:
                self._outbox.wake()

    async def _note_settings(self) -> None:
        """Look again at what a change of settings or of GitHub's categories may have changed."""
        wheres = self._where.of(self._shelf.topics())
        now = {topic: where.category for topic, where in wheres.items() if where.category}
        moved = {topic for topic, name in now.items() if self._categories.get(topic, name) != name}
        self._categories |= now
        self._shelf.stir_topics(moved)
        revision = self._community.revision()
        if revision != self._revision:
            self._revision = revision
            self._shelf.stir_open()
            await self._tell()

    async def _tell(self) -> None:
        """Tell moderators, and the log, of problems that were not told."""
        if self._problems is None:
            return
        problems: Sequence[Problem] = self._problems
        for problem in problems:
            if identity(problem) not in self._logged:
                log.warning("An article source: %s", problem)
        self._logged = {identity(problem) for problem in problems}
        channels, now = self._where.moderators(), self._clock()
        if await self._store.write(lambda db: book.tell(db, problems, channels, now)):
            self._outbox.wake()

    async def _keep_finding(self) -> None:
        while True:
            try:
                await self.find()
            except Exception:
                log.exception("What stands outside could not be kept; it is tried again")
            await asyncio.sleep(FIND_S)

    def _pause_s(self) -> float:
        now = self._clock()
        return max(0.05, min(LOOK_S, self._shelf.next_due(now) - now))


def parse_since(text: str) -> datetime:
    """``2026-11-01`` or an instant, as UTC. Raises ``ValueError`` with a sentence."""
    try:
        since = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no date; write it as 2026-11-01.") from None
    return since if since.tzinfo is not None else since.replace(tzinfo=UTC)
