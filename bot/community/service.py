"""The configuration of the home servers, in memory for reading and in the database for good."""

from __future__ import annotations

from bot.store import Store


class CommunityBook:
    """One for the process."""

    def __init__(self, store: Store, home: tuple[int, ...]) -> None:
        self._store = store
        self._home = frozenset(map(str, home))
