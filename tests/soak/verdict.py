"""What must hold of every interaction when the weather is over."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from tests.fakes.discord import FakeDiscord, Fault, message_text
from tests.fakes.discord.interactions import AUTOCOMPLETE, COMPONENT, Interaction
from tests.fakes.discord.limits import LOADING
from tests.fakes.discord.messages import Stored
from tests.soak.lives import Gap
from tests.soak.people import Asked, button_ids
from tests.soak.weather import Line, Weather

ACK_S = 3.0
LATE_ANYWAY_S = 1.0  # heard so late, one more trouble is too much for the 3 s
SURVIVED = 2  # troubles of one first answer that the bot must get over
SENT_LATE_S = 0.5  # before SIGTERM: it may not have been read from the socket yet
EDITING_S = 30.0  # an edit is tried three times
SAVED_S = 2.0  # an answer this long before a kill must be on disk
RESULT = re.compile(r"k2c:change:([A-Za-z0-9_-]{22})")


@dataclass
class Judge:
    """Knows all troubles there were."""

    fake: FakeDiscord
    weather: Weather
    line: Line
    gaps: list[Gap] = field(default_factory=list)

    def excuse(self, asked: Asked) -> str:
        """Why nobody answered in time; empty when there is no reason."""
        interaction = asked.reply.interaction
        if any(self._died(gap, interaction.sent_s, ACK_S) for gap in self.gaps):
            return "the process was away"
        late_s = self._heard_after_s(interaction.sent_s)
        if asked.unheard or late_s > LATE_ANYWAY_S:
            return "the gateway was away"
        met = self.weather.met[interaction.id]
        if interaction.kind == AUTOCOMPLETE and met:
            return "suggestions are not sent again"
        if len(met) > SURVIVED or _slow_s(met) > LATE_ANYWAY_S or (late_s and met):
            return "too much trouble within 3 s"
        return ""

    def excuse_thinking(self, asked: Asked) -> str:
        """Why an answer still says "thinking"; empty when there is no reason."""
        interaction = asked.reply.interaction
        if any(self._died(gap, interaction.sent_s, EDITING_S) for gap in self.gaps):
            return "the process was away"
        if interaction.token_dead:
            return "its token died"
        met = self.weather.met[interaction.token]
        return "too much trouble" if len(met) > SURVIVED else ""

    def may_be_lost(self, asked: Asked) -> bool:
        """Whether a kill came too soon after the answer to keep it."""
        steps = asked.reply.history
        last_s = asked.reply.interaction.sent_s + (steps[-1].at_ms / 1e3 if steps else 0)
        return any(
            gap.how == "kill" and 0 <= gap.start_s - last_s < SAVED_S for gap in self.gaps
        )  # fmt: skip

    def _died(self, gap: Gap, sent_s: float, working_s: float) -> bool:
        before_s = working_s if gap.how == "kill" else SENT_LATE_S
        return gap.start_s - before_s <= sent_s <= gap.end_s

    def _heard_after_s(self, sent_s: float) -> float:
        """How long after the sending the bot could hear of it; infinite if it never could."""
        for start_s, end_s, new_session in self.line.away:
            if start_s <= sent_s <= end_s:
                return float("inf") if new_session else end_s - sent_s
        return 0.0


def _slow_s(met: list[Fault]) -> float:
    return sum(fault.delay_s for fault in met)


def ours(fake: FakeDiscord) -> list[Stored]:
    """The bot's messages that stand, without those that say "thinking"."""
    return [
        m
        for m in fake.messages.by_id.values()
        if m.json["author"]["id"] == fake.app_id and not m.deleted and not m.json["flags"] & LOADING
    ]


def doubled(fake: FakeDiscord, asked: list[Asked]) -> list[str]:
    """Answers that stand more often than they were given or shared."""
    shares = Counter(
        button.split(":")[2] for one in asked if (button := pressed(one)).startswith("k2c:share:")
    )
    shown: defaultdict[str, list[Stored]] = defaultdict(list)
    for stored in ours(fake):
        for button in button_ids(stored.json):
            if match := RESULT.fullmatch(button):
                shown[match[1]].append(stored)
    return [
        "\n".join(message_text(m.json)[:200] for m in messages)
        for result_id, messages in shown.items()
        if len(messages) > 1 + shares[result_id]
    ]


def pressed(asked: Asked) -> str:
    """The id of the pressed button; empty for anything else."""
    interaction = asked.reply.interaction
    data = interaction.payload["data"]
    return str(data["custom_id"]) if interaction.kind == COMPONENT else ""


def posts(fake: FakeDiscord) -> list[Stored]:
    """Answers that went to a channel because their interaction had died."""
    return [m for m in ours(fake) if not m.json.get("interaction_metadata")]


def pings(fake: FakeDiscord, asked: list[Asked]) -> list[str]:
    """Who was notified without reason: a late answer may name its asker, nothing else anybody."""
    people = {one.person.id for one in asked}
    loud = [m for m in ours(fake) if m.pings]
    late = {m.id for m in posts(fake) if len(m.pings) == 1 and m.pings <= people}
    return [f"{m.pings}: {message_text(m.json)[:200]}" for m in loud if m.id not in late]


def failures(fake: FakeDiscord) -> list[str]:
    """Answers that say that something went wrong on our side."""
    texts = [message_text(event.message) for event in fake.messages.events]
    return [text for text in texts if "went wrong on my side" in text]


def repeated(interaction: Interaction) -> bool:
    """More than one first answer, or more further messages than the one a dead chart may bring."""
    first = sum(step.kind == "callback" for step in interaction.history)
    return first > 1 or len(interaction.followups) > 1
