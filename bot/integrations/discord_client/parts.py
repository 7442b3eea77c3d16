"""What the Discord door is given by the program that puts everything together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bot.command import Command
from bot.discussing import Discusses
from bot.guild_command import GuildCommand, GuildHouse
from bot.integrations.discord_client.reply import Reply
from bot.jobs.words import Runs
from bot.limits import Limiter
from bot.results import Results
from bot.runner import Runner
from bot.store import Store
from bot.view import Chart
from config.settings import Settings


class Charts(Protocol):
    """Draws charts; ``bot.render.chart.ChartRenderer`` is the one in use."""

    async def png(self, chart: Chart) -> bytes:
        """The picture. Raises ``ChartBusy`` or ``ChartFailed``."""


Menu = Callable[[Reply], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class DiscordParts:
    """One for the process. ``base_url`` is where the world reaches our pages; without ``jobs``
    nothing that needs a worker is run.

    Home servers alone have ``guild_commands`` (with ``house``, what they may use) and ``menus``:
    entries of a message's menu by name, answered with the interaction's Reply.
    ``channels_changed`` is told a server's id when its channels, roles or our rights changed.
    ``discussing`` posts to Discussions; None where no repository is configured.
    """

    settings: Settings
    commands: Mapping[str, Command]
    runner: Runner
    results: Results
    store: Store
    charts: Charts
    limiter: Limiter
    base_url: str
    jobs: Runs | None = None
    guild_commands: Mapping[str, GuildCommand] = field(default_factory=dict)
    house: GuildHouse | None = None
    menus: Mapping[str, Menu] = field(default_factory=dict)
    channels_changed: Callable[[str], object] | None = None
    discussing: Discusses | None = None
