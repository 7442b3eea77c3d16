"""/config show: what is configured, whether it works, and what to grant; the audit log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

from bot.commands.home.config.words import ago, grants, lacking, names_in, state_words, waiting
from bot.community.changes import (
    Names,
    category_topic,
    channel_name,
    limit_words,
    role_name,
    setting_words,
)
from bot.community.rules import reference
from bot.community.topics import topic_words
from bot.community.words import (
    CategorySetting,
    ChannelPurpose,
    ChannelSetting,
    LimitSetting,
    RolePurpose,
    RoleSetting,
    Setting,
)
from bot.guild_command import Caller, GuildHouse, Menu, Pressed, Said, Subcommand, Value
from bot.view import Block, Bold, Button, Code, Heading, Note, Span, Text, View

EDIT, EXPORT, HISTORY = "cfgedit", "cfgexport", "cfghistory"
ENDPOINT = "endpoint:"  # of a menu's value: the rest is the endpoint's name
PER_MENU = 25
EDITS = (EDIT, EDIT + "b", EDIT + "c")  # one menu each; their ids on one message must differ
NEWEST = 20

Line = tuple[Span, ...]


async def show(house: GuildHouse, caller: Caller, values: Mapping[str, Value]) -> Said:
    """/config show."""
    del values
    return await overview(house, caller)


async def overview(house: GuildHouse, caller: Caller, first: str = "") -> Said:
    """Everything of this server; ``first`` is what was just done."""
    settings = house.community.settings(caller.guild_id)
    endpoints = house.community.endpoints.known(caller.guild_id)
    blocks: list[Block] = [Text((Bold(first),))] if first else []
    blocks.append(_head(house, caller, empty=not settings and not endpoints))
    names = names_in(house, caller.guild_id)
    if words := _listed(_sections(house, settings, endpoints, names)):
        blocks.append(Text(words))
    blocks += await grants(house, caller.guild_id, settings)
    blocks += await _held(house, settings, names)
    if len(settings) + len(endpoints) > PER_MENU * len(EDITS):
        blocks.append(Note(("The menus end here; Export and /config import change the rest.",)))
    blocks += [Button("Export", EXPORT)] if settings else []
    blocks.append(Button("History", HISTORY))
    return Said(View(tuple(blocks)), menus=_menus(settings, endpoints, names))


def _head(house: GuildHouse, caller: Caller, *, empty: bool) -> Heading:
    if empty:
        example = "/config channel purpose:announcements channel:#news"
        words: Line = (Bold(f"Nothing is configured in {caller.guild_name}."), " Begin with ")
        return Heading((*words, Code(example), "."))
    last = house.community.last_change(caller.guild_id)
    when = f" (changed {ago(last.at)} by @{last.by.user_name})" if last else ""
    return Heading((Bold(f"Configured in {caller.guild_name}"), when))


def _sections(
    house: GuildHouse,
    settings: Iterable[Setting],
    endpoints: Mapping[str, str],
    names: Names,
) -> Iterator[tuple[str, list[Line]]]:
    """Title and lines of what there is, in the order in which the options list it."""
    made: dict[str, list[Line]] = {
        title: [] for title in (*get_args(ChannelPurpose), *get_args(RolePurpose))
    }
    made |= {"categories": [], "limits": [], "endpoints": []}
    for setting in settings:
        title, line = _line(house, setting, names)
        made[title].append(line)
    made["endpoints"] = [(name, f" · {origin}") for name, origin in endpoints.items()]
    yield from ((title, lines) for title, lines in made.items() if lines)


def _line(house: GuildHouse, setting: Setting, names: Names) -> tuple[str, Line]:
    match setting:
        case ChannelSetting():
            missing = lacking(house, setting)
            thread = " · with a thread" if setting.thread else ""
            topical = setting.topic or setting.purpose in ("announcements", "discussions")
            about = f" · {topic_words(setting.topic)}" if topical else ""
            where = f"{channel_name(setting.channel_id, names)}{about}{thread} · "
            state = state_words(missing)
            return setting.purpose, (where, Bold(state) if missing else state)
        case RoleSetting(purpose="ping"):
            return "ping", (f"{role_name(setting.role_id, names)} · {topic_words(setting.topic)}",)
        case RoleSetting():
            return setting.purpose, (role_name(setting.role_id, names),)
        case CategorySetting():
            return "categories", (f"{category_topic(setting)} · {setting.category}",)
        case LimitSetting():
            who = role_name(setting.role_id, names) if setting.role_id else "everybody"
            return "limits", (f"{setting.what} · {who} · {limit_words(setting)} each",)


def _listed(sections: Iterable[tuple[str, list[Line]]]) -> Line:
    """A line each; more of one title stand below it."""
    words: list[Span] = []
    for title, lines in sections:
        words += ["\n", Bold(title)]
        for line in lines:
            words += ["\n• " if len(lines) > 1 else " ", *line]
    return tuple(words[1:])


async def _held(house: GuildHouse, settings: Iterable[Setting], names: Names) -> list[Note]:
    """Posts that wait although nothing is missing: for a rate limit, or Discord itself."""
    told = []
    well = {
        s.channel_id: s for s in settings if isinstance(s, ChannelSetting) and not lacking(house, s)
    }
    for channel_id in well:
        if posts := await waiting(house, channel_id):
            name = channel_name(channel_id, names)
            told.append(Note((f"{name}: {posts:,} {'posts' if posts > 1 else 'post'} waiting.",)))
    return told


def _menus(
    settings: Iterable[Setting], endpoints: Mapping[str, str], names: Names
) -> tuple[Menu, ...]:
    entries = [(setting_words(s, names), reference(s)) for s in settings]
    entries += [(f"endpoint {name}: {origin}", ENDPOINT + name)
                for name, origin in endpoints.items()]  # fmt: skip
    starts = range(0, len(entries), PER_MENU)
    return tuple(
        Menu(
            "Edit or remove" + (f" ({start + 1} to {start + PER_MENU})" if start else ""),
            action,
            tuple(entries[start : start + PER_MENU]),
        )
        for action, start in zip(EDITS, starts, strict=False)
    )


async def history(house: GuildHouse, caller: Caller, pressed: Pressed) -> Said:
    """The History button: who changed what, newest first."""
    del pressed
    lines = await house.community.history(caller.guild_id, NEWEST)
    if not lines:
        return Said(View((Heading((Bold("Nothing was ever changed here."),)),), tone="notice"))
    words: list[Span] = []
    for line in lines:
        words += [Bold(ago(line.at)), f" · @{line.by.user_name} · {line.words}", "\n"]
    head = Heading((Bold(f"Changes in {caller.guild_name}, newest first"),))
    return Said(View((head, Text(tuple(words[:-1])))))


SHOW = Subcommand("show", "Everything that is configured here, and whether it works.", (), show)
