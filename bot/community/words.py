"""The words of a server's configuration, and what others may ask of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

ChannelPurpose = Literal["announcements", "discussions", "results", "moderators", "commands"]
RolePurpose = Literal["ping", "post-results", "run-jobs", "maintainer"]
Limited = Literal["jobs", "posts"]
Per = Literal["hour", "day"]

PER_S: dict[Per, float] = {"hour": 3600.0, "day": 86_400.0}


@dataclass(frozen=True, slots=True)
class ChannelSetting:
    """``topic`` "" = all topics; ``thread``: each announcement there gets a thread."""

    guild_id: str
    purpose: ChannelPurpose
    channel_id: str
    topic: str = ""
    thread: bool = False


@dataclass(frozen=True, slots=True)
class RoleSetting:
    """``topic`` "" = all topics; it means something for "ping" alone."""

    guild_id: str
    purpose: RolePurpose
    role_id: str
    topic: str = ""


@dataclass(frozen=True, slots=True)
class CategorySetting:
    """The Discussions category of a topic, by its name on GitHub."""

    guild_id: str
    topic: str
    category: str


@dataclass(frozen=True, slots=True)
class LimitSetting:
    """At most ``runs`` of ``what`` in an hour or a day; ``role_id`` "" = everybody."""

    guild_id: str
    what: Limited
    runs: int
    per: Per
    role_id: str = ""


Setting = ChannelSetting | RoleSetting | CategorySetting | LimitSetting


@dataclass(frozen=True, slots=True)
class By:
    """Who changed something, for the audit log."""

    user_id: str
    user_name: str


@dataclass(frozen=True, slots=True)
class Audit:
    """One line of the audit log; ``at`` in Unix seconds."""

    by: By
    words: str
    at: float


class Community(Protocol):
    """What announcing, conversation and posting read, from memory. Only home servers are in it."""

    def channels(self, purpose: ChannelPurpose, topic: str | None = None) -> list[ChannelSetting]:
        """Where posts of that purpose and topic go: a channel set for the topic and one set for
        all; each channel once. ``topic`` "" (an article without one): only those set for all.
        None: every channel of the purpose.
        """

    def ping_role(self, guild_id: str, topic: str | None) -> str:
        """The role to mention for that topic in that server, "" for none. A role that was set for
        all topics counts for each.
        """

    def category(self, topic: str | None) -> str:
        """The Discussions category that a moderator set for the topic, or for all other topics;
        "" where nobody did.
        """

    def may(self, purpose: RolePurpose, guild_id: str, roles: tuple[str, ...]) -> bool:
        """Whether one of ``roles`` was given that purpose in that server."""

    def post_limits(self, guild_id: str, roles: tuple[str, ...]) -> tuple[tuple[int, float], ...]:
        """Posts to Discussions that such a member may make, in how many seconds: all must hold."""

    def post_limit(self, guild_id: str, roles: tuple[str, ...]) -> tuple[int, float]:
        """The tightest of ``post_limits`` over time."""

    def revision(self) -> int:
        """Grows with every change."""
