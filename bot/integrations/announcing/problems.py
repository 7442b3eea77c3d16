"""Broken article files and feeds, told once to moderators, with file and line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from bot.effects import Effect
from bot.posting import Card, ChannelPost
from content.sources.article import Problem
from content.sources.values import one_line

SHOWN = 10  # problems in one message
SENTENCE = 300  # characters of each


def identity(problem: Problem) -> str:
    """What makes two problems the same one; the line moves with every edit above it."""
    text = "\n".join((problem.source, problem.where, problem.sentence))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def told_effects(
    problems: Sequence[Problem], channels: Iterable[tuple[str, str]], at: float
) -> list[Effect]:
    """One message for each of the moderators' ``channels`` (guild, channel)."""
    named = hashlib.sha256("".join(identity(p) for p in problems).encode()).hexdigest()[:16]
    return [
        Effect(
            f"dc:{channel_id}:problems:{named}-{int(at)}:new",
            "discord.post",
            ChannelPost(
                channel_id=channel_id, guild_id=guild_id, card=problems_card(problems),
                purpose="moderators",
            ).payload(),
        )
        for guild_id, channel_id in channels
    ]  # fmt: skip


def problems_card(problems: Sequence[Problem]) -> Card:
    """What the moderators read."""
    count = len(problems)
    title = "An article could not be read" if count == 1 else f"{count} problems with articles"
    lines = [one_line(str(problem), SENTENCE) for problem in problems[:SHOWN]]
    if count > SHOWN:
        lines.append(f"and {count - SHOWN} more, which are in the log")
    note = "All other articles go on as ever. Each problem is told once."
    return Card(title=title, lines=tuple(lines), note=note, tone="notice")
