"""Threads and forum posts, and messages published from announcement channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fakes.discord.calls import Answer, Call, Route
from tests.fakes.discord.errors import ApiError
from tests.fakes.discord.limits import EPHEMERAL
from tests.fakes.discord.routes.archive import check_open, metadata, set_metadata, thread_changed
from tests.fakes.discord.routes.channels import guild_of, message_of, visible_channel
from tests.fakes.discord.world import ANNOUNCEMENT, FORUM, THREAD, Channel, Guild, Json, has

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord

CROSSPOSTED, HAS_THREAD, REQUIRE_TAG = 1 << 0, 1 << 5, 1 << 4
MAX_TAGS = 5
CROSSPOSTS_AN_HOUR = 10


async def create_post(fake: FakeDiscord, call: Call) -> Answer:
    """Begin a forum post with its first message, which has the post's own id."""
    forum = visible_channel(fake, call)
    body: Json = call.body
    if forum.type != FORUM:
        raise ApiError(50024)
    fake.need(forum, "send_messages")
    _check_tags(forum, body.get("applied_tags") or [])
    thread = _add_thread(fake, forum, fake.new_id(), body["name"])
    thread.extra["applied_tags"] = body.get("applied_tags") or []
    message = dict(body["message"])
    message["flags"] = int(message.get("flags") or 0) & ~EPHEMERAL
    try:
        stored = await fake.messages.create(
            thread, message, call.uploads, author=fake.bot_user, extra={"id": thread.id}
        )
    except ApiError:
        _remove(fake, thread)
        raise
    await _begun(fake, thread)
    return 201, thread.payload(fake.app_id) | {"message": stored.json}


def _check_tags(forum: Channel, wanted: list[Any]) -> None:
    payload = forum.payload()
    known = {str(tag["id"]): tag for tag in payload.get("available_tags", ())}
    assert forum.guild is not None
    if payload["flags"] & REQUIRE_TAG and not wanted:
        raise ApiError(40067)
    if len(wanted) > MAX_TAGS or len(set(map(str, wanted))) != len(wanted):
        raise ApiError(50035, [(("applied_tags",), f"{MAX_TAGS} different ones at most")])
    for number, tag_id in enumerate(wanted):
        if str(tag_id) not in known:
            raise ApiError(50035, [(("applied_tags", number), "unknown tag")])
        may = has(forum.guild.bot_permissions(forum), "manage_threads")
        if known[str(tag_id)].get("moderated") and not may:
            raise ApiError(50013)


async def start_thread(fake: FakeDiscord, call: Call) -> Answer:
    """Begin a thread under a message, whose id it gets."""
    stored = message_of(fake, call)
    if stored.channel.type in (THREAD, FORUM):
        raise ApiError(50024)
    fake.need(stored.channel, "create_public_threads")
    if stored.id in fake.channels:
        raise ApiError(160004)
    thread = _add_thread(fake, stored.channel, stored.id, call.body["name"])
    stored.json["flags"] |= HAS_THREAD
    stored.json["thread"] = thread.payload(fake.app_id)
    await _begun(fake, thread)
    return 201, thread.payload(fake.app_id)


def _add_thread(fake: FakeDiscord, parent: Channel, thread_id: str, name: str) -> Channel:
    assert parent.guild is not None
    thread = Channel(thread_id, name, THREAD, parent.guild, parent)
    thread.extra["owner_id"] = fake.app_id
    parent.guild.channels.append(thread)
    fake.channels[thread_id] = thread
    return thread


def _remove(fake: FakeDiscord, thread: Channel) -> None:
    assert thread.guild is not None
    thread.guild.channels.remove(thread)
    del fake.channels[thread.id]


async def _begun(fake: FakeDiscord, thread: Channel) -> None:
    assert thread.guild is not None
    data = thread.payload(fake.app_id) | {"newly_created": True}
    await fake.gateway.dispatch("THREAD_CREATE", data, thread.guild.id)


async def change_channel(fake: FakeDiscord, call: Call) -> Answer:
    """Rename, archive or open a thread of one's own."""
    thread, body = visible_channel(fake, call), call.body or {}
    if thread.type != THREAD:
        fake.need(thread, "manage_channels")
        raise ApiError(50024)
    if thread.payload(fake.app_id)["owner_id"] != fake.app_id:
        fake.need(thread, "manage_threads")
    fake.need(thread, "send_messages_in_threads")
    if body.get("archived") is not False:
        check_open(fake, thread)
    elif metadata(thread)["locked"]:
        fake.need(thread, "manage_threads")
    if "archived" in body:
        await set_metadata(fake, thread, archived=bool(body["archived"]))
    if "name" in body:
        thread.name = body["name"]
        await thread_changed(fake, thread)
    return 200, thread.payload(fake.app_id)


async def active_threads(fake: FakeDiscord, call: Call) -> Answer:
    """List a guild's threads that are not archived."""
    found = [t for t in _threads(guild_of(fake, call)) if not metadata(t)["archived"]]
    return 200, {"threads": [t.payload(fake.app_id) for t in found], "members": []}


async def archived_threads(fake: FakeDiscord, call: Call) -> Answer:
    """List a channel's archived threads, those archived last first."""
    channel = visible_channel(fake, call)
    fake.need(channel, "read_message_history")
    assert channel.guild is not None
    mine = [t for t in _threads(channel.guild) if t.parent is channel and metadata(t)["archived"]]
    mine.sort(key=lambda t: str(metadata(t)["archive_timestamp"]), reverse=True)
    if before := call.query.get("before"):
        mine = [t for t in mine if metadata(t)["archive_timestamp"] < before]
    limit = int(call.query.get("limit", 50))
    page = [t.payload(fake.app_id) for t in mine[:limit]]
    return 200, {"threads": page, "members": [], "has_more": len(mine) > limit}


def _threads(guild: Guild) -> list[Channel]:
    return [c for c in guild.channels if c.type == THREAD]


async def crosspost(fake: FakeDiscord, call: Call) -> Answer:
    """Publish a message: ten in an hour in each channel."""
    stored = message_of(fake, call)
    own = stored.json["author"]["id"] == fake.app_id
    if stored.channel.type != ANNOUNCEMENT:
        raise ApiError(50024)
    fake.need(stored.channel, "send_messages" if own else "manage_messages")
    now = fake.now()
    times = fake.crossposts.setdefault(stored.channel.id, [])
    times[:] = [at for at in times if now - at < fake.crosspost_hour_s]
    if len(times) >= CROSSPOSTS_AN_HOUR:
        wait_s = round(fake.crosspost_hour_s - (now - times[0]) + 0.001, 3)
        words = "You are being rate limited."
        return 429, {"message": words, "retry_after": wait_s, "global": False}
    times.append(now)
    if stored.json["flags"] & CROSSPOSTED:
        raise ApiError(40033)
    stored.json["flags"] |= CROSSPOSTED
    fake.changed()
    return 200, stored.json


MESSAGE = "/channels/{channel_id}/messages/{message_id}"
ROUTES: tuple[Route, ...] = (
    ("POST", "/channels/{channel_id}/threads", create_post),
    ("POST", MESSAGE + "/threads", start_thread),
    ("POST", MESSAGE + "/crosspost", crosspost),
    ("PATCH", "/channels/{channel_id}", change_channel),
    ("GET", "/guilds/{guild_id}/threads/active", active_threads),
    ("GET", "/channels/{channel_id}/threads/archived/public", archived_threads),
)
