"""A slash command from typing to the finished message, and where it may be typed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.render.chart import ChartBusy, ChartFailed
from tests.bot.integrations.discord_client import pace
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.messages import labels, links
from tests.fakes.discord import message_text


async def test_all_text_comes_at_once_and_the_chart_by_one_edit(world: World) -> None:
    async with world.bot():
        reply = await world.fake.user("alice").slash("pace", {"gpu": "h100", "gpus": 2})
        assert reply.type == 4 and not reply.ephemeral
        assert "**20 requests/s** on 2x h100" in reply.text
        assert reply.history[0].message is not None
        assert reply.history[0].message["attachments"] == []
        message = await reply.edited()
        assert reply.files == {"chart.png": b"pace of h100"}
        assert labels(message) == ["Change inputs", "Assumptions", "Page"]
        assert links(message)[0].startswith("https://k2c.example/r/")
        assert reply.pings == set()
    assert len([step for step in reply.history if step.kind == "edit"]) == 1


async def test_no_picture_slows_the_first_answer_it_comes_by_one_edit(world: World) -> None:
    async with world.bot():
        for _ in range(2):  # the second time it has been drawn already
            reply = await world.fake.user("alice").slash("pace", {"gpu": "h100"})
            await reply.edited()
            assert reply.files == {"chart.png": b"pace of h100"}
            first, edit = reply.history
            assert (first.kind, edit.kind) == ("callback", "edit")
            assert first.message is not None and not first.message["attachments"]


async def test_under_a_backlog_there_is_a_chart_button_that_draws_later(world: World) -> None:
    world.charts.error = ChartBusy("9 charts are waiting")
    async with world.bot():
        alice = world.fake.user("alice")
        reply = await alice.slash("pace", {"gpu": "h100"})
        assert "Chart" in labels(await reply.edited())
        still = await alice.click(reply.message, "Chart")
        assert "Chart" in labels(await still.edited())
        world.charts.error = None
        pressed = await world.fake.user("bob").click(reply.message, "Chart")
        await pressed.edited()
        assert reply.files == {"chart.png": b"pace of h100"}
        assert "Chart" not in labels(reply.message)


async def test_an_answer_stands_without_a_chart_that_cannot_be_drawn(world: World) -> None:
    world.charts.error = ChartBusy("9 charts are waiting")
    async with world.bot():
        alice = world.fake.user("alice")
        reply = await alice.slash("pace", {"gpu": "h100"})
        await reply.edited()
        world.charts.error = ChartFailed("no ink")
        pressed = await alice.click(reply.message, "Chart")
        assert "could not be drawn" in message_text(await pressed.followed_up())
        other = await alice.slash("pace", {"gpu": "h200"})
        assert "requests/s" in other.text
    assert [step.kind for step in other.history] == ["callback"] and other.files == {}


async def test_what_needs_the_network_says_thinking_first(world: World) -> None:
    async with world.bot():
        reply = await world.fake.user("alice").slash("pace", {"gpu": "h100", "model": "org/m"})
        assert reply.deferred
        await reply.finished(lambda r: r.files)
        assert "requests/s" in reply.text


async def test_a_refusal_is_for_its_asker_and_offers_the_repair(world: World) -> None:
    async with world.bot():
        reply = await world.fake.user("alice").slash("pace", {"gpu": "h1000"})
        assert reply.ephemeral
        assert "I don't know the GPU h1000" in reply.text and "ref " in reply.text
        assert "`gpu:h1000`" in reply.text and "**h200**" in reply.text
        assert labels(reply.message) == ["Use h200", "Change inputs"]


async def test_the_message_of_an_answer_is_kept(world: World) -> None:
    async with world.bot() as bot:
        reply = await world.fake.user("alice").slash("pace", {"gpu": "h100"})
        await reply.edited()
        result_id = links(reply.message)[0].rpartition("/")[2]
    async with world.bot() as bot:
        posted = await bot.parts.results.message_of(result_id)
        assert posted is not None and posted.message_id == reply.message["id"]
        row = await bot.parts.results.get(result_id)
        assert row is not None and row.guild_id == world.fake.home.id and not row.private


async def test_another_server_gets_answers_under_a_cap(world: World) -> None:
    world.settings = {"foreign_per_minute": 2}
    async with world.bot():
        people = [world.fake.user(name) for name in ("alice", "bob", "carol")]
        other = world.fake.other
        replies = [await p.slash("pace", {"gpu": "h100"}, guild=other) for p in people]
        assert [r.ephemeral for r in replies] == [False, False, True]
        assert "<t:" in replies[2].text and ":R>" in replies[2].text
        at_home = await people[2].slash("pace", {"gpu": "h100"})
        assert not at_home.ephemeral


async def test_one_person_is_limited_everywhere_and_others_are_not(world: World) -> None:
    world.settings = {"user_per_minute": 3}
    async with world.bot():
        alice = world.fake.user("alice")
        replies = [await alice.slash("pace", {"gpu": "h100"}) for _ in range(4)]
        assert [r.ephemeral for r in replies] == [False, False, False, True]
        assert (await alice.slash("pace", {"gpu": "h100"}, dm=True)).text == replies[3].text
        assert not (await world.fake.user("bob").slash("pace", {"gpu": "h100"})).ephemeral


async def test_a_command_of_the_home_server_is_refused_elsewhere(world: World) -> None:
    async with world.bot({"pace": replace(pace.command(), user_installable=False)}):
        alice = world.fake.user("alice")
        options = {"gpu": "h100"}
        assert not (await alice.slash("pace", options)).ephemeral
        elsewhere: list[Any] = [{"guild": world.fake.other}, {"dm": True}, {"user_install": True}]
        for where in elsewhere:
            reply = await alice.slash("pace", options, raw=True, **where)
            assert reply.ephemeral and "only in the community's own server" in reply.text


@pytest.mark.parametrize("where", ["dm", "thread", "post"])
async def test_answers_in_direct_messages_threads_and_forum_posts(world: World, where: str) -> None:
    home = world.fake.home
    places: dict[str, Any] = {
        "dm": {"dm": True},
        "thread": {"channel": home.channel("a-thread")},
        "post": {"channel": home.channel("a-post")},
    }
    async with world.bot():
        reply = await world.fake.user("alice").slash("pace", {"gpu": "h100"}, **places[where])
        await reply.edited()
        assert reply.files and not reply.ephemeral and "Share" not in labels(reply.message)


async def test_in_a_strangers_server_the_answer_is_private_until_shared(world: World) -> None:
    async with world.bot() as bot:
        alice = world.fake.user("alice")
        reply = await alice.slash("pace", {"gpu": "h100"}, user_install=True)
        await reply.edited()
        assert reply.ephemeral and "Share" in labels(reply.message)
        row = await bot.parts.results.get(links(reply.message)[0].rpartition("/")[2])
        assert row is not None and row.private
        shared = await alice.click(reply.message, "Share")
        await shared.edited()
        assert not shared.ephemeral and f"shared by {alice.mention}" in shared.text
        assert "10 requests/s" in shared.text and shared.files
        assert shared.pings == set() and "Share" not in labels(shared.message)
