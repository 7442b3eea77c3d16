"""What a setting may be, whoever brings it: a command or an imported file."""

from __future__ import annotations

import base64
import difflib
import hashlib

from bot.community.topics import topic_names
from bot.community.words import (
    CategorySetting,
    ChannelSetting,
    LimitSetting,
    RoleSetting,
    Setting,
)
from compute.tool import Refused

MAX_SETTINGS = 200  # of one server; with ten topics and five purposes few need forty
MAX_RUNS = 10_000
MAX_CATEGORY = 100
WITHOUT_TOPIC = ("moderators", "commands")  # purposes of channels

Key = tuple[str, ...]


def key_of(setting: Setting) -> Key:
    """What may be set once: setting it again replaces it. Several channels may have one purpose,
    and several roles; a topic has one role to mention and one category.
    """
    match setting:
        case ChannelSetting():
            return ("channel", setting.purpose, setting.topic, setting.channel_id)
        case RoleSetting(purpose="ping"):
            return ("role", "ping", setting.topic)
        case RoleSetting():
            return ("role", setting.purpose, setting.role_id)
        case CategorySetting():
            return ("category", setting.topic)
        case LimitSetting():
            return ("limit", setting.what, setting.per, setting.role_id)


def reference(setting: Setting) -> str:
    """22 characters by which a button knows the setting again, the same after a restart."""
    words = "\0".join((setting.guild_id, *key_of(setting)))
    digest = hashlib.sha256(words.encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def checked(setting: Setting) -> Setting:
    """``setting`` itself. Raises ``Refused`` naming the option that makes no sense."""
    match setting:
        case ChannelSetting():
            _check_channel(setting)
        case RoleSetting():
            _check_role(setting)
        case CategorySetting():
            _check_topic(setting.topic)
            if not 0 < len(setting.category) <= MAX_CATEGORY:
                raise Refused("A category's name has 1 to 100 characters.", field="category")
        case LimitSetting():
            if not 0 <= setting.runs <= MAX_RUNS:
                raise Refused(f"A limit is 0 (nobody) to {MAX_RUNS:,} runs.", field="runs")
    return setting


def _check_channel(setting: ChannelSetting) -> None:
    _check_topic(setting.topic)
    if setting.topic and setting.purpose in WITHOUT_TOPIC:
        raise Refused(f"A topic means nothing for {setting.purpose}; leave it out.", field="topic")
    if setting.thread and setting.purpose != "announcements":
        raise Refused(
            "Threads are made for announcements; leave thread out for other purposes.",
            field="thread",
        )


def _check_role(setting: RoleSetting) -> None:
    _check_topic(setting.topic)
    if setting.topic and setting.purpose != "ping":
        raise Refused(
            f"A topic means something for ping alone, not for {setting.purpose}.", field="topic"
        )
    if setting.role_id == setting.guild_id and setting.purpose in ("ping", "maintainer"):
        raise Refused("That must be a role that somebody was given, not everybody.", field="role")


def _check_topic(topic: str) -> None:
    known = topic_names()
    if topic and topic not in known:
        near = difflib.get_close_matches(topic, known, 3, 0.3) or list(known)[:3]
        raise Refused(f"There is no topic {topic[:40]}.", field="topic", nearest=tuple(near))
