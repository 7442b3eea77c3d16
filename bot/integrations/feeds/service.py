"""Looks at all article sources again and again, and tells when something changed."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from bot.integrations.feeds.merging import Known, merge, next_due, reported_after
from bot.integrations.feeds.polled import Polled
from bot.integrations.feeds.readers import reader_of
from bot.integrations.feeds.reading import Keeper, Reader, ReadFailed, State
from bot.integrations.feeds.tree import Repositories
from bot.store import Store, StoreError
from config.settings import Settings
from content.library import Library
from content.sources.article import Problem

log = logging.getLogger(__name__)

REPORTED = "articles.reported"  # the fact that holds the problems told
SOONEST_S = 1.0
MAX_WAIT_S = 86_400.0

OnChange = Callable[[Polled], Awaitable[None]]


class Sources:
    """One for the process. ``library`` always holds what was read last; ``github`` reads
    ``github:`` sources.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        library: Library,
        github: Repositories | None = None,
    ) -> None:
        self._poll_s = settings.poll_s
        self._store = store
        self._keeper = Keeper(store)
        self._library = library
        self._readers: dict[str, Reader] = {
            source: reader_of(source, settings.site_url, github) for source in settings.articles
        }
        self._states: dict[str, State] | None = None
        self._failing: dict[str, str] = {}
        self._reported: frozenset[str] = frozenset()
        self._polling = asyncio.Lock()
        self._wake = asyncio.Event()

    async def poll(self) -> Polled:
        """One look at everything; the library holds it then. Raises ``StoreError``."""
        async with self._polling:
            states = await self._loaded()
            sources = list(self._readers)
            known = await asyncio.gather(*(self._look(source, states) for source in sources))
            polled = merge(known, datetime.now(UTC), self._reported)
            if polled.articles != self._library.all():
                await asyncio.to_thread(self._library.replace, polled.articles)
            return polled

    async def told(self, polled: Polled) -> None:
        """The problems of ``polled`` were reported: they are not new again, nor after a restart."""
        reported = reported_after(polled, self._reported)
        if reported != self._reported:
            await self._store.set_fact(REPORTED, json.dumps(sorted(reported)))
            self._reported = reported

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    async def run(self, on_change: OnChange) -> None:
        """Look every ``poll_s``, when woken and when an article is due; tell what changed.

        Problems count as reported once ``on_change`` has returned; one that failed is called
        again with the next look.
        """
        last: Polled | None = None
        while True:
            self._wake.clear()
            polled = None
            try:
                polled = await self.poll()
                if last is None or polled.problems_new or _differ(polled, last):
                    await on_change(polled)
                    last = polled
                await self.told(polled)
            except StoreError as error:
                log.error("The articles could not be kept: %s", error)
            except Exception:
                log.exception("What the article sources say could not be passed on")
                last = None
            try:
                await asyncio.wait_for(self._wake.wait(), self._wait_s(polled))
            except TimeoutError:
                continue

    def _wait_s(self, polled: Polled | None) -> float:
        due = next_due(polled.articles, datetime.now(UTC)) if polled is not None else None
        return max(min(self._poll_s, MAX_WAIT_S if due is None else due), SOONEST_S)

    async def _loaded(self) -> dict[str, State]:
        if self._states is None:
            fact = await self._store.fact(REPORTED)
            self._reported = frozenset(json.loads(fact)) if fact else frozenset()
            kept = await self._keeper.load()
            self._states = {source: kept.get(source, State()) for source in self._readers}
        return self._states

    async def _look(self, source: str, states: dict[str, State]) -> Known:
        """What is known of ``source`` after one look; a failure leaves what was known."""
        reader, before = self._readers[source], states[source]
        failure = ""
        try:
            states[source] = await reader.read(before)
        except ReadFailed as error:
            failure = str(error)
        except Exception as error:
            log.exception("%s could not be read", source)
            failure = f"It could not be read ({type(error).__name__})."
        self._log(source, failure)
        if states[source] is not before:
            await self._save(source, states[source])
        problem = Problem(source, source, 0, failure) if failure else None
        return Known(source, states[source].reading, reader.is_feed, problem)

    async def _save(self, source: str, state: State) -> None:
        """Keep it; what cannot be written stops no other source. Raises ``StoreError``."""
        try:
            await self._keeper.save(source, state)
        except StoreError:
            raise
        except Exception:
            log.exception("what %s says could not be kept", source)

    def _log(self, source: str, failure: str) -> None:
        """Say once that a source fails, and once that it can be read again."""
        if failure and self._failing.get(source) != failure:
            log.warning("%s: %s Its last known articles are kept.", source, failure)
            self._failing[source] = failure
        elif not failure and self._failing.pop(source, None) is not None:
            log.info("%s can be read again.", source)


def _differ(one: Polled, other: Polled) -> bool:
    """Whether anything but the problems' newness changed."""
    return (one.articles, one.problems, one.failed, one.broken) != (
        other.articles,
        other.problems,
        other.failed,
        other.broken,
    )
