"""What a channel is at this moment, as Discord tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.integrations.discord_client.channels.needs import KINDS, Kind

REQUIRE_TAG = 1 << 4  # a forum's flag: each post needs a tag


@dataclass(frozen=True, slots=True)
class Tag:
    """A forum's tag; a ``moderated`` one is for those who manage threads."""

    id: str
    name: str
    moderated: bool


@dataclass(frozen=True, slots=True)
class Target:
    """``parent_id`` is a thread's channel; ``archived`` and ``locked`` are of threads."""

    id: str
    guild_id: str
    kind: Kind
    name: str
    parent_id: str
    archived: bool
    locked: bool
    tags: tuple[Tag, ...]
    needs_tag: bool


def read_target(said: Mapping[str, Any]) -> Target:
    """The channel of Discord's JSON."""
    kind = KINDS.get(int(said["type"]), "other")
    metadata = said.get("thread_metadata") or {}
    return Target(
        id=str(said["id"]),
        guild_id=str(said.get("guild_id") or ""),
        kind=kind,
        name=str(said.get("name") or ""),
        parent_id=str(said.get("parent_id") or "") if kind == "thread" else "",
        archived=bool(metadata.get("archived")),
        locked=bool(metadata.get("locked")),
        tags=tuple(
            Tag(str(tag["id"]), str(tag["name"]), bool(tag.get("moderated")))
            for tag in said.get("available_tags") or ()
        ),
        needs_tag=bool(int(said.get("flags") or 0) & REQUIRE_TAG),
    )


def address(guild_id: str, *ids: str) -> str:
    """Where a channel, thread or message opens in Discord."""
    return "/".join(("https://discord.com/channels", guild_id, *ids))
