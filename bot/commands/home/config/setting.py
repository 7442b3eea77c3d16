"""/config channel, role, category and limits: one setting each, and what to do for it to work."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from bot.commands.home.config.choices import (
    OTHER,
    category_option,
    per_option,
    purpose_option,
    topic_option,
    what_option,
)
from bot.commands.home.config.words import by_of, grants, names_in
from bot.community.changes import Change, change_words, setting_words
from bot.community.words import (
    CategorySetting,
    ChannelSetting,
    LimitSetting,
    RoleSetting,
    Setting,
)
from bot.guild_command import Caller, GuildHouse, GuildOption, Picked, Said, Subcommand, Value
from bot.view import Block, Bold, Heading, Note, Text, View
from compute.tool import Refused

LISTED = (
    "Discord lists /announce only for members with Manage Server. Let {role} see it: Server "
    "Settings > Integrations > this bot > /announce."
)
TOLD = (
    "Its members are told only if the role lets everybody mention it, or I have the permission "
    "Mention Everyone."
)
UNSEEN = "I cannot see GitHub's categories now, so the name is taken as you typed it."


async def set_channel(house: GuildHouse, caller: Caller, values: Mapping[str, Value]) -> Said:
    """/config channel: allowed where permissions are missing, and then says what to grant."""
    channel = values["channel"]
    assert isinstance(channel, Picked)
    purpose: Any = values["purpose"]
    setting = ChannelSetting(
        caller.guild_id,
        purpose,
        channel.id,
        str(values.get("topic", "")),
        values.get("thread") is True,
    )
    if setting.thread and channel.kind == "forum":
        raise Refused(f"#{channel.name} is a forum: each post there is a thread anyway.")
    change = await house.community.set(setting, by_of(caller), names_in(house, caller.guild_id))
    said: list[Block] = [*await grants(house, caller.guild_id, [setting])]
    return _said(house, caller, change, setting, said)


async def set_role(house: GuildHouse, caller: Caller, values: Mapping[str, Value]) -> Said:
    """/config role."""
    role = values["role"]
    assert isinstance(role, Picked)
    purpose: Any = values["purpose"]
    setting = RoleSetting(caller.guild_id, purpose, role.id, str(values.get("topic", "")))
    change = await house.community.set(setting, by_of(caller), names_in(house, caller.guild_id))
    said: list[Block] = []
    if purpose == "maintainer":
        said.append(Note((LISTED.format(role=f"@{role.name}"),)))
    elif purpose == "ping":
        said.append(Note((TOLD,)))
    return _said(house, caller, change, setting, said)


async def set_category(house: GuildHouse, caller: Caller, values: Mapping[str, Value]) -> Said:
    """/config category: one that GitHub has, where that is known."""
    topic, name = str(values["topic"]), str(values["category"])
    known = house.categories()
    setting = CategorySetting(
        caller.guild_id, "" if topic == OTHER else topic, _category(name, known)
    )
    change = await house.community.set(setting, by_of(caller), names_in(house, caller.guild_id))
    return _said(house, caller, change, setting, [] if known else [Note((UNSEEN,))])


def _category(name: str, known: list[str]) -> str:
    """As GitHub writes it. Raises ``Refused`` for one that is not there."""
    if not known:
        return name
    by_fold = {one.casefold(): one for one in known}
    if found := by_fold.get(name.casefold()):
        return found
    near = difflib.get_close_matches(name.casefold(), by_fold, 3, 0.3) or list(by_fold)[:3]
    raise Refused(
        "GitHub Discussions has no such category.",
        given=name[:80],
        nearest=tuple(by_fold[one] for one in near),
    )


async def set_limit(house: GuildHouse, caller: Caller, values: Mapping[str, Value]) -> Said:
    """/config limits: of everybody's role it is one for everybody."""
    role, runs = values.get("role"), values["runs"]
    assert isinstance(runs, int)
    what: Any = values["what"]
    per: Any = values["per"]
    role_id = role.id if isinstance(role, Picked) and role.id != caller.guild_id else ""
    setting = LimitSetting(caller.guild_id, what, runs, per, role_id)
    change = await house.community.set(setting, by_of(caller), names_in(house, caller.guild_id))
    note = Note(("Of the limits that apply to a member, the most generous one counts.",))
    return _said(house, caller, change, setting, [note] if role_id else [])


def _said(
    house: GuildHouse,
    caller: Caller,
    change: Change | None,
    setting: Setting,
    more: list[Block],
) -> Said:
    names = names_in(house, caller.guild_id)
    if change is None:
        words = f"It was so already: {setting_words(setting, names)}"
    else:
        words = change_words(change, names)
        words = f"{words[0].upper()}{words[1:]}"
    after: Block = Text(("/config show lists everything, and removes it.",))
    return Said(View((Heading((Bold(f"{words}."),)), *more, after), tone="notice"))


CHANNEL = Subcommand(
    "channel",
    "Which channel gets what; several channels may have one purpose.",
    (
        purpose_option("channel"),
        GuildOption("channel", "A text, announcement or forum channel", "channel"),
        topic_option("Only this topic (all topics if left out)"),
        GuildOption(
            "thread", "Start a thread under each announcement there", "boolean", required=False
        ),
    ),
    set_channel,
)
ROLE = Subcommand(
    "role",
    "What a role is for: told of articles, may post results, may run jobs, may announce.",
    (
        purpose_option("role"),
        GuildOption("role", "The role", "role"),
        topic_option("For ping: only this topic (all topics if left out)"),
    ),
    set_role,
)
CATEGORY = Subcommand(
    "category",
    "Which category of GitHub Discussions a topic's articles go to.",
    (topic_option("The topic", required=True, other=True), category_option()),
    set_category,
)
LIMITS = Subcommand(
    "limits",
    "How often a member may run jobs, or post to Discussions.",
    (
        what_option(),
        GuildOption("runs", "How many, 0 to 10,000", "integer"),
        per_option(),
        GuildOption("role", "Only this role (everybody if left out)", "role", required=False),
    ),
    set_limit,
)
