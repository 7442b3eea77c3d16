"""The Edit menu of /config show: a setting, and what can be done with it."""

from __future__ import annotations

from dataclasses import replace

from bot.commands.home.config.show import ENDPOINT, overview
from bot.commands.home.config.words import by_of, names_in
from bot.community.changes import setting_words
from bot.community.rules import reference
from bot.community.words import ChannelSetting
from bot.guild_command import Caller, GuildHouse, Pressed, Said
from bot.view import Block, Bold, Button, Heading, Note, View

REMOVE, FORGET, THREAD, BACK = "cfgremove", "cfgforget", "cfgthread", "cfgback"
GONE = "That setting is gone already."


async def choose(house: GuildHouse, caller: Caller, pressed: Pressed) -> Said:
    """A setting was chosen: what it says, and its buttons."""
    if pressed.argument.startswith(ENDPOINT):
        return _endpoint(house, caller, pressed.argument.removeprefix(ENDPOINT))
    setting = house.community.find(caller.guild_id, pressed.argument)
    if setting is None:
        return await _back(house, caller, GONE)
    blocks: list[Block] = [
        Heading((Bold(setting_words(setting, names_in(house, caller.guild_id))),))
    ]
    if isinstance(setting, ChannelSetting) and setting.purpose == "announcements":
        label = "No more threads" if setting.thread else "A thread for each"
        blocks.append(Button(label, THREAD, "0" if setting.thread else "1"))
    blocks += [Button("Remove", REMOVE, style="danger"), Button("Back", BACK)]
    note = Note(("Other changes: give the command again, it replaces what is set.",))
    return Said(
        View((*blocks[:1], note, *blocks[1:]), tone="notice"),
        token=reference(setting),
        in_place=True,
    )


def _endpoint(house: GuildHouse, caller: Caller, name: str) -> Said:
    origin = house.community.endpoints.known(caller.guild_id).get(name, "")
    head = Heading((Bold(f"endpoint {name}: {origin}"),))
    buttons = (Button("Remove", FORGET, name, style="danger"), Button("Back", BACK))
    return Said(View((head, *buttons), tone="notice"), in_place=True)


async def remove(house: GuildHouse, caller: Caller, pressed: Pressed) -> Said:
    """The setting whose reference is the token."""
    setting = house.community.find(caller.guild_id, pressed.token)
    if setting is None:
        return await _back(house, caller, GONE)
    names = names_in(house, caller.guild_id)
    await house.community.unset(setting, by_of(caller), names)
    return await _back(house, caller, f"Removed {setting_words(setting, names)}.")


async def forget(house: GuildHouse, caller: Caller, pressed: Pressed) -> Said:
    """The endpoint of that name, and its key."""
    name = pressed.argument
    gone = await house.community.endpoints.remove(caller.guild_id, name, by_of(caller))
    words = f"Removed the endpoint {name} and its key." if gone else GONE
    return await _back(house, caller, words)


async def thread(house: GuildHouse, caller: Caller, pressed: Pressed) -> Said:
    """Threads under the announcements of that channel, or none."""
    setting = house.community.find(caller.guild_id, pressed.token)
    if not isinstance(setting, ChannelSetting):
        return await _back(house, caller, GONE)
    changed = replace(setting, thread=pressed.argument == "1")
    names = names_in(house, caller.guild_id)
    await house.community.set(changed, by_of(caller), names)
    return await _back(house, caller, f"Changed {setting_words(changed, names)}.")


async def back(house: GuildHouse, caller: Caller, pressed: Pressed) -> Said:
    """Everything again."""
    del pressed
    return await _back(house, caller, "")


async def _back(house: GuildHouse, caller: Caller, first: str) -> Said:
    return replace(await overview(house, caller, first), in_place=True)
