"""What a test may make go wrong, and where it may stop a request to kill the bot."""

from __future__ import annotations

import asyncio
import fnmatch
from dataclasses import dataclass, field
from typing import Literal, get_args

from tests.fakes.github.calls import Call

Kind = Literal[
    "502", "timeout", "reset", "truncated", "html", "partial", "rate_limited_200",
    "403_retry_after", "429_retry_after", "401", "slow",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass
class Fault:
    """One fault: the calls it meets and what it does to them, before or after the change.

    ``name`` is a call's name, a pattern over it, or ``PUT contents``. ``skip`` calls pass, then
    ``times`` are hit. ``retry_after_s`` goes with the rate limits (``rate_limited_200``: how far
    away the reset is), ``delay_s`` with slow: before the change, or after it with ``applied``.
    """

    name: str
    kind: Kind
    applied: bool = False
    times: int = 1
    skip: int = 0
    retry_after_s: float = 60.0
    delay_s: float = 1.0
    hits: int = 0


class Faults:
    """The faults still to come, asked once for each call."""

    def __init__(self) -> None:
        self.planned: list[Fault] = []

    def add(
        self, name: str, kind: Kind, *, applied: bool = False, times: int = 1, skip: int = 0,
        retry_after_s: float = 60.0, delay_s: float = 1.0,
    ) -> Fault:  # fmt: skip
        """Plan a fault; its ``hits`` tell later how often it struck."""
        assert kind in KINDS, f"{kind!r} is none of {KINDS}"
        fault = Fault(name, kind, applied, times, skip, retry_after_s, delay_s)
        self.planned.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults."""
        self.planned.clear()

    def meet(self, call: Call) -> Fault | None:
        """Return the fault this call meets, counting it down."""
        for fault in self.planned:
            if not matches(fault.name, call):
                continue
            if fault.skip:
                fault.skip -= 1
            elif fault.hits < fault.times:
                fault.hits += 1
                return fault
        return None


@dataclass(eq=False)
class Hold:
    """Stops the first call that fits, just before or just after its change is made."""

    name: str
    when: Literal["before", "after"]
    call: Call | None = None
    dropped: bool = False
    _reached: asyncio.Event = field(default_factory=asyncio.Event)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    async def reached(self, timeout_s: float = 20.0) -> Call:
        """Wait until a call stands here and return it."""
        async with asyncio.timeout(timeout_s):
            await self._reached.wait()
        assert self.call is not None
        return self.call

    def release(self) -> None:
        """Let the call go on: a change that was held is made, though the bot may be gone."""
        self._released.set()

    def drop(self) -> None:
        """Cut the call's connection; a change that was held is never made."""
        self.dropped = True
        self._released.set()

    async def stop(self, call: Call) -> None:
        """Keep ``call`` here until it is let go."""
        self.call = call
        self._reached.set()
        await self._released.wait()


def matches(pattern: str, call: Call) -> bool:
    """Say whether a fault's or a hold's name means this call."""
    return any(fnmatch.fnmatchcase(name, pattern) for name in (call.name, *call.names))
