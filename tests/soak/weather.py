"""What goes wrong at Discord while people ask: requests by chance, the gateway now and then."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.discord import FakeDiscord, Fault
from tests.fakes.discord.faults import Faults

ANSWERING = ("/interactions/", "/webhooks/", "/channels/")
SHARE = 0.12  # of the requests that answer somebody
SHARE_ELSEWHERE = 0.05  # of login, commands and the gateway's address
KINDS: dict[str, dict[str, Any]] = {
    "429": {"status": 429, "retry_after": 0.3},
    "429 of the whole bot": {"status": 429, "retry_after": 0.3, "whole_bot": True},
    "500": {"status": 500},
    "502": {"status": 502},
    "503": {"status": 503},
    "reset before": {"reset": "before"},
    "reset after": {"reset": "after"},
    "slow before": {"delay_s": 0.8},
    "slow after": {"late_s": 1.5},
    "lost for long": {"late_s": 4.0},
}
# With weights: a lost session costs the library 5 s, a refused connection some seconds.
GATEWAY = {"drop": 3, "close": 3, "op 7": 3, "op 9 true": 3, "op 9 false": 1, "refused": 1,
           "tokens": 6}  # fmt: skip
# A trouble within the 5 s before an IDENTIFY makes the library wait them again.
WHILE_AWAY = 0.2
TOKEN_AGE_S = 4.0  # tokens die among the interactions of the last seconds


class Weather(Faults):
    """Faults by chance, each noted under the interaction's id or token that it met."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self.on = False
        self.met: defaultdict[str, list[Fault]] = defaultdict(list)
        self.counts: Counter[str] = Counter()

    def meet(self, method: str, path: str) -> Fault | None:
        """As the base class, and by chance where nothing was planned."""
        planned = super().meet(method, path)
        if planned is not None or not self.on:
            return planned
        share = SHARE if path.startswith(ANSWERING) else SHARE_ELSEWHERE
        if self._chance.random() >= share:
            return None
        name = self._chance.choice(list(KINDS))
        fault = Fault(method, path, hits=1, **KINDS[name])
        self.counts[name] += 1
        for part in path.split("/")[2:4]:
            self.met[part].append(fault)
        return fault


@dataclass
class Line:
    """When the bot had no gateway to hear by: (from, to, whether it came back as a new session)."""

    fake: FakeDiscord
    away: list[tuple[float, float, bool]] = field(default_factory=list)

    async def watch(self) -> None:
        """Look every 10 ms, until cancelled; an absence counts from the look before it."""
        looked_s, since_s, known = self.fake.now(), None, 0
        while True:
            now_s = self.fake.now()
            if not heard(self.fake):
                if since_s is None:
                    since_s, known = looked_s, len(self.fake.identifies)
            elif since_s is not None:
                self.away.append((since_s, now_s, len(self.fake.identifies) > known))
                since_s = None
            looked_s = now_s
            await asyncio.sleep(0.01)


def heard(fake: FakeDiscord) -> bool:
    """Whether a bot is connected and its session good."""
    return any(s.ready and s.socket and not s.dead for s in fake.gateway.sessions)


async def gateway_trouble(
    fake: FakeDiscord, chance: random.Random, counts: Counter[str], every_s: float
) -> None:
    """Cut, close, op 7, op 9 and dying tokens, until cancelled."""
    gateway = fake.gateway
    while True:
        await asyncio.sleep(chance.uniform(0.3, 1.7) * every_s)
        if not heard(fake) and chance.random() > WHILE_AWAY:
            continue
        kind = chance.choices(list(GATEWAY), list(GATEWAY.values()))[0]
        counts[kind] += 1
        match kind:
            case "drop":
                gateway.drop()
            case "refused":
                gateway.refuse_next = 1
                gateway.drop()
            case "close":
                await gateway.close(4000)
            case "op 7":
                await gateway.reconnect()
            case "op 9 true" | "op 9 false":
                await gateway.invalidate(resumable=kind.endswith("true"))
            case "tokens":
                kill_some_tokens(fake, chance)


def kill_some_tokens(fake: FakeDiscord, chance: random.Random) -> None:
    """Half of the youngest tokens die before their time."""
    young_s = fake.now() - TOKEN_AGE_S
    for interaction in fake.interactions.by_id.values():
        if interaction.sent_s > young_s and chance.random() < 0.5:
            interaction.token_dead = True
