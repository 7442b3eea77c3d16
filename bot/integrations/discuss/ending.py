"""What a post's end means: its row, what its poster is told, and the reply in Discord."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pydantic import JsonValue

from bot.community.words import ChannelSetting
from bot.discussing import Asked
from bot.integrations.discuss.ledger import Post
from bot.outbox import Effect, Told
from bot.posting import Card, ChannelPost

REPLY = "dc:{channel}:chat:{message}:new"
TOLD = "dc:{channel}:result:{about}:new"
FAILED = "GitHub did not take it: {reason} You can try again."


def ended_post(post: Post, told: Told) -> Post:
    """The row of a post whose effect has ended."""
    if told.state == "never":
        return replace(post, state="failed", reason=told.reason)
    number = told.receipt.get("number")
    return replace(
        post,
        state="posted",
        number=number if isinstance(number, int) else 0,
        discussion_id=_word(told.receipt.get("id")),
        url=_word(told.receipt.get("url")),
        category=_word(told.receipt.get("category")) or post.category,
    )


def asked_of(post: Post, waits: str = "") -> Asked:
    """What the row says to who asks."""
    failed = FAILED.format(reason=_sentence(post.reason)) if post.state == "failed" else ""
    return Asked(post.state, post.key, post.url, post.number, failed, waits)


def reply_to(post: Post) -> Effect | None:
    """The reply under a posted message, with the link; None where there is none to make."""
    if post.kind != "chat" or post.state != "posted" or not post.url:
        return None
    card = Card(
        title=post.title,
        url=post.url,
        lines=("This is a Discussion on GitHub now. An answer accepted there is posted here too.",),
        note=f"{post.category} · posted by {post.by_name}",
        links=(("Discuss on GitHub", post.url),),
        tone="notice",
    )
    payload = ChannelPost(
        channel_id=post.channel_id,
        guild_id=post.guild_id,
        card=card,
        reply_to=post.message_id,
        purpose="discussions",
    )
    key = REPLY.format(channel=post.channel_id, message=post.message_id)
    return Effect(key, "discord.post", payload.payload())


def told_in(post: Post, channels: Iterable[ChannelSetting]) -> list[Effect]:
    """What the channels for results are told of a posted answer."""
    if post.kind != "result" or post.state != "posted" or not post.url:
        return []
    asked = f"asked by {post.asked_by}" if post.asked_by not in ("", post.by_name) else ""
    facts = (post.category, asked, f"posted by {post.by_name}")
    card = Card(
        title=post.title,
        url=post.url,
        note=" · ".join(fact for fact in facts if fact),
        links=(("Discuss on GitHub", post.url),),
    )
    return [
        Effect(
            TOLD.format(channel=channel.channel_id, about=post.about),
            "discord.post",
            ChannelPost(
                channel_id=channel.channel_id, guild_id=channel.guild_id, card=card,
                purpose="results",
            ).payload(),
        )
        for channel in channels
    ]  # fmt: skip


def _word(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _sentence(reason: str) -> str:
    reason = reason.strip() or "no reason was given"
    return reason if reason.endswith((".", "!", "?")) else f"{reason}."
