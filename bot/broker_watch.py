"""Starts the embedded broker again when it has died, and says so in the log."""

from __future__ import annotations

import asyncio
import logging

from bot.queueing import Seen, bot_access
from compute.broker.folder import BrokerError
from config.settings import Settings

log = logging.getLogger(__name__)

LOOK_S = 2.0
AWAY_S = 6.0  # a reload or a busy moment is over by then; a worker's lease is 15 s


async def keep_broker(settings: Settings, jobs: Seen, *, look_s: float = LOOK_S) -> None:
    """Until cancelled. What is queued stands on its disk; workers come back by themselves."""
    away_s = 0.0
    while True:
        await asyncio.sleep(look_s)
        away_s = 0.0 if jobs.queue_up else away_s + look_s
        if away_s < AWAY_S:
            continue
        away_s = 0.0
        try:
            await bot_access(settings)
        except BrokerError as error:
            log.error("the queue's server is gone and does not start: %s", error)
        except Exception:  # whatever it is now, it may be over at the next look
            log.exception("the queue's server is gone and does not start")
        else:
            log.warning("the queue's server was out of reach; it runs now")
