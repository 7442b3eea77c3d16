"""Starts the queue: the broker that settings name or the embedded one, and the bot's side of it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from bot.jobs.policy import Chosen, CommunityPolicy
from bot.jobs.service import Jobs
from bot.outbox import Outbox
from bot.store import Store
from compute.broker.access import Access, AccessError, access_of
from compute.broker.folder import BrokerError
from config.settings import Settings

if TYPE_CHECKING:
    from compute.tool import AnyTool

BROKER_FOLDER = "broker"
AWAY_S = 3.0  # our own server answers 0.1 s after its start
LOOK_S = 0.2

Say = Callable[[str], object]


async def start_jobs(
    settings: Settings,
    store: Store,
    outbox: Outbox,
    tools: Iterable[AnyTool],
    chosen: Chosen,
    say: Say,
) -> Jobs | None:
    """The bot's side of the queue, connecting; None, and said why, where there is no broker.

    ``chosen`` is what moderators chose of who may ask for runs.
    """
    try:
        access = await bot_access(settings)
    except (AccessError, BrokerError) as error:
        say(f"queue    off: {error} Jobs are refused until that is mended and k2c starts again.")
        return None
    jobs = Jobs(
        store,
        CommunityPolicy(settings, chosen),
        data_dir=settings.data_dir,
        tools=tools,
        share_s=settings.job_share_s,
        version=importlib.metadata.version("kernels-to-clusters"),
        on_answer=outbox.wake,
    )
    await jobs.start(access)
    say(f"queue    {'at' if settings.nats_url else 'embedded,'} {', '.join(access.urls)}")
    return jobs


class Seen(Protocol):
    """Whether the queue answers; ``bot.jobs.service.Jobs`` knows."""

    @property
    def queue_up(self) -> bool:
        """Connected now."""


async def tell_if_away(jobs: Seen, say: Say, *, away_s: float = AWAY_S) -> None:
    """Say once if no server answers after the start, and when one does; the log says why."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(away_s):
            await _answer(jobs)
    if jobs.queue_up:
        return
    say("queue    no answer yet: jobs are taken and wait until there is one")
    await _answer(jobs)
    say("queue    connected")


async def _answer(jobs: Seen) -> None:
    while not jobs.queue_up:  # noqa: ASYNC110 -- it has no event, and nobody waits for this
        await asyncio.sleep(LOOK_S)


async def bot_access(settings: Settings) -> Access:
    """How the bot reaches the queue; starts the embedded broker unless it runs already.

    Raises ``AccessError`` for wrong settings and ``BrokerError`` where the server does not start.
    """
    if settings.nats_url:
        given = (settings.nats_url, settings.nats_creds, settings.nats_ca)
        return await asyncio.to_thread(access_of, *given)
    from compute.broker.server import ensure_broker

    folder = settings.data_dir / BROKER_FOLDER
    return await asyncio.to_thread(
        ensure_broker, folder, settings.nats_listen, settings.nats_public_url
    )
