"""The choices that Discord lists for the options of /config."""

from __future__ import annotations

from typing import get_args

from bot.command import Choice
from bot.community.topics import topic_names
from bot.community.words import ChannelPurpose, Limited, Per, RolePurpose
from bot.guild_command import GuildHouse, GuildOption

OTHER = "other"  # /config category topic: all topics that have no category of their own

CHANNEL_PURPOSES: dict[ChannelPurpose, str] = {
    "announcements": "announcements: new articles",
    "discussions": "discussions: what happens on GitHub Discussions",
    "results": "results: what members post to Discussions from here",
    "moderators": "moderators: what needs a moderator",
    "commands": "commands: where answers are for everybody to see",
}
ROLE_PURPOSES: dict[RolePurpose, str] = {
    "ping": "ping: told of new articles",
    "post-results": "post-results: may post to Discussions",
    "run-jobs": "run-jobs: may run jobs on workers",
    "maintainer": "maintainer: may announce articles, goes first",
}
LIMITED: dict[Limited, str] = {
    "jobs": "jobs: runs on workers",
    "posts": "posts: posts to Discussions",
}


def purpose_option(kind: str) -> GuildOption:
    """What a channel or a role is for."""
    words = CHANNEL_PURPOSES if kind == "channel" else ROLE_PURPOSES
    choices = tuple((label, value) for value, label in words.items())
    return GuildOption("purpose", f"What the {kind} is for", "text", choices=choices)


def topic_option(description: str, *, required: bool = False, other: bool = False) -> GuildOption:
    """One of the community's topics."""
    choices: tuple[Choice, ...] = tuple((name, id) for id, name in topic_names().items())
    choices += (("All other topics", OTHER),) if other else ()
    return GuildOption("topic", description, "text", required=required, choices=choices)


def what_option() -> GuildOption:
    """What is limited."""
    choices = tuple((label, value) for value, label in LIMITED.items())
    return GuildOption("what", "What is limited", "text", choices=choices)


def per_option() -> GuildOption:
    """The window of a limit."""
    choices = tuple((per, per) for per in get_args(Per))
    return GuildOption("per", "In an hour, or in a day", "text", choices=choices)


def category_option() -> GuildOption:
    """A Discussions category, suggested from those that are known."""
    return GuildOption(
        "category", "A category of GitHub Discussions, by its name", "text", suggest=_categories
    )


def _categories(house: GuildHouse, text: str) -> list[Choice]:
    found = [name for name in house.categories() if text.casefold() in name.casefold()]
    return [(name, name) for name in found]
