"""What keeps us from posting: named once for the maintainers, and not tried again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from bot.outbox import Later

HOLD_S = 300.0  # a refused account makes three calls in ten minutes
Scope = Literal["account", "discussions", "labels", "files"]


class Holds:
    """Of each scope until when nothing is sent, and why; "account" holds every scope.

    ``clock`` counts seconds.
    """

    def __init__(self, hold_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.hold_s = hold_s
        self._clock = clock
        self._until: dict[str, float] = {}
        self._sentences: dict[str, str] = {}
        self._quiet_until = 0.0
        self._quiet_reason = ""

    @property
    def problem(self) -> str:
        """All that must be repaired, as sentences; "" when nothing must."""
        return " ".join(dict.fromkeys(self._sentences.values()))

    @property
    def quiet_s(self) -> float:
        """Seconds for which GitHub asked us to wait; 0 when it did not."""
        return max(0.0, self._quiet_until - self._clock())

    def check(self, scope: Scope | None = None) -> None:
        """Raise ``Later`` where nothing may be sent now."""
        if self.quiet_s > 0:
            raise Later(self._quiet_reason, self.quiet_s, all_of_it=True)
        for name in ("account", scope):
            left = self._until.get(name or "", 0.0) - self._clock()
            if left > 0:
                raise Later(self._sentences.get(name or "", "held"), left, all_of_it=True)

    def quiet(self, reason: str, seconds: float) -> None:
        """GitHub asked us to wait that long, with everything."""
        self._quiet_until = max(self._quiet_until, self._clock() + seconds)
        self._quiet_reason = reason

    def hold(self, scope: Scope, sentence: str) -> Later:
        """Nothing of that scope for ``hold_s``; what to raise."""
        self._until[scope] = self._clock() + self.hold_s
        self._sentences[scope] = sentence
        return Later(sentence, self.hold_s, all_of_it=True)

    def name(self, what: str, sentence: str) -> Later:
        """Something else that must be repaired, which holds only what needs it."""
        self._sentences[what] = sentence
        return Later(sentence, self.hold_s)

    def clear(self, *names: str) -> None:
        """It works again."""
        for name in names:
            self._until.pop(name, None)
            self._sentences.pop(name, None)

    def sentence(self, name: str) -> str:
        """What was said of that; "" where nothing was."""
        return self._sentences.get(name, "")

    def named(self, prefix: str) -> list[str]:
        """The names of what is to be repaired that begin so."""
        return [name for name in self._sentences if name.startswith(prefix)]
