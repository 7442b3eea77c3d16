"""What is known of one article source, and how it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from pydantic import TypeAdapter, ValidationError
from sqlite_utils import Database

from bot.store import Store
from content.sources.article import Problem
from content.sources.fields import Entry
from content.sources.read import Parsed

FORMAT = 1  # another number: what an older version read is read again


class ReadFailed(Exception):
    """Why a source cannot be read now, as a sentence."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source says. ``broken``: the files or entries that cannot be used now."""

    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()
    broken: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class State:
    """A reading with what is needed to ask "changed since?": marks of the server (``etag``,
    ``modified``), and of a repository each file's (SHA, what it says).
    """

    reading: Reading = field(default_factory=Reading)
    etag: str = ""
    modified: str = ""
    files: dict[str, tuple[str, Parsed]] = field(default_factory=dict)
    format: int = FORMAT


class Reader(Protocol):
    """One kind of source."""

    is_feed: bool

    async def read(self, known: State) -> State:
        """What it says now; ``known`` itself where nothing changed. Raises ``ReadFailed``."""


class Keeper:
    """The states of all sources in the database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._states = TypeAdapter(State)

    async def load(self) -> dict[str, State]:
        """By source. One of another version keeps its articles and is read again in full."""

        def query(db: Database) -> dict[str, State]:
            rows = db.execute("SELECT source, state FROM article_sources").fetchall()
            read = ((source, self._state(text)) for source, text in rows)
            return {source: state for source, state in read if state is not None}

        return await self._store.read(query)

    def _state(self, text: str) -> State | None:
        try:
            state = self._states.validate_json(text)
        except ValidationError:
            return None
        return state if state.format == FORMAT else State(reading=state.reading)

    async def save(self, source: str, state: State) -> None:
        """Keep ``state``."""

        def change(db: Database) -> None:
            text = self._states.dump_json(state).decode()
            db.table("article_sources").insert(
                {"source": source, "state": text}, pk="source", replace=True
            )

        await self._store.write(change)
