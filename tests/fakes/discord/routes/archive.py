"""What an archived or locked thread takes: a message opens it, an edit does not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.fakes.discord.errors import ApiError
from tests.fakes.discord.world import THREAD, Channel, Json, has

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord


def metadata(thread: Channel) -> Json:
    """Return whether it is archived and locked."""
    found: Json = thread.payload()["thread_metadata"]
    return found


async def set_metadata(fake: FakeDiscord, thread: Channel, **changed: bool) -> None:
    """Archive, lock, open; the gateway tells of it."""
    stamp = {"archive_timestamp": datetime.now(UTC).isoformat()} if "archived" in changed else {}
    thread.extra["thread_metadata"] = metadata(thread) | changed | stamp
    await thread_changed(fake, thread)


async def thread_changed(fake: FakeDiscord, thread: Channel) -> None:
    """Send THREAD_UPDATE."""
    assert thread.guild is not None
    await fake.gateway.dispatch("THREAD_UPDATE", thread.payload(fake.app_id), thread.guild.id)


def check_open(fake: FakeDiscord, channel: Channel) -> None:
    """Refuse a change in a thread that is archived, or locked for the bot."""
    if channel.type != THREAD:
        return
    if metadata(channel)["locked"] and not _manages(channel):
        raise ApiError(160005)
    if metadata(channel)["archived"]:
        raise ApiError(50083)


async def reopen(fake: FakeDiscord, channel: Channel) -> None:
    """Open an archived thread for a new message."""
    if channel.type != THREAD:
        return
    if metadata(channel)["locked"] and not _manages(channel):
        raise ApiError(160005)
    if metadata(channel)["archived"]:
        await set_metadata(fake, channel, archived=False)


def _manages(thread: Channel) -> bool:
    assert thread.guild is not None
    return has(thread.guild.bot_permissions(thread), "manage_threads")
