"""Posts of the outbox in channels, threads and forums, each exactly once."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from bot.integrations.discord_client.channels.cards import card_body, key_in, without_buttons
from bot.integrations.discord_client.channels.desk import INVALID_FORM, UNKNOWN_CHANNEL, Desk
from bot.integrations.discord_client.channels.needs import CHANNEL, HISTORY, VIEW, to_post
from bot.integrations.discord_client.channels.past import forum_starters, messages_since
from bot.integrations.discord_client.channels.rest import Refusal
from bot.integrations.discord_client.channels.target import Tag, Target, address
from bot.integrations.discord_client.channels.troubles import TAG, Spot
from bot.outbox import Effect, Later, Never, Receipt
from bot.posting import ChannelPost
from bot.render.markup import visible
from content.sources.article import short_key

KIND = "discord.post"
MAX_NAME = 100
MAX_TAGS = 5
NO_REPLIES = 160002  # a reply takes Read Message History; a message does not
NEAR = 0.6  # difflib's own measure of what is close enough to be meant
UNKNOWN_S = 5.0
LOCKED = "the thread is locked, so nobody but moderators may write in it"


class PostSender:
    """The outbox's sender for ``KIND``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def send(self, effect: Effect) -> Receipt:
        """Post it. Raises ``Later``, ``Never``, and ``Unsure`` where it may stand."""
        post = ChannelPost.model_validate(effect.payload)
        spot = _spot(post)
        self._desk.check(spot)
        try:
            target = await self._desk.look(spot)
            spot = _spot(post, target)
            await self._check_role(spot, post)
            if target.kind == "forum":
                receipt = await self._in_forum(spot, target, post, effect.key)
            else:
                receipt = await self._in_channel(spot, target, post, effect.key)
        except Refusal as error:
            if error.code == UNKNOWN_CHANNEL:
                raise await self._desk.troubles.met(spot, [CHANNEL]) from error
            raise Never(f"Discord refuses the post: {error}") from error
        self._desk.troubles.settled(spot)
        return receipt

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """Our message there that carries the key; whatever hides it must be settled first."""
        post = ChannelPost.model_validate(effect.payload)
        try:
            target = await self._desk.look(_spot(post))
        except Refusal:
            return None  # what was in a channel that is gone is gone too
        await self._may_read(_spot(post, target), target)
        short = short_key(effect.key)
        async for message in self._past(target, since):
            if key_in(message) == short:
                return _receipt(post, target, message)
        return None

    def _past(self, target: Target, since: float) -> AsyncIterator[Mapping[str, Any]]:
        client = self._desk.client()
        read = forum_starters if target.kind == "forum" else messages_since
        return read(client, target.id, target.guild_id, since)

    async def _may_read(self, spot: Spot, target: Target) -> None:
        """Raise ``Later`` where we could not see it: Discord then shows an empty channel."""
        place = target.parent_id or target.id
        lacking = self._desk.places.lacking_of(place, [VIEW, HISTORY])
        if lacking is None:
            raise Later("whether its messages may be read is not known yet", UNKNOWN_S)
        if lacking:
            raise await self._desk.troubles.met(spot, lacking)

    async def _check_role(self, spot: Spot, post: ChannelPost) -> None:
        """A role that may not be mentioned is a matter for moderators, and no reason to wait."""
        if post.mention_role:
            lacking = self._desk.places.lacking_to_ping(post.channel_id, post.mention_role)
            if lacking:
                await self._desk.troubles.told(spot, lacking)

    async def _in_channel(self, spot: Spot, target: Target, post: ChannelPost, key: str) -> Receipt:
        if target.locked:
            raise Never(LOCKED)
        extra: dict[str, Any] = {"nonce": short_key(key), "enforce_nonce": True}
        if post.reply_to:
            extra["message_reference"] = {
                "message_id": post.reply_to, "fail_if_not_exists": False,
            }  # fmt: skip
        path = f"/channels/{target.id}/messages"
        body = self._body(post, key) | extra
        try:
            said = await self._desk.do(spot, "POST", path, body)
        except Refusal as error:
            if error.code == NO_REPLIES:
                body.pop("message_reference", None)
            elif error.code == INVALID_FORM:
                body |= self._body(post, key, plain=True)
            else:
                raise
            said = await self._desk.do(spot, "POST", path, body)
        return _receipt(post, target, said)

    async def _in_forum(self, spot: Spot, target: Target, post: ChannelPost, key: str) -> Receipt:
        """A post of a forum; it has no nonce, so it is never repeated blindly."""
        tags = fitting_tags(target.tags, post.tags, needed=target.needs_tag)
        if tags is None:
            wanted = ", ".join(f'"{name}"' for name in post.tags) or "for announcements"
            raise await self._desk.troubles.met(spot, [f"{TAG}{wanted}"])
        body = {"name": thread_name(post.card.title), "message": self._body(post, key)}
        if tags:
            body["applied_tags"] = [tag.id for tag in tags]
        path = f"/channels/{target.id}/threads"
        try:
            said = await self._desk.do(spot, "POST", path, body, repeatable=False)
        except Refusal as error:
            if error.code != INVALID_FORM:
                raise
            body["message"] = self._body(post, key, plain=True)
            said = await self._desk.do(spot, "POST", path, body, repeatable=False)
        return _receipt(post, target, {"id": said["id"], "channel_id": said["id"]})

    def _body(self, post: ChannelPost, key: str, *, plain: bool = False) -> dict[str, Any]:
        """``plain`` is without the buttons, for an address there that Discord takes for none."""
        gone = self._desk.places.is_gone(post.guild_id, post.mention_role)
        card = without_buttons(post.card) if plain else post.card
        return card_body(card, key, "" if gone else post.mention_role, pings=True)


def _spot(post: ChannelPost, target: Target | None = None) -> Spot:
    needs = tuple(to_post(target.kind)) if target is not None else (VIEW,)
    return Spot(KIND, post.guild_id, post.channel_id, post.purpose, needs)


def _receipt(post: ChannelPost, target: Target, message: Mapping[str, Any]) -> Receipt:
    message_id = str(message["id"])
    forum = target.kind == "forum"
    channel_id = message_id if forum else target.id  # a forum post's id is its thread's
    return {
        "channel_id": channel_id,
        "message_id": message_id,
        "thread_id": message_id if forum else "",
        "url": address(target.guild_id or post.guild_id, channel_id, message_id),
        "crosspostable": target.kind == "announcement",
        "channel_name": target.name,
        "mention_role": post.mention_role,
    }


def thread_name(title: str) -> str:
    """A thread's name: one visible line of at most 100 characters."""
    name = " ".join(visible(title).split()) or "\u2026"
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1].rstrip()}\u2026"


def fitting_tags(
    known: tuple[Tag, ...], wanted: tuple[str, ...], *, needed: bool
) -> list[Tag] | None:
    """The forum's tags of these names, at most five; the nearest one where one is needed and none
    has the name; None where not even that is there.
    """
    free = {tag.name.casefold(): tag for tag in known if not tag.moderated}
    names = [name.casefold() for name in wanted]
    found = [free[name] for name in dict.fromkeys(names) if name in free]
    if found or not needed:
        return found[:MAX_TAGS]
    for name in names:
        for near in difflib.get_close_matches(name, free, n=1, cutoff=NEAR):
            return [free[near]]
    return None
