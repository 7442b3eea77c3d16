"""What is to be done next for an article: a pure function of what it is and what was done.

A Discussion first, then the messages that link to it, then what hangs on each of those; whatever
shows something else than it should is edited, one edit of a place at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pydantic import JsonValue

from bot.effects import Effect, Receipt, Told
from bot.integrations.announcing.records import (
    GITHUB,
    LABELS,
    Post,
    Record,
    channel_target,
    github_target,
    labels_target,
)
from bot.integrations.announcing.scene import FALLBACK_S, Places, Scene, digest
from bot.posting import (
    ChannelPost,
    Crosspost,
    DiscussionEdit,
    Labels,
    MessageEdit,
    ThreadStart,
)
from content.sources.values import one_line

THREAD_NAME = 100  # characters, Discord's limit

NEW_DISCUSSION = "a new article: its Discussion"
NEW_MESSAGE = "a new article: the message, with a link to the Discussion"
NEW_ALONE = "a new article: the message alone, GitHub is not configured or took it not"
NEW_EARLY = "a new article: GitHub has been out of reach for 10 minutes, the link follows"
PUBLISHED = "its channel is an announcement channel"
THREADED = "its channel was configured with a thread for each article"
TAGGED = "its tags, as labels where they exist"
CHANGED = "the article, its category or a link to it changed"
TAKEN_BACK = "the article was withdrawn"


@dataclass(frozen=True, slots=True)
class Planned:
    """An effect to be enqueued, why, and the post as it stands once that is done."""

    effect: Effect
    reason: str
    post: Post


def is_due(record: Record, now: float) -> bool:
    """Whether it is to be announced now: it waits and readers may see it, or somebody said so."""
    if record.state != "waiting" or record.withdrawn or record.article.state == "draft":
        return False
    return bool(record.by) or record.article.shows(datetime.fromtimestamp(now, UTC))


def targets(record: Record, where: Places) -> list[Post]:
    """Where an article that is announced now is shown from now on."""
    short = record.short
    found = [Post(github_target(short), short, GITHUB)] if where.wants_github else []
    return found + [
        Post(channel_target(c.channel_id, short), short, c.channel_id, c.guild_id, thread=c.thread)
        for c in where.channels
    ]


def next_effects(
    record: Record, posts: Sequence[Post], receipts: Mapping[str, Told], where: Places, now: float
) -> list[Planned]:
    """What is to be enqueued now; ``receipts`` tell how what was enqueued before stands."""
    if record.state != "announced":
        return []
    scene = Scene(record, tuple(posts), receipts, where, now)
    planned: list[Planned] = []
    for post in posts:
        if post.place == LABELS:
            continue
        if post.target not in receipts:
            planned += _creation(scene, post)
        elif receipts[post.target].state == "sent":
            planned += [*_followers(scene, post), *_edit(scene, post)]
    return planned


def is_settled(
    record: Record, posts: Sequence[Post], receipts: Mapping[str, Told], where: Places
) -> bool:
    """Whether nothing is left to wait for, given that nothing is to be enqueued."""
    if record.state != "announced":
        return record.state != "waiting"
    if any(told.state not in ("sent", "never") for told in receipts.values()):
        return False
    if where.wants_github and not (where.github and where.category):
        return False
    wanted = {c.channel_id for c in where.channels} | ({GITHUB} if where.wants_github else set())
    missing = (p for p in posts if p.target not in receipts and p.place in wanted)
    return record.withdrawn or not any(missing)


def digest_now(
    record: Record, posts: Sequence[Post], receipts: Mapping[str, Told], where: Places, post: Post
) -> str:
    """The digest of what ``post`` should show now."""
    scene = Scene(record, tuple(posts), receipts, where, float("inf"))
    if post.place == GITHUB:
        return digest(scene.discussion().payload())
    return digest(scene.card().payload())


def _creation(scene: Scene, post: Post) -> list[Planned]:
    """The effect that makes ``post``, if its time has come."""
    if scene.record.withdrawn:
        return []
    if post.place == GITHUB:
        return _new_discussion(scene, post)
    channel = next((c for c in scene.where.channels if c.channel_id == post.place), None)
    reason = _message_may_go(scene)
    if channel is None or not channel.ready or not reason:
        return []
    shown = scene.card()
    payload = ChannelPost(
        channel_id=channel.channel_id, guild_id=channel.guild_id, card=shown,
        mention_role=channel.ping_role, tags=_tags(scene),
    )  # fmt: skip
    made = replace(post, digest=digest(shown.payload()), last=post.target)
    return [Planned(Effect(post.target, "discord.post", payload.payload()), reason, made)]


def _followers(scene: Scene, post: Post) -> list[Planned]:
    """What hangs on a post that is there: labels; crosspost and thread."""
    if post.place == GITHUB:
        return _labels(scene, post)
    if scene.record.withdrawn:
        return []
    receipt = scene.receipts[post.target].receipt
    channel_id, message_id = str(receipt["channel_id"]), str(receipt["message_id"])
    planned = []
    key = f"{post.base}:crosspost"
    if receipt.get("crosspostable") and key not in scene.receipts:
        across = Crosspost(channel_id=channel_id, message_id=message_id)
        effect = Effect(key, "discord.crosspost", across.payload())
        planned.append(Planned(effect, PUBLISHED, post))
    key = f"{post.base}:thread"
    if post.thread and not receipt.get("thread_id") and key not in scene.receipts:
        thread = ThreadStart(
            channel_id=channel_id, message_id=message_id, guild_id=post.guild_id,
            name=one_line(scene.article.title, THREAD_NAME),
        )  # fmt: skip
        planned.append(Planned(Effect(key, "discord.thread", thread.payload()), THREADED, post))
    return planned


def _edit(scene: Scene, post: Post) -> list[Planned]:
    """The edit of a post that is there and shows something else than it should."""
    if not scene.over(post.last) or (post.place == GITHUB and not scene.where.category):
        return []
    payload, shown = _edited(scene, post)
    if shown == post.digest:
        return []
    key = f"{post.base}:edit:{post.version + 1}"
    kind = "github.edit" if post.place == GITHUB else "discord.edit"
    reason = TAKEN_BACK if scene.record.withdrawn else CHANGED
    made = replace(post, version=post.version + 1, digest=shown, last=key)
    return [Planned(Effect(key, kind, payload), reason, made)]


def _edited(scene: Scene, post: Post) -> tuple[dict[str, JsonValue], str]:
    receipt = scene.receipts[post.target].receipt
    if post.place == GITHUB:
        wanted = scene.discussion()
        edit = DiscussionEdit(
            discussion_id=str(receipt["id"]), key=post.target, **wanted.model_dump()
        )
        return edit.payload(), digest(wanted.payload())
    shown = scene.card()
    message = MessageEdit(
        channel_id=str(receipt["channel_id"]), message_id=str(receipt["message_id"]),
        guild_id=post.guild_id, card=shown,
        title=shown.title[:THREAD_NAME] if receipt.get("thread_id") else "",
        mention_role=_mentioned(scene, post, receipt),
    )  # fmt: skip
    return message.payload(), digest(shown.payload())


def _mentioned(scene: Scene, post: Post, receipt: Receipt) -> str:
    """The role in the message's first line, of which a message that was adopted says nothing."""
    if "mention_role" in receipt:
        return str(receipt["mention_role"])
    channels = (c for c in scene.where.channels if c.channel_id == post.place)
    return next((channel.ping_role for channel in channels), "")


def _new_discussion(scene: Scene, post: Post) -> list[Planned]:
    if not scene.where.github or not scene.where.category:
        return []
    wanted = scene.discussion().payload()
    made = replace(post, digest=digest(wanted), last=post.target)
    effect = Effect(post.target, "github.discussion", wanted)
    return [Planned(effect, NEW_DISCUSSION, made)]


def _message_may_go(scene: Scene) -> str:
    """Why a message is posted now; "" while it waits for the Discussion."""
    target = github_target(scene.record.short)
    if not scene.where.wants_github or not any(p.target == target for p in scene.posts):
        return NEW_ALONE
    told = scene.receipts.get(target)
    if told is not None and told.state in ("sent", "never"):
        return NEW_MESSAGE if told.state == "sent" else NEW_ALONE
    # One that was not tried yet stands in a queue, which is no sign of a GitHub that is down.
    tried = told is None or told.attempts > 0 or bool(told.reason)
    heard_at = 0.0 if tried else scene.where.github_heard_at
    waited_s = scene.now - max(scene.record.announced_at, heard_at)
    return NEW_EARLY if waited_s >= FALLBACK_S else ""


def _labels(scene: Scene, post: Post) -> list[Planned]:
    tags = scene.article.tags
    target = labels_target(scene.record.short)
    held = next((p for p in scene.posts if p.target == target), None)
    labels = held or Post(target, scene.record.short, LABELS)
    shown = digest({"names": list(tags)})
    if labels.digest == shown or (not tags and held is None):
        return []
    if labels.last and not scene.over(labels.last):
        return []
    key = f"{labels.base}:{labels.version + 1}"
    wanted = Labels(discussion_id=str(scene.receipts[post.target].receipt["id"]), names=tags)
    made = replace(labels, version=labels.version + 1, digest=shown, last=key)
    return [Planned(Effect(key, "github.label", wanted.payload()), TAGGED, made)]


def _tags(scene: Scene) -> tuple[str, ...]:
    topic = (scene.where.topic,) if scene.where.topic else ()
    return (*topic, *(tag for tag in scene.article.tags if tag not in topic))
