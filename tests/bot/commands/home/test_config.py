"""/config without Discord: what its answers say for few settings, for many, and for none."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.commands import command_names, load_commands
from bot.commands.home import load_home_commands
from bot.commands.home.config import COMMAND, edit, exchanging, setting, show
from bot.community.service import CommunityBook
from bot.community.words import By, ChannelSetting, RoleSetting
from bot.guild_command import Caller, GuildHouse, Picked, Pressed, Said, Uploaded
from bot.integrations.discord_client.home.forms import PRESS, message_of
from bot.render.discord import custom_id, payload
from bot.store import FILE_NAME, Store
from bot.view import Button, View
from content.library import Library

HOME = "1"
MOD = Caller(HOME, "ML Systems", "9", "7", "mod", (), moderator=True, maintainer=True)
BY = By("7", "mod")
NEWS = Picked("10", "news", "announcement")


@dataclass
class Places:
    """A server with these channels and roles; ``missing`` are permissions by channel."""

    names: dict[str, str] = field(default_factory=lambda: {"10": "news", "5": "contributors"})
    missing: dict[str, list[str]] = field(default_factory=dict)

    def lacking(self, channel_id: str, purpose: str, *, thread: bool = False) -> list[str]:
        """What the test says."""
        here = channel_id in self.names and channel_id != "5"
        return self.missing.get(channel_id, []) if here else ["the channel itself"]

    def name_of(self, guild_id: str, id: str) -> str:
        """What the test says."""
        return self.names.get(id, "") if guild_id == HOME else ""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[GuildHouse]:
    store = await Store.open(tmp_path / FILE_NAME)
    yield GuildHouse(await CommunityBook.open(store, (1,)), Library(), Places())
    await store.close()


def text_of(said: Said) -> str:
    """All words as Discord gets them, without its escapes."""
    made = payload(said.view)
    parts = [c["content"] for c in made["components"][0]["components"] if c["type"] == 10]
    return "\n".join(parts).replace("\\", "")


def test_home_commands_are_found_and_are_no_tools() -> None:
    assert load_home_commands()["config"] is COMMAND
    assert "home" not in command_names() and "config" not in load_commands()
    assert [sub.name for sub in COMMAND.subs] == [
        "channel", "role", "category", "limits", "endpoint", "show", "export", "import",
    ]  # fmt: skip


def test_every_action_fits_into_a_buttons_id() -> None:
    for action in COMMAND.presses:
        assert PRESS.fullmatch(custom_id(action, "t" * 22, "a" * 41))


async def test_nothing_configured_says_how_to_begin(house: GuildHouse) -> None:
    said = await show.show(house, MOD, {})
    assert "Nothing is configured in ML Systems." in text_of(said)
    assert "/config channel purpose:announcements" in text_of(said) and said.menus == ()
    assert "Nothing was ever changed" in text_of(await show.history(house, MOD, Pressed("", "")))


async def test_a_channel_that_is_gone_keeps_its_setting_and_says_so(house: GuildHouse) -> None:
    await house.community.set(ChannelSetting(HOME, "announcements", "99"), BY)
    said = text_of(await show.show(house, MOD, {}))
    assert "#99 · all topics · **not there, or hidden from me**" in said
    assert "The setting is kept" in said


async def test_posts_that_wait_although_nothing_is_missing_are_told(tmp_path: Path) -> None:
    async def waiting_in(channel_id: str) -> int:
        return 3

    store = await Store.open(tmp_path / FILE_NAME)
    book = await CommunityBook.open(store, (1,))
    house = GuildHouse(book, Library(), Places(), waiting_in=waiting_in)
    await book.set(ChannelSetting(HOME, "announcements", "10"), BY)
    assert "#news: 3 posts waiting." in text_of(await show.show(house, MOD, {}))
    await store.close()


async def test_two_hundred_settings_are_a_message_that_discord_takes(house: GuildHouse) -> None:
    roles = [RoleSetting(HOME, "run-jobs", str(10**18 + n)) for n in range(200)]
    await house.community.replace(HOME, roles, BY)
    said = await show.show(house, MOD, {})
    message = message_of(said, "")
    assert message.layout.content_length() <= 4000
    menus = [menu for menu in said.menus if menu.choices]
    assert [len(menu.choices) for menu in menus] == [25, 25, 25]
    assert len({menu.action for menu in menus}) == 3
    assert "The rest does not fit" in text_of(said)
    history = await show.history(house, MOD, Pressed("", ""))
    assert message_of(history, "").layout.content_length() <= 4000


async def test_a_category_is_taken_as_typed_where_github_cannot_be_seen(house: GuildHouse) -> None:
    values = {"topic": "rag", "category": "Ideas"}
    assert "as you typed it" in text_of(await setting.set_category(house, MOD, values))
    other = {"topic": "other", "category": "Rest"}
    assert "all other topics: Rest" in text_of(await setting.set_category(house, MOD, other))
    assert house.community.category("agents") == "Rest"


async def test_names_of_channels_cannot_break_out_of_the_answer(house: GuildHouse) -> None:
    assert isinstance(house.places, Places)
    house.places.names["10"] = "**x** @everyone <@&5> `y`\n# big [a](https://evil.example)"
    await house.community.set(ChannelSetting(HOME, "announcements", "10"), BY)
    said = await show.show(house, MOD, {})
    children = payload(said.view)["components"][0]["components"]
    sent = "\n".join(child["content"] for child in children if child["type"] == 10)
    assert re.search(r"(?<!\\)<@|(?<!\\)\[a|^# big|@everyone|(?<!\\)\*\*x", sent, re.M) is None
    assert "big" in sent and "everyone" in sent


async def test_an_import_that_would_change_much_lists_forty_and_counts_the_rest(
    house: GuildHouse,
) -> None:
    roles = [RoleSetting(HOME, "run-jobs", str(n)) for n in range(100, 160)]
    await house.community.replace(HOME, roles, BY)
    empty = Uploaded("x.json", b'{"format": "k2c-config", "version": 1}')
    said = await exchanging.import_file(house, MOD, {"file": empty})
    assert "60 settings: 60 removed" in text_of(said) and "and 20 more" in text_of(said)
    assert len(house.community.settings(HOME)) == 60
    applied = await exchanging.apply(house, MOD, Pressed("cfgapply", said.token))
    assert "Applied: 60 settings" in text_of(applied) and house.community.settings(HOME) == []


async def test_a_channel_that_went_away_does_not_spoil_its_own_export(house: GuildHouse) -> None:
    await house.community.set(ChannelSetting(HOME, "announcements", "99"), BY)
    [(_, content)] = (await exchanging.export(house, MOD, {})).files
    said = await exchanging.import_file(house, MOD, {"file": Uploaded("x.json", content)})
    assert "configured already" in text_of(said)


async def test_what_was_removed_meanwhile_is_gone_already(house: GuildHouse) -> None:
    for press in (edit.remove, edit.thread, edit.choose):
        said = await press(house, MOD, Pressed("cfgedit", "x" * 22, "y" * 22))
        assert "gone already" in text_of(said) and said.in_place
    assert isinstance(said.view, View)
    assert [b.label for b in said.view.blocks if isinstance(b, Button)] == ["History"]
