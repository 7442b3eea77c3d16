"""The queue's server and the workers on it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pydantic import ValidationError

from bot.doctor.finding import Finding, place
from compute.broker.access import Access, AccessError, access_of
from compute.broker.folder import BrokerError
from compute.broker.process import find_binary
from compute.broker.server import Status, broker_access, broker_status
from compute.broker.workers import list_workers
from compute.jobs.job import PROTOCOL, Card
from compute.jobs.subjects import CARD_BUCKET, Timing
from config.settings import Settings

if TYPE_CHECKING:
    from nats.aio.client import Client

BROKER_FOLDER = "broker"
PATIENCE_S = 3.0  # the doctor gives each part 5 s
ANSWER_S = 1.0
FREE_NEEDED_GB = 2.0  # files of workers lie there for a day: 256 MB a worker at most
RESTART = "Stop it with k2c down; k2c up starts it again."


async def examine_broker(settings: Settings) -> list[Finding]:
    """Whether the server answers, which version it is, whether it keeps what it confirmed."""
    if settings.nats_url:
        return [await _existing(settings)]
    return [await _embedded(settings)]


async def examine_workers(settings: Settings) -> list[Finding]:
    """Who is online, and who was let in and is not."""
    part = "workers"
    try:
        access = await asyncio.to_thread(_bot_access, settings)
        added = [] if settings.nats_url else await asyncio.to_thread(_added, settings)
        cards = await _cards(access)
    except Exception as error:
        if not _is_ours(error):
            raise
        return [Finding(part, "off", "Unknown while no queue answers.")]
    gone = sorted(set(added) - {card.name for card in cards})
    missing = f" Added and not online: {', '.join(gone)}." if gone else ""
    fix = "On that machine: k2c worker run TOKEN." if gone else ""
    strange = [card.name for card in cards if card.protocol != PROTOCOL]
    if strange:
        sentence = f"{', '.join(strange)}: of another version than this, so no job goes there."
        return [Finding(part, "problem", sentence, "Install the same version on both.")]
    if not cards:
        fix = fix or "k2c up starts one here; docs/attach-a-gpu.md says how to add another."
        return [Finding(part, "off", f"None is online.{missing}", fix)]
    online = ", ".join(f"{card.name} ({card.machine.gpu or 'no GPU'})" for card in cards)
    return [Finding(part, "ok", f"{len(cards)} online: {online}.{missing}", fix)]


async def _existing(settings: Settings) -> Finding:
    where = ", ".join(place(url) for url in settings.nats_url.split(","))
    try:
        access = await asyncio.to_thread(_bot_access, settings)
        async with _client(access) as client:
            version = str(client.connected_server_version)
            await client.jetstream(timeout=ANSWER_S).account_info()
    except Exception as error:
        if not _is_ours(error):
            raise
        fix = "Look at K2C_NATS_URL, K2C_NATS_CREDS and K2C_NATS_CA, and at JetStream there."
        return Finding("broker", "problem", f"{where}: {_words(error)}", fix)
    sentence = f"{where} answers: NATS {version} with JetStream."
    return Finding("broker", "ok", f"{sentence} That it syncs each message is set there.")


async def _embedded(settings: Settings) -> Finding:
    folder = settings.data_dir / BROKER_FOLDER
    try:
        _, source = find_binary()
    except BrokerError as error:
        return Finding("broker", "problem", "nats-server is not installed.", str(error))
    if not (folder / "address.json").exists():
        return Finding("broker", "off", f"k2c up starts it (nats-server from {source}).")
    try:
        status = await asyncio.to_thread(broker_status, folder)
    except BrokerError as error:
        return Finding("broker", "problem", str(error), RESTART)
    if status.pid is None:
        return Finding("broker", "off", "Not running; k2c up starts it.")
    if not status.answers:
        sentence = f"Process {status.pid} runs and does not answer at {status.urls[0]}."
        return Finding("broker", "problem", sentence, RESTART)
    return await _running(settings, status)


async def _running(settings: Settings, status: Status) -> Finding:
    folder = settings.data_dir / BROKER_FOLDER
    free_gb = (await asyncio.to_thread(shutil.disk_usage, folder)).free / 1e9
    words = f"NATS {status.version} at {status.urls[0]}, process {status.pid}"
    kept = f"{status.store_bytes / 1e6:.1f} MB kept, {free_gb:.0f} GB free"
    if not await _syncs(await asyncio.to_thread(broker_access, folder, "sys")):
        sentence = f"{words}: it does not sync each message to the disk."
        return Finding("broker", "problem", sentence, RESTART)
    if free_gb < FREE_NEEDED_GB:
        fix = f"Free {FREE_NEEDED_GB:g} GB or more: files of jobs are kept there for a day."
        return Finding("broker", "problem", f"{words}, {kept}.", fix)
    outside = f", workers by {status.public_url}" if status.public_url else ""
    return Finding("broker", "ok", f"{words}{outside}, each message synced, {kept}.")


async def _syncs(access: Access) -> bool:
    """Whether an acknowledged job survives a power cut, in the server's own words."""
    async with _client(access) as client:
        reply = await client.request("$SYS.REQ.SERVER.PING.VARZ", b"", timeout=ANSWER_S)
    said = json.loads(reply.data)["data"]["jetstream"]["config"]
    return bool(said.get("sync_always"))


async def _cards(access: Access) -> list[Card]:
    """Of all workers that wrote theirs lately, by name."""
    from nats.js.errors import NotFoundError

    cards, stream = [], f"KV_{CARD_BUCKET}"
    async with _client(access) as client:
        js = client.jetstream(timeout=ANSWER_S)
        with contextlib.suppress(NotFoundError):
            info = await js.stream_info(stream, subjects_filter=f"$KV.{CARD_BUCKET}.>")
            for subject in sorted(info.state.subjects or {}):
                with contextlib.suppress(ValidationError, NotFoundError):
                    found = await js.get_msg(stream, subject=subject, direct=True)
                    cards.append(Card.model_validate_json(found.data or b""))
    return [card for card in cards if time.time() - card.at < Timing().gone_s]


def _bot_access(settings: Settings) -> Access:
    if settings.nats_url:
        return access_of(settings.nats_url, settings.nats_creds, settings.nats_ca)
    folder = settings.data_dir / BROKER_FOLDER
    if not (folder / "address.json").exists():
        raise BrokerError("No queue was started here yet.")
    return broker_access(folder)


def _added(settings: Settings) -> list[str]:
    return [worker.name for worker in list_workers(settings.data_dir / BROKER_FOLDER)]


@asynccontextmanager
async def _client(access: Access) -> AsyncIterator[Client]:
    from compute.jobs.connection import connect

    client = await connect(access, patience_s=PATIENCE_S)
    try:
        yield client
    finally:
        await client.close()


def _is_ours(error: Exception) -> bool:
    """Errors that say in words what is wrong with the queue; others are faults of the check."""
    from nats.errors import Error

    from compute.jobs.connection import ConnectionRefused

    kinds = (AccessError, BrokerError, ConnectionRefused, Error, TimeoutError)
    return isinstance(error, kinds)


def _words(error: Exception) -> str:
    """Our own sentences hold no secret; of the library's only the kind is told."""
    from compute.jobs.connection import ConnectionRefused

    if isinstance(error, AccessError | BrokerError | ConnectionRefused):
        return str(error)
    return f"connected, but JetStream does not answer ({type(error).__name__})."
