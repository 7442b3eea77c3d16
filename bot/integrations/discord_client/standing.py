"""Messages of answers that several change: what was begun earlier never undoes what came later.

A chart takes seconds to draw; meanwhile its answer may be deleted, or posted to Discussions.
"""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary


class Standing:
    """One answer's message. Hold ``lock`` while changing it; ``changes`` counts what makes an
    earlier rendering wrong: who began at another number leaves the message alone.
    """

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.changes = 0


class Standings:
    """By result, for as long as anybody is about to change it."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[str, Standing] = WeakValueDictionary()

    def of(self, result_id: str) -> Standing:
        """The same for all who ask while one of them holds it."""
        return self._known.setdefault(result_id, Standing())
