"""What the Discord door is given by the program that puts everything together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bot.command import Command
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


@dataclass(frozen=True, slots=True)
class DiscordParts:
    """One for the process. ``base_url`` is where the world reaches our pages; without ``jobs``
    nothing that needs a worker is run.
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
