"""/config export and import: a JSON file; what it would change is shown before it is applied."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from bot.commands.home.config.words import GONE, by_of, grants, names_in
from bot.community.changes import Change, Names, by_key, change_words, changes_between, counted
from bot.community.exchange import Known, export_settings, import_settings
from bot.community.words import CategorySetting
from bot.guild_command import (
    Caller,
    GuildHouse,
    GuildOption,
    Pressed,
    Said,
    Subcommand,
    Uploaded,
    Value,
)
from bot.view import Block, Bold, Button, Heading, Note, Span, Text, View

APPLY, DISCARD = "cfgapply", "cfgdiscard"
FILE_NAME = "k2c-config.json"
SHOWN = 40  # changes; Discord takes 4,000 characters
SIGNS = {(False, True): "+", (True, False): "−", (True, True): "~"}


async def export(house: GuildHouse, caller: Caller, values: Mapping[str, Value]) -> Said:
    """/config export."""
    del values
    settings = house.community.settings(caller.guild_id)
    names = names_in(house, caller.guild_id)
    content = export_settings(settings, caller.guild_id, caller.guild_name, names, time.time())
    head = Heading((Bold(f"{counted(len(settings))} of {caller.guild_name}"),))
    note = Note(("Change it and give it back with /config import. Keys are not in it.",))
    return Said(View((head, note)), files=((FILE_NAME, content),))


async def export_pressed(house: GuildHouse, caller: Caller, pressed: Pressed) -> Said:
    """The Export button of /config show."""
    del pressed
    return await export(house, caller, {})


async def import_file(house: GuildHouse, caller: Caller, values: Mapping[str, Value]) -> Said:
    """/config import: the difference, with Apply and Discard."""
    file = values["file"]
    assert isinstance(file, Uploaded)
    settings = house.community.settings(caller.guild_id)
    known = _known(house, caller)
    wanted = import_settings(file.content, caller.guild_id, known)
    changes = changes_between(by_key(settings), by_key(wanted))
    if not changes:
        head = Heading((Bold("The file says what is configured already."),))
        return Said(View((head,), tone="notice"))
    token = await house.community.keep_import(caller.guild_id, wanted)
    names = names_in(house, caller.guild_id)
    blocks: list[Block] = [Heading((Bold(_counted(changes)),)), Text(_listed(changes, names))]
    if len(changes) > SHOWN:
        blocks.append(Note((f"and {len(changes) - SHOWN} more",)))
    buttons = (Button("Apply", APPLY, style="primary"), Button("Discard", DISCARD))
    return Said(View((*blocks, *buttons)), token=token)


def _known(house: GuildHouse, caller: Caller) -> Known:
    """What is in this server now, or was configured here before it went away."""
    settings = house.community.settings(caller.guild_id)
    before = {getattr(s, "channel_id", "") or getattr(s, "role_id", "") for s in settings}

    def is_channel(id: str) -> bool:
        return GONE not in house.places.lacking(id, "announcements")

    def channel(id: str) -> bool:
        named = house.places.name_of(caller.guild_id, id)
        return id in before or (bool(named) and is_channel(id))

    def role(id: str) -> bool:
        named = house.places.name_of(caller.guild_id, id) or id == caller.guild_id
        return id in before or (bool(named) and not is_channel(id))

    kept = (setting.category for setting in settings if isinstance(setting, CategorySetting))
    known = house.categories()
    return Known(channel, role, (*known, *kept) if known else ())


def _counted(changes: Sequence[Change]) -> str:
    new = sum(change.before is None for change in changes)
    removed = sum(change.after is None for change in changes)
    changed = len(changes) - new - removed
    counts = ((new, "set"), (changed, "changed"), (removed, "removed"))
    words = ", ".join(f"{number} {word}" for number, word in counts if number)
    return f"This file would change {counted(len(changes))}: {words}"


def _listed(changes: Sequence[Change], names: Names) -> tuple[Span, ...]:
    words: list[Span] = []
    for change in changes[:SHOWN]:
        sign = SIGNS[change.before is not None, change.after is not None]
        words += ["\n"] if words else []
        words += [Bold(sign), f" {change_words(change, names)}"]
    return tuple(words)


async def apply(house: GuildHouse, caller: Caller, pressed: Pressed) -> Said:
    """All of it, in one write."""
    names, guild_id = names_in(house, caller.guild_id), caller.guild_id
    made = await house.community.apply_import(guild_id, pressed.token, by_of(caller), names)
    if made is None:
        return _over("This import is over: it was applied, discarded, or is older than a day.")
    after = [change.after for change in made if change.after is not None]
    head = Heading((Bold(f"Applied: {counted(len(made))} changed as the file says."),))
    return Said(View((head, *await grants(house, guild_id, after)), tone="notice"), in_place=True)


async def discard(house: GuildHouse, caller: Caller, pressed: Pressed) -> Said:
    """Nothing of it."""
    await house.community.drop_import(caller.guild_id, pressed.token)
    return _over("Discarded: nothing was changed.")


def _over(words: str) -> Said:
    return Said(View((Heading((Bold(words),)),), tone="notice"), in_place=True)


EXPORT = Subcommand("export", "All settings of this server as a JSON file.", (), export)
IMPORT = Subcommand(
    "import",
    "Settings from a JSON file; shows what would change before anything does.",
    (GuildOption("file", "A file as /config export makes it", "attachment"),),
    import_file,
)
