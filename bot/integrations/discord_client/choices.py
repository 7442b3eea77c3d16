"""Choices and descriptions as Discord takes them."""

from __future__ import annotations

from collections.abc import Sequence

from discord import app_commands

from bot.command import MAX_CHOICES, Choice
from bot.render.markup import visible

MAX_TEXT = 100  # of a description, and of a choice's label and value


def choices_of(pairs: Sequence[Choice]) -> list[app_commands.Choice[str]]:
    """As Discord takes them: at most 25, none without a label, no value cut short."""
    made = [
        app_commands.Choice(name=shortened(visible(label).strip()), value=value)
        for label, value in pairs
        if visible(label).strip() and 0 < len(value) <= MAX_TEXT
    ]
    return made[:MAX_CHOICES]


def shortened(text: str) -> str:
    """``text`` in at most ``MAX_TEXT`` characters."""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
