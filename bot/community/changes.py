"""Changes of a server's settings, and their words for the audit log and for a preview."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bot.community.rules import WITHOUT_TOPIC, Key, key_of
from bot.community.topics import topic_words
from bot.community.words import (
    CategorySetting,
    ChannelSetting,
    LimitSetting,
    RoleSetting,
    Setting,
)

Names = Callable[[str], str]  # the name of a channel or role by its id, "" where it is gone


@dataclass(frozen=True, slots=True)
class Change:
    """From ``before`` (None: it was not set) to ``after`` (None: it is removed)."""

    before: Setting | None
    after: Setting | None


def by_key(settings: Iterable[Setting]) -> dict[Key, Setting]:
    """Sorted by what they are about, the last of one key counts."""
    return dict(sorted((key_of(setting), setting) for setting in settings))


def changes_between(old: Mapping[Key, Setting], new: Mapping[Key, Setting]) -> list[Change]:
    """What makes ``new`` of ``old``, in the order of their keys."""
    return [
        Change(old.get(key), new.get(key))
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]


def change_words(change: Change, names: Names) -> str:
    """One line, with the names that channels and roles have now."""
    if change.after is None:
        assert change.before is not None
        return f"removed {setting_words(change.before, names)}"
    words = setting_words(change.after, names)
    if change.before is None:
        return f"set {words}"
    return f"changed {words} (was {detail_words(change.before, names)})"


def setting_words(setting: Setting, names: Names) -> str:
    """The whole setting: "announcements in #articles: all topics, with a thread"."""
    match setting:
        case ChannelSetting():
            where = channel_name(setting.channel_id, names)
            detail = detail_words(setting, names)
            return f"{setting.purpose} in {where}{f': {detail}' if detail else ''}"
        case RoleSetting(purpose="ping"):
            who = role_name(setting.role_id, names)
            return f"ping of {who}: {topic_words(setting.topic)}"
        case RoleSetting():
            return f"{setting.purpose}: {role_name(setting.role_id, names)}"
        case CategorySetting():
            return f"category of {category_topic(setting)}: {setting.category}"
        case LimitSetting():
            who = role_name(setting.role_id, names) if setting.role_id else "everybody"
            return f"limit of {setting.what} for {who}: {detail_words(setting, names)}"


def detail_words(setting: Setting, names: Names) -> str:
    """What can change while the setting is still about the same."""
    match setting:
        case ChannelSetting():
            if setting.purpose in WITHOUT_TOPIC:
                return ""
            thread = ", with a thread" if setting.thread else ""
            return f"{topic_words(setting.topic)}{thread}"
        case RoleSetting():
            return role_name(setting.role_id, names)
        case CategorySetting():
            return setting.category
        case LimitSetting():
            return limit_words(setting)


def counted(number: int) -> str:
    """ "1 setting", "2 settings"."""
    return f"{number:,} {'setting' if number == 1 else 'settings'}"


def limit_words(setting: LimitSetting) -> str:
    """ "5 an hour"."""
    return f"{setting.runs:,} {'an' if setting.per == 'hour' else 'a'} {setting.per}"


def category_topic(setting: CategorySetting) -> str:
    """The topic's name, or all that have none of their own."""
    return topic_words(setting.topic) if setting.topic else "all other topics"


def channel_name(channel_id: str, names: Names) -> str:
    """ "#articles"; a channel that is gone keeps its number."""
    return f"#{names(channel_id) or channel_id}"


def role_name(role_id: str, names: Names) -> str:
    """ "@contributors"; a role that is gone keeps its number."""
    return f"@{names(role_id) or role_id}".replace("@@", "@")
