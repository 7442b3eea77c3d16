"""Menus under an answer: choosing an entry is pressing the button that it stands for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.command import Command
from bot.results import Deleter
from bot.view import Bold, Heading, View
from compute.tool import Context, Fix
from tests.bot.integrations.discord_client import pace
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.messages import labels, token_of
from tests.fakes.discord import Reply

COMPARE = "Compare with…"


async def run(request: pace.PaceRequest, ctx: Context) -> pace.PaceResult:
    """With a menu of other GPUs."""
    made = await pace.run(request, ctx)
    fixes = tuple(
        Fix(label=f"on {gpu}", changes={"gpu": gpu}, optional=True, group="GPUs")
        for gpu in pace.GPUS
    )
    return made.model_copy(update={"fixes": fixes})


def versus(before: pace.PaceResult, after: pace.PaceResult) -> View:
    return View((Heading((Bold(f"{before.pace:g}, then {after.pace:g}"),)),), tone="notice")


def commands(**changes: Any) -> dict[str, Command]:
    plain = pace.command()
    tool = replace(plain.tool, run=run)
    return {"pace": replace(plain, tool=tool, versus=versus, **changes)}


async def asked(world: World, user: str = "alice", gpu: str = "h100") -> Reply:
    reply = await world.fake.user(user).slash("pace", {"gpu": gpu})
    await reply.edited()
    return reply


async def test_a_group_of_offers_is_one_menu_and_an_entry_asks_for_it(world: World) -> None:
    async with world.bot(commands()):
        first = await asked(world)
        assert "on h200" not in labels(first.message)
        chosen = await world.fake.user("alice").select(first.message, "GPUs", ["on h200"])
        assert "14 requests/s" in chosen.text
    async with world.bot(commands()):
        later = await world.fake.user("bob").select(first.message, "GPUs", ["on b200"])
        assert "30 requests/s" in later.text, "a menu works after a restart, for everybody"


async def test_two_runs_are_compared_the_earlier_one_first(world: World) -> None:
    async with world.bot(commands()):
        await asked(world, gpu="h100")
        second = await asked(world, gpu="b200")
        alice = world.fake.user("alice")
        offered = await alice.click(second.message, COMPARE)
        assert offered.ephemeral
        (entry,) = entries(offered)
        assert "gpu:h100" in entry
        shown = await alice.select(offered.message, "Your runs", [entry])
        assert shown.ephemeral and "10, then 30" in shown.text


async def test_only_ones_own_runs_that_are_alike_are_offered(world: World) -> None:
    alike = commands(alike=lambda result: result["pace"])
    async with world.bot(alike):
        first = await asked(world, "alice", "h100")
        await asked(world, "alice", "h200")
        other = await world.fake.user("bob").click(first.message, COMPARE)
        assert other.ephemeral and "no other run" in other.text
        none = await world.fake.user("alice").click(first.message, COMPARE)
        assert "no other run" in none.text, "an H200's run is not alike"
        await asked(world, "alice", "h100")
        offered = await world.fake.user("alice").click(first.message, COMPARE)
        assert len(entries(offered)) == 1


async def test_a_run_that_was_deleted_meanwhile_is_said_to_be_gone(world: World) -> None:
    async with world.bot(commands()) as bot:
        first = await asked(world, "alice", "h100")
        second = await asked(world, "alice", "h200")
        alice = world.fake.user("alice")
        offered = await alice.click(second.message, COMPARE)
        (entry,) = entries(offered)
        moderator = Deleter(moderator=True)
        assert await bot.parts.results.delete(token_of(first.message, COMPARE), by=moderator)
        gone = await alice.select(offered.message, "Your runs", [entry])
        assert "no longer kept" in gone.text


def entries(reply: Reply) -> list[str]:
    """The labels of its menu."""
    found: list[str] = []

    def walk(part: dict[str, Any]) -> None:
        found.extend(option["label"] for option in part.get("options", ()))
        for child in part.get("components", ()):
            walk(child)

    walk(reply.message)
    return found
