"""Every button and form under an answer, on the day and after a restart."""

from __future__ import annotations

import asyncio

import pytest

from bot.render.chart import ChartBusy
from bot.view import Chart
from tests.bot.integrations.discord_client import pace
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.messages import custom_ids, labels, links
from tests.fakes.discord import Reply


async def asked(world: World, **options: object) -> Reply:
    """Alice's finished answer, public in the home server."""
    reply = await world.fake.user("alice").slash("pace", {"gpu": "h100", **options})
    await reply.edited()
    return reply


async def test_the_form_is_filled_and_makes_a_new_answer(world: World) -> None:
    async with world.bot():
        first = await asked(world, gpus=2, dtype="fp8", model="big one", note="hello")
        alice = world.fake.user("alice")
        form = (await alice.click(first.message, "Change inputs")).modal
        assert form.title == "Change /pace"
        rest = "Other options, each as name:value"
        assert form.values == {
            "gpu": "h100", "gpus": "2", "share": "", "dtype": "fp8",
            rest: "model:big one note:hello",
        }  # fmt: skip
        changed = await alice.submit(form, {"gpus": "4", rest: "note:hello you fast:true"})
        assert changed.type == 4 and not changed.ephemeral
        assert "40 requests/s" in changed.text and "hello you" in changed.text
        assert "20 requests/s" in first.text


async def test_a_form_sent_after_a_restart_still_counts(world: World) -> None:
    async with world.bot():
        first = await asked(world)
        form = (await world.fake.user("alice").click(first.message, "Change inputs")).modal
    async with world.bot():
        changed = await world.fake.user("alice").submit(form, {"gpu": "h200"})
        assert "14 requests/s" in changed.text


async def test_what_a_form_got_wrong_is_shown_again(world: World) -> None:
    rest = "Other options, each as name:value"
    async with world.bot():
        alice = world.fake.user("alice")
        first = await asked(world)
        form = (await alice.click(first.message, "Change inputs")).modal
        wrong = await alice.submit(form, {"gpus": "many", rest: "what is this model:x"})
        assert wrong.ephemeral and "before the options" in wrong.text
        again = (await alice.click(wrong.message, "Change inputs")).modal
        assert again.values["gpus"] == "many" and again.values[rest] == "what is this model:x"
        third = await alice.submit(again, {rest: "model:x"})
        assert third.type == 7 and third.ephemeral, "one refusal takes the place of another"
        assert "gpus must be a whole number" in third.text
        last = (await alice.click(third.message, "Change inputs")).modal
        right = await alice.submit(last, {"gpus": "3"})
        assert not right.ephemeral and "30 requests/s" in right.text


async def test_a_changed_refusal_that_has_to_wait_ends_in_an_answer(world: World) -> None:
    rest = "Other options, each as name:value"
    async with world.bot():
        alice = world.fake.user("alice")
        for model, words in (("no/such", "There is no model"), ("org/m", "10 requests/s")):
            wrong = await alice.slash("pace", {"gpu": "h1000"})
            form = (await alice.click(wrong.message, "Change inputs")).modal
            changed = await alice.submit(form, {"gpu": "h100", rest: f"model:{model}"})
            await changed.finished()
            assert changed.deferred and words in changed.text and "h1000" in wrong.text


async def test_someone_else_changing_inputs_gets_an_answer_of_their_own(world: World) -> None:
    async with world.bot() as bot:
        first = await asked(world)
        bob = world.fake.user("bob")
        form = (await bob.click(first.message, "Change inputs")).modal
        mine = await bob.submit(form, {"gpu": "h200"})
        await mine.edited()
        assert mine.message["id"] != first.message["id"]
        row = await bot.parts.results.get(links(mine.message)[0].rpartition("/")[2])
        assert row is not None and row.user_id == bob.id
        assert "10 requests/s" in first.text


async def test_a_repair_gives_the_answer_that_was_meant(world: World) -> None:
    async with world.bot():
        alice = world.fake.user("alice")
        refused = await alice.slash("pace", {"gpu": "h1000", "gpus": 2, "note": "kept"})
        fixed = await alice.click(refused.message, "Use h200")
        assert not fixed.ephemeral and "28 requests/s" in fixed.text and "kept" in fixed.text


async def test_buttons_work_after_a_restart(world: World) -> None:
    async with world.bot():
        first = await asked(world)
        refused = await world.fake.user("alice").slash("pace", {"gpu": "h1000"})
        private = await world.fake.user("alice").slash("pace", {"gpu": "b200"}, user_install=True)
    async with world.bot():
        alice = world.fake.user("alice")
        assert (await alice.click(first.message, "Change inputs")).modal.values["gpu"] == "h100"
        assert "What this assumes" in (await alice.click(first.message, "Assumptions")).text
        assert "14 requests/s" in (await alice.click(refused.message, "Use h200")).text
        assert "30 requests/s" in (await alice.click(private.message, "Share")).text


async def test_assumptions_are_for_the_reader_and_only_its_asker_may_delete(world: World) -> None:
    async with world.bot():
        first = await asked(world)
        seen = await world.fake.user("bob").click(first.message, "Assumptions")
        assert seen.ephemeral and labels(seen.message) == []
        own = await world.fake.user("alice").click(first.message, "Assumptions")
        assert labels(own.message) == ["Delete this answer"]


@pytest.mark.parametrize("who", ["alice", "mod"])
async def test_a_deleted_answer_is_gone_from_discord_and_from_the_pages(
    world: World, who: str
) -> None:
    async with world.bot() as bot:
        first = await asked(world)
        result_id = links(first.message)[0].rpartition("/")[2]
        person = world.fake.user(who, roles=("moderators",) if who == "mod" else ())
        details = await person.click(first.message, "Assumptions")
        done = await person.click(details.message, "Delete this answer")
        await first.finished(lambda r: "requests/s" not in r.text)
        assert f"deleted** by {person.mention}" in first.text and first.files == {}
        assert done.type == 7 and labels(done.message) == []
        assert await bot.parts.results.get(result_id) is None
        assert done.pings == set() and first.pings == set()


@pytest.mark.parametrize("where", ["answer", "button"])
async def test_a_chart_that_is_drawn_late_does_not_bring_a_deleted_answer_back(
    world: World, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    png = world.charts.png

    async def slow(chart: Chart) -> bytes:
        begun.set()
        await go_on.wait()
        return await png(chart)

    if where == "button":
        world.charts.error = ChartBusy("9 charts are waiting")
    else:
        monkeypatch.setattr(world.charts, "png", slow)
    async with world.bot():
        alice = world.fake.user("alice")
        first = await alice.slash("pace", {"gpu": "h100"})
        if where == "button":
            await first.edited()
            world.charts.error = None
            monkeypatch.setattr(world.charts, "png", slow)
            await alice.click(first.message, "Chart")
        await asyncio.wait_for(begun.wait(), 30)
        details = await alice.click(first.message, "Assumptions")
        await alice.click(details.message, "Delete this answer")
        await first.finished(lambda r: "deleted" in r.text)
        go_on.set()
    assert "deleted" in first.text and first.files == {}


async def test_a_crafted_delete_by_another_member_is_refused(world: World) -> None:
    async with world.bot() as bot:
        first = await asked(world)
        result_id = links(first.message)[0].rpartition("/")[2]
        bob = world.fake.user("bob")
        reply = await bob.press_unseen(first.message, f"k2c:delete:{result_id}")
        assert reply.ephemeral and "Only who asked" in reply.text
        assert await bot.parts.results.get(result_id) is not None


async def test_a_moderator_of_another_server_may_not_delete(world: World) -> None:
    async with world.bot() as bot:
        first = await asked(world)
        result_id = links(first.message)[0].rpartition("/")[2]
        mod = world.fake.user("mod", roles=("moderators",))
        theirs = await mod.slash("pace", {"gpu": "h100"}, guild=world.fake.other)
        reply = await mod.press_unseen(theirs.message, f"k2c:delete:{result_id}")
        assert reply.ephemeral and "Only who asked" in reply.text
        assert await bot.parts.results.get(result_id) is not None


async def test_a_private_answer_that_is_deleted_says_what_stays(world: World) -> None:
    async with world.bot() as bot:
        alice = world.fake.user("alice")
        reply = await alice.slash("pace", {"gpu": "h100"}, user_install=True)
        await reply.edited()
        details = await alice.click(reply.message, "Assumptions")
        done = await alice.click(details.message, "Delete this answer")
        await done.finished(lambda r: "I cannot change its message" in r.text)
        assert await bot.parts.results.get(links(reply.message)[0].rpartition("/")[2]) is None


@pytest.mark.parametrize(
    "custom_id",
    [
        "k2c:change:" + "A" * 22,
        "k2c:dance:" + "A" * 22,
        "k2c:fix",
        "other:1",
        "k2c:fix:" + "é" * 22,
    ],
)
async def test_an_unknown_button_is_answered_with_a_sentence(world: World, custom_id: str) -> None:
    async with world.bot():
        first = await asked(world)
        reply = await world.fake.user("alice").press_unseen(first.message, custom_id)
        assert reply.ephemeral and "Run the command again" in reply.text


async def test_a_repair_that_was_not_offered_is_refused(world: World) -> None:
    async with world.bot():
        refused = await world.fake.user("alice").slash("pace", {"gpu": "h1000"})
        result_id = custom_ids(refused.message)[0].split(":")[2]
        alice = world.fake.user("alice")
        for argument in ("7", "999"):
            reply = await alice.press_unseen(refused.message, f"k2c:fix:{result_id}:{argument}")
            assert reply.ephemeral and "I don't know this button" in reply.text


async def test_an_answer_of_a_command_that_is_gone_says_so(world: World) -> None:
    async with world.bot():
        first = await asked(world)
    other = {"other": pace.command()}
    async with world.bot(other):
        reply = await world.fake.user("alice").click(first.message, "Assumptions")
        assert reply.ephemeral and "no longer kept" in reply.text


async def test_pressing_buttons_is_limited_too(world: World) -> None:
    world.settings = {"user_per_minute": 2}
    async with world.bot():
        alice = world.fake.user("alice")
        refused = await alice.slash("pace", {"gpu": "h1000"})
        assert not (await alice.click(refused.message, "Use h200")).ephemeral
        assert "<t:" in (await alice.click(refused.message, "Use h200")).text
