"""Rate limits: points an hour, and how fast content may be made. Tests scale the windows down."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass
class Limits:
    """Of one token. ``content_per_minute`` and ``content_per_hour`` (GitHub: 80 and 500) are off
    while they are None; ``minute_s`` and ``hour_s`` are how long these last here.
    """

    primary: int = 5000
    content_per_minute: int | None = None
    content_per_hour: int | None = None
    minute_s: float = 60.0
    hour_s: float = 3600.0
    used: int = 0
    _window_s: float = field(default_factory=time.time)
    _made: deque[float] = field(default_factory=deque)

    @property
    def remaining(self) -> int:
        """Points left in this hour."""
        return max(0, self.primary - self.used)

    @property
    def reset_at(self) -> datetime:
        """When the points come back."""
        return datetime.fromtimestamp(self._window_s + self.hour_s, UTC)

    def exhaust(self, reset_in_s: float = 60.0) -> None:
        """Use all points; they come back in ``reset_in_s`` seconds."""
        self.used, self._window_s = self.primary, time.time() + reset_in_s - self.hour_s

    def spend(self) -> bool:
        """Take a point for a call; False where none is left."""
        if time.time() >= self._window_s + self.hour_s:
            self.used, self._window_s = 0, time.time()
        if self.remaining == 0:
            return False
        self.used += 1
        return True

    def headers(self, resource: str) -> dict[str, str]:
        """Return what every answer says about the points."""
        return {
            "X-RateLimit-Limit": str(self.primary),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Used": str(self.used),
            "X-RateLimit-Reset": str(math.ceil(self.reset_at.timestamp())),
            "X-RateLimit-Resource": resource,
        }

    def may_create(self) -> bool:
        """Count new content; False where it comes too fast."""
        now = time.monotonic()
        while self._made and self._made[0] < now - self.hour_s:
            self._made.popleft()
        last_minute = sum(1 for at in self._made if at > now - self.minute_s)
        if self.content_per_minute is not None and last_minute >= self.content_per_minute:
            return False
        if self.content_per_hour is not None and len(self._made) >= self.content_per_hour:
            return False
        self._made.append(now)
        return True
