"""The parts that every door is given, made once by whoever puts the program together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.command import Command
from bot.community.service import CommunityBook
from bot.jobs.service import Jobs
from bot.limits import Limiter
from bot.outbox import Outbox
from bot.pulse import Pulse
from bot.render.chart import ChartRenderer
from bot.results import Results
from bot.runner import Runner
from bot.store import Store
from config.settings import Settings
from content.library import Library


@dataclass(frozen=True, slots=True)
class Core:
    """One for the process. ``jobs`` is None where no queue could be had."""

    settings: Settings
    commands: Mapping[str, Command]
    store: Store
    results: Results
    runner: Runner
    charts: ChartRenderer
    limiter: Limiter
    outbox: Outbox
    jobs: Jobs | None
    pulse: Pulse
    community: CommunityBook
    library: Library
