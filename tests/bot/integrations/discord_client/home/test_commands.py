"""Where Discord lists the home servers' commands, and what reaches them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bot.commands.home.config import COMMAND
from bot.guild_command import Caller, GuildCommand, GuildHouse, GuildOption, Pressed, Said, Value
from bot.integrations.discord_client import client as clients
from bot.integrations.discord_client.reply import Reply
from bot.render.discord import notice
from bot.view import Bold, Button, Heading, View
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.homes import command_names, home_bot, two_homes
from tests.fakes.discord.interactions import COMMAND as COMMAND_KIND
from tests.fakes.discord.messages import Upload
from tests.fakes.discord.options import Resolver
from tests.fakes.discord.payloads import new_interaction

MANAGE_GUILD = 1 << 5


def view(text: str, *more: Button) -> View:
    return View((Heading((Bold(text),)), *more))


async def slow(house: GuildHouse, caller: Caller, values: Mapping[str, Value]) -> Said:
    await asyncio.sleep(0.3)
    return Said(view(f"hello {caller.user_name} of {caller.guild_name}"))


async def preview(house: GuildHouse, caller: Caller, values: Mapping[str, Value]) -> Said:
    button = Button("Go", "go", "7")
    return Said(view("two previews", button), token="t" * 22, previews=(view("one"), view("two")))


async def go(house: GuildHouse, caller: Caller, pressed: Pressed) -> Said:
    return Said(view(f"went {pressed.token} {pressed.argument}"), in_place=True)


async def fail(house: GuildHouse, caller: Caller, values: Mapping[str, Value]) -> Said:
    raise RuntimeError("a fault of ours")


def maintainers(run: Any = preview) -> GuildCommand:
    option = GuildOption("article", "Which", "text", required=False)
    return GuildCommand(
        "announce", "Announce it", "maintainers", options=(option,), run=run, presses={"go": go}
    )


async def test_only_home_servers_have_them_and_ordinary_members_do_not_see_them(
    world: World,
) -> None:
    fake = world.fake
    async with home_bot(world, commands=[COMMAND, maintainers()]):
        assert command_names(fake, fake.home) == ["config", "announce"]
        assert command_names(fake, fake.other) == []
        assert "config" not in [c["name"] for c in fake.commands]
        for name in ("config", "announce"):
            command = fake.command(name, fake.home)
            assert command["default_member_permissions"] == str(MANAGE_GUILD)
            assert command["dm_permission"] is False


async def test_they_are_registered_again_only_when_something_changed(world: World) -> None:
    fake = world.fake
    for _ in range(3):
        async with home_bot(world):
            pass
    assert fake.syncs.total() == 2  # everybody's and the home server's
    changed = replace(COMMAND, description="Told differently")
    async with home_bot(world, commands=[changed]):
        assert fake.command("config", fake.home)["description"] == "Told differently"
    assert fake.syncs.total() == 3
    fake.guild_commands.clear()  # Discord lost them
    async with home_bot(world, commands=[changed]):
        assert command_names(fake, fake.home) == ["config"]
    assert fake.syncs.total() == 4


async def test_a_server_that_comes_while_its_refusal_is_on_the_way_gets_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not noted as absent yet when it comes, and no other word of it follows."""
    async with home_bot(world) as home:
        client, synced = home.bot.client, []

        async def everywhere(*_: object) -> set[int]:
            await client.on_guild_available(client.guilds[0])
            return {client.guilds[0].id}

        async def one(tree: object, store: object, guild: Any) -> bool:
            synced.append(guild.id)
            return True

        monkeypatch.setattr(clients, "sync_everywhere", everywhere)
        monkeypatch.setattr(clients, "sync_home", one)
        await home.bot.service._register(client)
        assert synced == [client.guilds[0].id] and client.absent == set()


async def test_a_server_that_is_no_longer_home_loses_them(world: World) -> None:
    fake, other = world.fake, two_homes(world)
    async with home_bot(world) as home:
        assert command_names(fake, other) == ["config"]
        await home.mod.slash(
            "config role", {"purpose": "run-jobs", "role": other.role("contributors")}, guild=other
        )
        kept = home.book.settings(other.id)
    world.settings["home_guild_ids"] = fake.home.id
    async with home_bot(world) as home:
        assert command_names(fake, other) == [] and command_names(fake, fake.home) == ["config"]
        assert home.book.settings(other.id) == [] and not home.book.roles("run-jobs", other.id)
    syncs = fake.syncs.total()
    async with home_bot(world):
        pass
    assert fake.syncs.total() == syncs
    two_homes(world)
    async with home_bot(world) as home:  # home again: what it had configured is still there
        assert command_names(fake, other) == ["config"] and home.book.settings(other.id) == kept


async def test_a_home_server_that_adds_the_bot_later_gets_them_then(world: World) -> None:
    fake = world.fake
    late = fake.foreign
    world.settings["home_guild_ids"] = f"{fake.home.id},{late.id}"
    async with home_bot(world) as home:
        assert command_names(fake, late) == []
        late.has_bot = True
        joined = late.create_event(fake.bot_user)
        del joined["unavailable"]  # that would be a server that came back
        await fake.gateway.dispatch("GUILD_CREATE", joined, late.id)
        await fake.wait_for(lambda: command_names(fake, late) == ["config"])
        reply = await home.mod.slash("config show", guild=late)
        assert "Nothing is configured in foreign" in reply.text


async def test_a_slow_answer_says_thinking_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.integrations.discord_client.home.commands.PROMPT_S", 0.05)
    async with home_bot(world, commands=[maintainers(slow)]) as home:
        reply = await home.mod.slash("announce")
        assert reply.deferred and reply.ephemeral
        await reply.finished()
        assert "hello mod of home" in reply.text


async def test_previews_follow_and_a_press_replaces_its_message(world: World) -> None:
    async with home_bot(world, commands=[maintainers()]) as home:
        reply = await home.mod.slash("announce")
        await reply.followed_up(2)
        assert all(message["flags"] & 64 for message in reply.followups)
    async with home_bot(world, commands=[maintainers()]) as home:
        pressed = await home.mod.click(reply.message, "Go")
        assert pressed.type == 7 and f"went {'t' * 22} 7" in pressed.text


async def test_maintainers_are_those_with_the_role(world: World) -> None:
    fake = world.fake
    role = fake.home.role("contributors")
    async with home_bot(world, commands=[COMMAND, maintainers()]) as home:
        carol = fake.user("carol", roles=["contributors"])
        refused = await carol.slash("announce", raw=True)
        assert "Only maintainers may use /announce" in refused.text
        await home.mod.slash("config role", {"purpose": "maintainer", "role": role})
        assert "two previews" in (await carol.slash("announce", raw=True)).text
        assert "Only moderators" in (await carol.slash("config show", raw=True)).text


async def test_a_fault_of_ours_is_a_sentence_with_a_reference(world: World) -> None:
    world.tracebacks = 1
    async with home_bot(world, commands=[maintainers(fail)]) as home:
        reply = await home.mod.slash("announce")
        assert "went wrong on my side" in reply.text and "ref" in reply.text


@pytest.mark.parametrize("options", [None, {}, [], [None], [{"type": 1}], [{"type": 1, "name": 5}]])
async def test_crafted_subcommands_are_a_sentence(world: World, options: Any) -> None:
    fake = world.fake
    async with home_bot(world) as home:
        command = fake.command("config", fake.home)
        data = {"id": command["id"], "name": "config", "type": 1, "options": options}

        place = fake.place(home.mod, {})
        sent = new_interaction(fake, home.mod, COMMAND_KIND, place, data)
        reply = await home.mod._act(sent, True, 5.0)
        assert "only these subcommands: channel, role" in reply.text


async def test_entries_of_the_message_menu_exist_at_home_alone(world: World) -> None:
    fake = world.fake
    seen: list[str] = []

    async def handler(reply: Reply) -> None:
        data: Any = reply.interaction.data
        seen.append(data["resolved"]["messages"][data["target_id"]]["content"])
        await reply.answer(notice("taken"), private=True)

    async with home_bot(world, menus={"Post to Discussions": handler}) as home:
        message = await home.alice.say("what a thread")
        reply = await home.alice.message_menu("Post to Discussions", message)
        assert "taken" in reply.text and seen
        fake.guild_commands[fake.other.id] = [dict(c) for c in fake.guild_commands[fake.home.id]]
        there = await home.alice.say("elsewhere", fake.other.channels[0])
        reply = await home.alice.message_menu("Post to Discussions", there, raw=True)
        assert "only in the community's own server" in reply.text and len(seen) == 1


async def test_a_file_from_anywhere_else_than_discord_is_not_fetched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Resolver.id_of

    def elsewhere(self: Resolver, value: Any) -> str:
        found = real(self, value)
        self.resolved["attachments"][found]["url"] = "http://127.0.0.1:9/x.json"
        return found

    async with home_bot(world) as home:
        monkeypatch.setattr(Resolver, "id_of", elsewhere)
        reply = await home.mod.slash("config import", {"file": Upload("x.json", b"{}")})
        assert "must be a file sent with the command" in reply.text
