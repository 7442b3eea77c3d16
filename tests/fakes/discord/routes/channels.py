"""Channels, their messages, and what a bot may read of a guild."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.discord.calls import Answer, Call, Route
from tests.fakes.discord.errors import ApiError
from tests.fakes.discord.limits import EPHEMERAL
from tests.fakes.discord.messages import Stored
from tests.fakes.discord.routes.archive import check_open, reopen
from tests.fakes.discord.world import FORUM, THREAD, Channel, Guild, Json, member_payload

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord


def visible_channel(fake: FakeDiscord, call: Call) -> Channel:
    """Return the channel of the path if the bot can see it."""
    channel = fake.channels.get(call.params["channel_id"])
    if channel is None:
        raise ApiError(10003)
    fake.need(channel, "view_channel", code=50001)
    return channel


def guild_of(fake: FakeDiscord, call: Call) -> Guild:
    found = [g for g in fake.guilds if g.id == call.params["guild_id"]]
    if not found:
        raise ApiError(10004)
    if not found[0].has_bot:
        raise ApiError(50001)
    return found[0]


def message_of(fake: FakeDiscord, call: Call) -> Stored:
    """Return the message of the path; a private answer does not exist for this route."""
    stored = fake.messages.find(call.params["message_id"], visible_channel(fake, call))
    if stored.viewer is not None:
        raise ApiError(10008)
    return stored


def _own(fake: FakeDiscord, stored: Stored) -> Stored:
    if stored.json["author"]["id"] != fake.app_id:
        raise ApiError(50005)
    return stored


def _need_for(fake: FakeDiscord, channel: Channel, call: Call) -> None:
    if channel.recipient is not None and fake.people[channel.recipient["id"]].closed:
        raise ApiError(50007)
    speak = "send_messages_in_threads" if channel.type == THREAD else "send_messages"
    fake.need(channel, speak)
    if call.uploads:
        fake.need(channel, "attach_files")
    if (call.body or {}).get("embeds"):
        fake.need(channel, "embed_links")


async def create_message(fake: FakeDiscord, call: Call) -> Answer:
    """Post a message; with ``enforce_nonce`` the same nonce gives the same message again."""
    channel = visible_channel(fake, call)
    if channel.type == FORUM:
        raise ApiError(50035, [((), "a forum takes threads, not messages")])
    _need_for(fake, channel, call)
    await reopen(fake, channel)
    body: Json = dict(call.body or {})
    nonce = body.get("nonce")
    if body.get("enforce_nonce") and (known := fake.messages.known_nonce(channel, str(nonce))):
        return 200, known.json
    body["flags"] = int(body.get("flags") or 0) & ~EPHEMERAL
    extra: Json = {} if nonce is None else {"nonce": nonce}
    if reference := body.get("message_reference"):
        extra |= _reply(fake, channel, reference)
    stored = await fake.messages.create(
        channel, body, call.uploads, author=fake.bot_user, extra=extra
    )
    if nonce is not None:
        fake.messages.remember_nonce(channel, str(nonce), stored)
    return 200, stored.json


def _reply(fake: FakeDiscord, channel: Channel, reference: Json) -> Json:
    """Return a reply's fields; one whose addressee is gone is a plain message if it asks so."""
    fake.need(channel, "read_message_history", code=160002)
    try:
        source = fake.messages.find(str(reference["message_id"]), channel)
    except ApiError:
        if reference.get("fail_if_not_exists", True):
            raise ApiError(50035, [(("message_reference",), "unknown message")]) from None
        return {}
    return {"type": 19, "message_reference": reference, "referenced_message": source.json}


async def list_messages(fake: FakeDiscord, call: Call) -> Answer:
    """List messages, newest first; what others wrote is blank without the intent for it."""
    channel = visible_channel(fake, call)
    if not _may_look_back(fake, channel):
        return 200, []
    found = fake.channel_messages(channel)
    if before := call.query.get("before"):
        found = [m for m in found if int(m.id) < int(before)]
    if after := call.query.get("after"):
        found = [m for m in found if int(m.id) > int(after)]
    limit = int(call.query.get("limit", 50))
    page = found[:limit] if after else found[::-1][:limit]
    page.sort(key=lambda m: int(m.id), reverse=True)
    return 200, [fake.as_seen(m, fake.gateway.intents) for m in page]


def _may_look_back(fake: FakeDiscord, channel: Channel) -> bool:
    """Tell or refuse, as the test wants; the documentation says that nothing is returned."""
    try:
        fake.need(channel, "read_message_history", code=50001)
    except ApiError:
        if fake.silent_history:
            return False
        raise
    return True


async def get_message(fake: FakeDiscord, call: Call) -> Answer:
    """Return one message, blank as in ``list_messages``."""
    stored = message_of(fake, call)
    fake.need(stored.channel, "read_message_history", code=50001)
    return 200, fake.as_seen(stored, fake.gateway.intents)


async def edit_message(fake: FakeDiscord, call: Call) -> Answer:
    """Edit an own message with the bot's token."""
    stored = _own(fake, message_of(fake, call))
    check_open(fake, stored.channel)
    await fake.messages.edit(stored, call.body or {}, call.uploads)
    return 200, stored.json


async def delete_message(fake: FakeDiscord, call: Call) -> Answer:
    """Delete a message: an own one, or another's with manage_messages."""
    stored = message_of(fake, call)
    if stored.json["author"]["id"] != fake.app_id:
        fake.need(stored.channel, "manage_messages")
    await fake.messages.delete(stored)
    return 204, None


async def typing(fake: FakeDiscord, call: Call) -> Answer:
    """Show that the bot types."""
    visible_channel(fake, call)
    return 204, None


async def get_channel(fake: FakeDiscord, call: Call) -> Answer:
    """Return a channel."""
    return 200, visible_channel(fake, call).payload(fake.app_id)


async def get_guild(fake: FakeDiscord, call: Call) -> Answer:
    """Return a guild."""
    return 200, guild_of(fake, call).payload()


async def guild_channels(fake: FakeDiscord, call: Call) -> Answer:
    """List a guild's channels, threads left out."""
    found = [c for c in guild_of(fake, call).channels if c.type != THREAD]
    return 200, [c.payload(fake.app_id) for c in found]


async def guild_roles(fake: FakeDiscord, call: Call) -> Answer:
    """List a guild's roles."""
    return 200, [role.payload() for role in guild_of(fake, call).roles]


async def guild_member(fake: FakeDiscord, call: Call) -> Answer:
    """Return a member; the bot is one."""
    guild, user_id = guild_of(fake, call), call.params["user_id"]
    if user_id == fake.app_id:
        return 200, member_payload(fake.bot_user, [guild.role("bot").id])
    if user_id not in fake.people:
        raise ApiError(10013)
    person = fake.people[user_id]
    return 200, member_payload(person.json, person.role_ids(guild))


MESSAGES = "/channels/{channel_id}/messages"
ROUTES: tuple[Route, ...] = (
    ("GET", "/channels/{channel_id}", get_channel),
    ("POST", "/channels/{channel_id}/typing", typing),
    ("POST", MESSAGES, create_message),
    ("GET", MESSAGES, list_messages),
    ("GET", MESSAGES + "/{message_id}", get_message),
    ("PATCH", MESSAGES + "/{message_id}", edit_message),
    ("DELETE", MESSAGES + "/{message_id}", delete_message),
    ("GET", "/guilds/{guild_id}", get_guild),
    ("GET", "/guilds/{guild_id}/channels", guild_channels),
    ("GET", "/guilds/{guild_id}/roles", guild_roles),
    ("GET", "/guilds/{guild_id}/members/{user_id}", guild_member),
)
