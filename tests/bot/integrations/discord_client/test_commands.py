"""What Discord is told of the commands, and when."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.command import Command, Option
from bot.integrations.discord_client.client import DiscordRefused
from bot.integrations.discord_client.tree import declare
from tests.bot.integrations.discord_client import pace
from tests.bot.integrations.discord_client.conftest import World


async def test_a_command_is_registered_with_its_options(world: World) -> None:
    async with world.bot():
        command = world.fake.command("pace")
    assert command["integration_types"] == [0, 1] and command["contexts"] == [0, 1, 2]
    options = {option["name"]: option for option in command["options"]}
    assert list(options) == ["gpu", "gpus", "share", "dtype", "model", "note", "fast"]
    assert [o["type"] for o in options.values()] == [3, 4, 10, 3, 3, 3, 5]
    assert [o.get("required", False) for o in options.values()] == [True] + [False] * 6
    assert options["gpu"]["autocomplete"]
    assert [c["value"] for c in options["dtype"]["choices"]] == ["bf16", "fp8"]
    assert world.fake.identifies[0]["intents"] == 1


async def test_a_second_start_with_the_same_commands_registers_nothing(world: World) -> None:
    for _ in range(3):
        async with world.bot():
            pass
    assert world.fake.syncs.total() == 1


async def test_a_changed_command_is_registered_once(world: World) -> None:
    async with world.bot():
        pass
    changed = {"pace": pace.command(summary="Requests per second, told differently")}
    for _ in range(2):
        async with world.bot(changed):
            pass
    assert world.fake.syncs.total() == 2
    assert world.fake.command("pace")["description"] == changed["pace"].description


async def test_commands_that_discord_lost_are_registered_again(world: World) -> None:
    async with world.bot():
        pass
    world.fake.commands.clear()
    async with world.bot():
        assert (await world.fake.user("alice").slash("pace", {"gpu": "h100"})).answered
    assert world.fake.syncs.total() == 2


@pytest.mark.parametrize("fault", [{"status": 500}, {"reset": "before"}, {"reset": "after"}])
async def test_registering_survives_a_bad_moment(
    world: World, fault: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.integrations.discord_client.client.FIRST_RETRY_S", 0.01)
    planned = world.fake.fault("PUT", "/applications/*/commands", **fault)
    async with world.bot():
        assert planned.hits == 1
        assert world.fake.command("pace")


async def test_discord_being_away_at_the_start_is_waited_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.integrations.discord_client.client.FIRST_RETRY_S", 0.01)
    world.fake.fault("GET", "/users/@me", reset="before", times=3)
    async with world.bot():
        assert world.fake.command("pace")


async def test_a_wrong_token_is_one_sentence(world: World) -> None:
    world.settings = {"discord_token": "wrong"}
    async with world.bot(wait=False) as bot:
        with pytest.raises(DiscordRefused, match="refuses DISCORD_TOKEN"):
            await asyncio.wait_for(bot.running, 5)


async def test_closing_while_discord_is_away_ends_at_once(world: World) -> None:
    away = world.fake.fault("GET", "/users/@me", reset="before", times=1000)
    async with world.bot(wait=False) as bot:
        await world.fake.wait_for(lambda: away.hits)
        assert not bot.running.done() and not bot.service.ready.is_set()
        await bot.service.close()
        await asyncio.wait_for(bot.running, 2)
        assert not bot.service.ready.is_set()


async def test_suggestions_are_at_most_25_and_short(world: World) -> None:
    async with world.bot():
        alice = world.fake.user("alice")
        assert [c["value"] for c in await alice.autocomplete("pace", "gpu", "")] == list(pace.GPUS)
        many = await alice.autocomplete("pace", "gpu", "b")
        assert len(many) == 25 and all(len(c["name"]) <= 100 for c in many)


async def test_a_broken_suggestion_leaves_the_option_free(world: World) -> None:
    world.tracebacks = 1
    async with world.bot():
        assert await world.fake.user("alice").autocomplete("pace", "gpu", "crash") == []


def test_more_choices_than_discord_lists_become_suggestions() -> None:
    many = tuple((f"op {i}", f"op{i}") for i in range(30))
    option = Option("op", "note", "d" * 150, "text", True, choices=many)
    declared = declare(replace(pace.command(), options=(option,)))
    parameter = declared.parameters[0]
    assert parameter.autocomplete and not parameter.choices
    assert len(str(parameter.description)) == 100


def test_required_options_come_first_whatever_their_order() -> None:
    declared = declare(pace.command("dtype", "gpu"))
    assert [p.name for p in declared.parameters] == ["gpu", "dtype"]


def test_a_command_for_servers_only_is_not_installable_by_a_member() -> None:
    command: Command = replace(pace.command(), user_installable=False)
    declared = declare(command)
    assert declared.allowed_installs is not None and not declared.allowed_installs.user
    assert declared.allowed_contexts is not None and not declared.allowed_contexts.dm_channel
