"""A worker's card on the queue, and what the bot says of itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from nats.aio.client import Client
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from pydantic import ValidationError

from compute.jobs.job import PROTOCOL, BotInfo, Card
from compute.jobs.subjects import CARD_BUCKET, INFO_BUCKET, INFO_KEY, Timing
from compute.worker.post import ended

log = logging.getLogger(__name__)

DELETED = {"KV-Operation": "DEL"}


class Presence:
    """Writes the card every few seconds, so that a worker that is gone is soon seen to be.

    ``trouble`` is a sentence while this worker and the bot do not speak the same protocol.
    """

    def __init__(
        self, client: Client, js: JetStreamContext, timing: Timing, card: Callable[[], Card]
    ) -> None:
        self._client, self._js, self._timing, self._card = client, js, timing, card
        self.trouble = ""
        self._writing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Say hello, and learn whom we talk to before any job is taken."""
        await self._round()
        self._writing = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Take the card away: nothing shall be published for us any more."""
        if self._writing is not None:
            await ended(self._writing)
        if self._client.is_connected:
            await self._put(b"", DELETED)

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(self._timing.card_s)
            await self._round()

    async def _round(self) -> None:
        """An outage ends nothing here: the next round tries again."""
        if self._client.is_connected:
            await self._put(self._card().model_dump_json().encode())
            await self._read_info()

    async def _put(self, data: bytes, headers: dict[str, str] | None = None) -> None:
        card = self._card()
        try:
            subject = f"$KV.{CARD_BUCKET}.{card.name}"
            await self._js.publish(subject, data, headers=headers, timeout=self._timing.card_s)
        except (Error, TimeoutError, OSError) as error:
            log.info("the card could not be written: %r", error)

    async def _read_info(self) -> None:
        try:
            found = await self._js.get_msg(
                f"KV_{INFO_BUCKET}", subject=f"$KV.{INFO_BUCKET}.{INFO_KEY}", direct=True
            )
            info = BotInfo.model_validate_json(found.data or b"")
        except NotFoundError:
            return  # no bot yet, and so no jobs
        except (Error, TimeoutError, OSError, ValidationError) as error:
            log.info("the bot's own card cannot be read: %r", error)
            return
        self.trouble = _mismatch(info)


def _mismatch(info: BotInfo) -> str:
    if info.protocol == PROTOCOL:
        return ""
    older = "worker" if info.protocol > PROTOCOL else "bot"
    return (
        f"Bot and worker do not fit: the bot ({info.version}) speaks protocol {info.protocol}, "
        f"this worker {PROTOCOL}. Update the {older}; until then no job is taken."
    )
