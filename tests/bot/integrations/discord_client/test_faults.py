"""What the person sees when Discord, the network or the clock does not play along."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import discord
import pytest
from discord import app_commands

from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.messages import labels
from tests.fakes.discord import NoAnswer, message_text

CALLBACK = "/interactions/*/callback"
EDIT = "/webhooks/*/messages/@original"

ONCE: list[dict[str, Any]] = [
    {"status": 429, "retry_after": 0.2},
    {"status": 429, "retry_after": 0.2, "whole_bot": True},
    {"status": 500},
    {"status": 502},
    {"status": 503},
    {"reset": "before"},
    {"reset": "after"},
    {"reset": "before", "times": 2},
    {"late_s": 0.3},
]


def name(fault: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in fault.items())


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("reply", "place"):
        path = f"bot.integrations.discord_client.{module}.PAUSES_S"
        monkeypatch.setattr(path, (0.0, 0.0, 0.0))


@pytest.fixture
def quick_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own second before a repeat, shortened."""
    real = asyncio.sleep

    async def sleep(delay_s: float, *_: Any) -> None:
        await real(min(delay_s, 0.05))

    monkeypatch.setattr("discord.webhook.async_.asyncio.sleep", sleep)


@pytest.mark.parametrize("fault", ONCE, ids=name)
@pytest.mark.parametrize("where", ["callback", "edit"])
async def test_one_bad_moment_costs_nobody_an_answer(
    world: World, fault: dict[str, Any], where: str, quick_library: None
) -> None:
    method, path = ("POST", CALLBACK) if where == "callback" else ("PATCH", EDIT)
    planned = world.fake.fault(method, path, **fault)
    async with world.bot():
        reply = await world.fake.user("alice").slash("pace", {"gpu": "h100"})
        await reply.finished(lambda r: r.files)
        await world.fake.wait_for(lambda: planned.hits == planned.times)
        assert "10 requests/s" in reply.text
        assert len(world.fake.channel_messages(world.fake.home.channels[0])) == 1
        assert reply.followups == [] and reply.pings == set()


@pytest.mark.slow
async def test_two_server_errors_in_a_row_are_answered_within_three_seconds(world: World) -> None:
    world.fake.fault("POST", CALLBACK, status=500, times=2)
    async with world.bot():
        reply = await world.fake.user("alice").slash("pace", {"gpu": "h100"})
        assert "10 requests/s" in reply.text and reply.ack_ms < 3000


@pytest.mark.slow
async def test_an_answer_that_arrived_but_was_never_confirmed_is_not_repeated(world: World) -> None:
    world.fake.fault("POST", CALLBACK, late_s=9.0)
    async with world.bot():
        reply = await world.fake.user("alice").slash("pace", {"gpu": "h100"})
        await reply.finished(lambda r: r.files)
        assert len(world.fake.channel_messages(world.fake.home.channels[0])) == 1


async def test_the_same_interaction_dispatched_twice_is_answered_once(world: World) -> None:
    async with world.bot() as bot:
        alice = world.fake.user("alice")
        reply = await alice.slash("pace", {"gpu": "h1000"}, copies=2)
        assert "I don't know" in reply.text
        fixed = await alice.click(reply.message, "Use h200", copies=2)
        await fixed.edited()
        assert bot.client.intake.counts["dispatched again"] == 2
    assert len(world.fake.channel_messages(world.fake.home.channels[0])) == 1
    assert sum(step.kind == "callback" for step in fixed.history) == 1


async def test_an_interaction_that_another_process_answered_is_left_alone(world: World) -> None:
    world.fake.fault("POST", CALLBACK, status=400, code=40060)
    async with world.bot() as bot:
        reply = await world.fake.user("alice").slash("pace", {"gpu": "h100"}, wait=False)
        await world.fake.wait_for(lambda: bot.client.intake.counts["taken"])
    assert not reply.answered and reply.history == []


@pytest.mark.parametrize("model", ["small", "org/m"])
async def test_a_late_answer_is_posted_to_the_channel_for_its_asker(
    world: World, model: str
) -> None:
    world.fake.ack_deadline_s = -1.0
    async with world.bot() as bot:
        alice = world.fake.user("alice")
        with pytest.raises(NoAnswer):
            await alice.slash("pace", {"gpu": "h100", "model": model})
        channel = world.fake.home.channels[0]
        await world.fake.wait_for(lambda: world.fake.channel_messages(channel))
        stored = world.fake.channel_messages(channel)[0]
        await world.fake.wait_for(lambda: stored.json["attachments"])
        assert alice.mention in message_text(stored.json)
        assert bot.client.intake.counts["late"] >= 1
    assert len(world.fake.channel_messages(channel)) == 1
    assert stored.pings == {alice.id}
    assert "Change inputs" in labels(stored.json)


async def test_a_late_refusal_is_not_shown_to_everyone(world: World) -> None:
    world.fake.ack_deadline_s = -1.0
    async with world.bot() as bot:
        with pytest.raises(NoAnswer):
            await world.fake.user("alice").slash("pace", {"gpu": "h1000"})
        await world.fake.wait_for(lambda: bot.client.intake.counts["late"])
    assert world.fake.channel_messages(world.fake.home.channels[0]) == []


@pytest.mark.parametrize("place", ["foreign", "dm", "denied"])
async def test_a_late_answer_stays_on_its_page_where_the_bot_may_not_write(
    world: World, place: str
) -> None:
    world.fake.ack_deadline_s = -1.0
    where: dict[str, Any] = {"foreign": {"user_install": True}, "dm": {"dm": True}}.get(place, {})
    async with world.bot() as bot:
        if place == "denied":
            await world.fake.deny(world.fake.home.channels[0], "send_messages")
        with pytest.raises(NoAnswer):
            await world.fake.user("alice").slash("pace", {"gpu": "h100"}, **where)
        await world.fake.wait_for(lambda: bot.client.intake.counts["late"])
    assert not [call for call in world.fake.requests if call.path.endswith("/messages")]


@pytest.mark.parametrize("fault", [{"reset": "after"}, {"reset": "before"}, {"status": 503}])
async def test_a_message_to_the_channel_is_posted_once(world: World, fault: dict[str, Any]) -> None:
    world.fake.ack_deadline_s = -1.0
    world.fake.fault("POST", "/channels/*/messages", **fault)
    async with world.bot():
        with pytest.raises(NoAnswer):
            await world.fake.user("alice").slash("pace", {"gpu": "h100"})
        channel = world.fake.home.channels[0]
        await world.fake.wait_for(
            lambda: [m for m in world.fake.channel_messages(channel) if m.json["attachments"]]
        )
    assert len(world.fake.channel_messages(channel)) == 1


async def test_a_token_that_dies_early_still_delivers_in_the_channel(world: World) -> None:
    async with world.bot() as bot:
        alice = world.fake.user("alice")
        reply = await alice.slash("pace", {"gpu": "h100", "model": "org/m"})
        world.fake.kill_tokens()
        channel = world.fake.home.channels[0]
        await world.fake.wait_for(lambda: len(world.fake.channel_messages(channel)) == 2)
        posted = world.fake.channel_messages(channel)[1]
        await world.fake.wait_for(lambda: posted.json["attachments"])
        assert reply.deferred and posted.pings == {alice.id}
        assert bot.client.intake.counts["dead"] == 1


async def test_an_answer_dismissed_while_it_was_made_ends_quietly(world: World) -> None:
    async with world.bot() as bot:
        alice = world.fake.user("alice")
        reply = await alice.slash("pace", {"gpu": "h100", "model": "org/m"})
        await alice.dismiss(reply.message)
        await world.fake.wait_for(lambda: bot.client.intake.counts["gone"])
    assert world.fake.channel_messages(world.fake.home.channels[0]) == []


@pytest.mark.parametrize("model", ["small", "org/m"])
async def test_a_broken_tool_is_one_sentence_with_a_reference_that_is_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture, model: str
) -> None:
    world.tracebacks = 1
    options = {"gpu": "h100", "note": "crash", "model": model}
    async with world.bot():
        reply = await world.fake.user("alice").slash("pace", options)
        await reply.finished()
        assert "Something went wrong on my side" in reply.text
        found = re.search(r"ref (\S+)", reply.text)
        assert found is not None
        ref = found[1].replace("\\", "")  # an underscore is escaped there
        assert len(ref) == 6 and f"ref {ref}" in caplog.text
        assert "the tool is broken" in caplog.text
        assert reply.ephemeral is (model == "small")


async def test_an_old_command_that_discord_still_shows_is_named(world: World) -> None:
    async with world.bot():
        world.fake.commands.append(world.fake.command("pace") | {"name": "gone"})
        reply = await world.fake.user("alice").slash("gone", {"gpu": "h100"})
        assert reply.ephemeral and "I no longer have the command /gone" in reply.text


async def test_a_lost_suggestion_is_nobodys_error(world: World) -> None:
    async with world.bot() as bot:
        for fault in ({"status": 404, "code": 10062}, {"reset": "after"}, {"reset": "before"}):
            world.fake.fault("POST", CALLBACK, **fault)
            await world.fake.user("alice").type_into("pace", "gpu", "h", wait=False)
        counts = bot.client.intake.counts
        await world.fake.wait_for(lambda: counts["suggestions lost"] == 3)
        assert len(await world.fake.user("alice").autocomplete("pace", "gpu", "h")) > 0


async def test_a_chart_reaches_an_answer_whose_token_has_died(world: World) -> None:
    world.fake.fault("PATCH", EDIT, status=401, code=50027)
    async with world.bot():
        reply = await world.fake.user("alice").slash("pace", {"gpu": "h100"})
        await reply.finished(lambda r: r.files)
    assert len(world.fake.channel_messages(world.fake.home.channels[0])) == 1


async def test_where_pictures_are_not_allowed_the_text_stands_alone(world: World) -> None:
    async with world.bot():
        await world.fake.deny(world.fake.home.channels[0], "attach_files")
        reply = await world.fake.user("alice").slash("pace", {"gpu": "h100"})
        assert "10 requests/s" in reply.text and reply.files == {}
    assert [step.kind for step in reply.history] == ["callback"]


async def test_a_permission_lost_meanwhile_costs_only_the_picture(world: World) -> None:
    world.fake.fault("PATCH", EDIT, status=403, code=50013)
    async with world.bot() as bot:
        reply = await world.fake.user("alice").slash("pace", {"gpu": "h100"})
        await world.fake.wait_for(lambda: bot.client.intake.counts["denied"])
        assert "10 requests/s" in reply.text


@pytest.mark.parametrize("reset", ["before", "after"])
@pytest.mark.parametrize("model", ["small", "org/m"])
async def test_a_connection_that_breaks_on_every_try_leaves_one_answer(
    world: World, reset: str, model: str
) -> None:
    world.fake.fault("POST", CALLBACK, reset=reset, times=3)
    channel = world.fake.home.channels[0]
    async with world.bot():
        alice = world.fake.user("alice")
        await alice.slash("pace", {"gpu": "h100", "model": model}, wait=False)
        await world.fake.wait_for(
            lambda: [m for m in world.fake.channel_messages(channel) if m.json["attachments"]]
        )
        (stored,) = world.fake.channel_messages(channel)
        assert "10 requests/s" in message_text(stored.json)
        assert stored.pings == ({alice.id} if reset == "before" else set())


@pytest.mark.parametrize("before", ["nothing", "thinking", "answer"])
async def test_a_command_of_the_librarys_own_kind_fails_into_one_sentence(
    world: World, before: str
) -> None:
    world.tracebacks = 1

    async def extra(interaction: discord.Interaction) -> None:
        if before == "answer":
            await interaction.response.send_message("done")
        elif before == "thinking":
            await interaction.response.defer(thinking=True)
        raise RuntimeError("broken")

    async with world.bot() as bot:
        made: Any = app_commands.Command(name="extra", description="breaks", callback=extra)
        bot.client.tree.add_command(made)
        world.fake.commands.append(world.fake.command("pace") | {"name": "extra", "options": []})
        reply = await world.fake.user("alice").slash("extra")
        await reply.finished()
        assert ("done" if before == "answer" else "Something went wrong") in reply.text
    assert len(reply.history) == (2 if before == "thinking" else 1) and reply.followups == []
