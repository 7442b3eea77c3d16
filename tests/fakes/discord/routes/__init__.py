"""The routes by subject. A new subject is a file with ``ROUTES`` and a line here."""

from __future__ import annotations

from tests.fakes.discord.calls import Route
from tests.fakes.discord.routes import application, channels, commands, direct, replies, threads

ALL: tuple[Route, ...] = (
    *application.ROUTES,
    *commands.ROUTES,
    *replies.ROUTES,
    *channels.ROUTES,
    *direct.ROUTES,
    *threads.ROUTES,
)
