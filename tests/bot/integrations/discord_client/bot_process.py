"""A bot with Discord, queue and outbox in a process of its own, to be killed.

``python -m tests.bot.integrations.discord_client.bot_process JSON`` with the names of ``Start``.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.integrations.discord_client.client import DiscordService
from bot.integrations.discord_client.parts import DiscordParts
from bot.jobs.policy import DefaultPolicy
from bot.jobs.service import Jobs
from bot.limits import Limiter
from bot.outbox import Outbox
from bot.results import Results
from bot.runner import Runner
from bot.store import Store
from compute.broker.access import Access
from compute.context import LocalContext
from config.settings import Settings, load_settings
from tests.bot.integrations.discord_client import pace, runs
from tests.fakes.workers import FAST


@dataclass(frozen=True)
class Start:
    """What a bot is told; ``access`` is the broker's for the bot."""

    folder: str
    token: str
    api_base: str
    home: str
    access: dict[str, Any]
    grace_s: float = 1.0

    def settings(self) -> Settings:
        """The settings of a process."""
        return load_settings(
            discord_token=self.token, discord_api_base=self.api_base, discord_cdn_base="",
            home_guild_ids=self.home, jobs_at_once=100, jobs_per_hour=1000, user_per_minute=1000,
        )  # fmt: skip


@dataclass
class Parts:
    """What runs."""

    service: DiscordService
    jobs: Jobs
    outbox: Outbox
    store: Store
    results: Results


async def begin(start: Start, stack: AsyncExitStack) -> Parts:
    """Start everything in the order in which the bot does; ``stack`` ends it in reverse."""
    folder = Path(start.folder)
    settings = start.settings()
    store = await Store.open(folder / "k2c.sqlite")
    stack.push_async_callback(store.close)
    outbox = Outbox(store)
    commands = runs.commands()
    access = Access(**(start.access | {"urls": tuple(start.access["urls"])}))
    jobs = Jobs(
        store, DefaultPolicy(settings), data_dir=folder, tools=[c.tool for c in commands.values()],
        share_s=0, timing=FAST, on_answer=outbox.wake,
    )  # fmt: skip
    await jobs.start(access)
    stack.push_async_callback(jobs.close)
    results = Results(store)
    context = LocalContext("http://127.0.0.1:9")
    stack.push_async_callback(context.close)
    live = {name: c.live for name, c in commands.items() if c.live is not None}
    runner = Runner(results, context, retention_days=90, jobs=jobs, live=live)
    service = DiscordService(
        DiscordParts(
            settings, commands, runner, results, store, pace.Charts(), Limiter(),
            "https://k2c.example", jobs,
        )
    )  # fmt: skip
    service.answers.register(outbox, grace_s=start.grace_s)
    tasks = [asyncio.create_task(service.start()), asyncio.create_task(outbox.run())]

    async def end() -> None:
        tasks[1].cancel()
        await asyncio.gather(tasks[1], return_exceptions=True)
        await service.close()
        await asyncio.gather(*tasks, return_exceptions=True)

    stack.push_async_callback(end)
    await service.ready.wait()
    return Parts(service, jobs, outbox, store, results)


async def main(start: Start) -> None:
    """Until killed."""
    async with AsyncExitStack() as stack:
        await begin(start, stack)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def spoken(start: Start) -> str:
    """What ``main``'s process is given."""
    return json.dumps(dataclasses.asdict(start))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(main(Start(**json.loads(sys.argv[1]))))
