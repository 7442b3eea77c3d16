"""What may be asked for, what is shared, and what a person is told while they wait."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from bot.jobs.policy import DefaultPolicy, is_own
from bot.jobs.presence import lane_words
from bot.results import Deleter, StoredResult
from compute.tool import Needs, Refused
from config.settings import Settings, load_settings
from tests.bot.jobs.parts import COUNT, HOME, Bot, CountRequest, row_of, running_bot, until
from tests.bot.jobs.puppet import puppet
from tests.fakes.broker import Broker


def settings(tmp_path: Path, **more: Any) -> Settings:
    return load_settings(_env_file=None, home_guild_ids=HOME, data_dir=tmp_path, **more)


@pytest.mark.parametrize(
    ("row", "allowed"),
    [
        (row_of(), True),
        (row_of(guild_id="2"), False),
        (row_of(guild_id=""), False),
        (row_of(door="web"), True),
        (row_of(door="api"), True),
        (row_of(door="terminal"), True),
    ],
)
def test_without_configuration_only_home_and_this_machine_may_ask(
    tmp_path: Path, row: StoredResult, allowed: bool
) -> None:
    allowance = DefaultPolicy(settings(tmp_path)).allowance(row, ())
    assert (allowance.refusal == "") is allowed
    assert allowance.first is (row.door == "terminal")


def test_pages_that_others_reach_may_not_ask(tmp_path: Path) -> None:
    for more in ({"http_host": "0.0.0.0"}, {"public_url": "https://bot.example.org"}):
        policy = DefaultPolicy(settings(tmp_path, **more))
        assert policy.allowance(row_of(door="web"), ()).refusal
        assert not policy.allowance(row_of(), ()).refusal
    assert is_own("localhost", "http://127.0.0.1:80") and is_own("::1", "")


async def test_no_more_at_once_than_allowed_and_a_cancelled_one_makes_room(bot: Bot) -> None:
    bot.policy.at_once = 2
    first, _ = await bot.ask(), await bot.ask()
    with pytest.raises(Refused, match=r"2 runs waiting or running; at most 2"):
        await bot.ask()
    assert len(await bot.rows("SELECT 1 FROM results")) == 2  # the third left nothing behind
    await bot.ask(user="8")
    await bot.cancel(first)
    await bot.ask()


async def test_no_more_in_an_hour_than_allowed_and_deleting_frees_nothing(bot: Bot) -> None:
    bot.policy.per_hour = 2
    for _ in range(2):
        result_id = await bot.ask()
        await bot.cancel(result_id)
        assert await bot.results.delete(result_id, by=Deleter(user_id="7"))
        await bot.jobs.purge(time.time())
    with pytest.raises(Refused, match=r"2 runs in the last hour, and 2 are .* in 60 min"):
        await bot.ask()
    hour_ago = time.time() - 3601
    await bot.store.write(lambda db: db.conn.execute("UPDATE asks SET asked_at = ?", [hour_ago]))
    await bot.ask()


async def test_members_count_alone_and_pages_together(bot: Bot) -> None:
    bot.policy.at_once = 1
    await bot.ask(user="7")
    await bot.ask(user="8")
    await bot.ask(user="", door="web", delete_key="a")
    with pytest.raises(Refused):
        await bot.ask(user="", door="web", delete_key="b")


async def test_a_machine_that_nobody_makes_and_a_huge_request_are_refused(bot: Bot) -> None:
    with pytest.raises(Refused, match="no GPU on record has 9999"):
        await bot.ask(needs=Needs(memory_gib=9999))
    request = CountRequest.model_construct(number=1, worker="w" * 300_000)
    with pytest.raises(Refused, match=r"takes at most\s+256"):
        await bot.jobs.submit(row_of(), COUNT, request, Needs())


async def test_the_same_request_shares_one_run_and_its_result(bot: Bot, broker: Broker) -> None:
    bot.jobs._share_s = 600.0
    async with puppet(broker, "alice") as alice:
        asked = [await bot.ask(user=str(n), number=5) for n in range(3)]
        other = await bot.ask(number=6)
        given = await alice.take()
        await alice.done(given)
        for result_id in asked:
            await bot.until(result_id, "done")
        later = await bot.ask(user="9", number=5)
        assert (await bot.progress(later)).state == "done"
        next_one = await alice.take()
        assert next_one.job.request["number"] == 6
        await alice.done(next_one)
        await bot.until(other, "done")
    for result_id in (*asked, later):
        row = await bot.results.get(result_id)
        assert row is not None and row.result == {"counted": 5}
    assert sorted(await bot.answers()) == sorted([*asked, later, other])
    assert await bot.rows("SELECT COUNT(*) FROM runs") == [(2,)]
    assert bot.jobs.counters()["shared"] == 3


async def test_what_failed_or_is_old_is_not_shared(bot: Bot, broker: Broker) -> None:
    bot.jobs._share_s = 0.5
    async with puppet(broker, "alice") as alice:
        failed = await bot.ask(number=5)
        given = await alice.take()
        await alice.say(given, "failed", cause="memory", words="It took 9 GiB.")
        await given.message.ack_sync()
        progress = await bot.until(failed, "failed")
        assert progress.words == "It took 9 GiB."
        again = await bot.ask(number=5)
        given = await alice.take()
        await alice.done(given)
        await bot.until(again, "done")
        await asyncio.sleep(0.6)
        await bot.ask(number=5)
        assert (await alice.take()).job.request["number"] == 5


async def test_what_must_run_each_time_shares_nothing(bot: Bot, broker: Broker) -> None:
    bot.jobs._share_s = 600.0
    async with puppet(broker, "alice") as alice:
        for _ in range(2):
            asked = await bot.ask(number=5, needs=Needs(shared=False))
            await alice.done(await alice.take())
            await bot.until(asked, "done")
    assert await bot.rows("SELECT COUNT(*) FROM runs") == [(2,)]


async def test_files_of_a_shared_run_belong_to_everybody(bot: Bot, broker: Broker) -> None:
    bot.jobs._share_s = 600.0
    async with puppet(broker, "alice") as alice:
        first = await bot.ask(number=5)
        given = await alice.take()
        said = await alice.store(given.job, "a.csv", b"a\n", "text/csv")
        await alice.done(given, artefacts=[said])
        await bot.until(first, "done")
    second = await bot.ask(user="8", number=5)
    assert await bot.jobs.files(second) == await bot.jobs.files(first) != []


async def test_who_waits_is_told_why_at_once(bot: Bot, broker: Broker) -> None:
    hopper = Needs(sm=90)
    result_id = await bot.ask(needs=hopper)
    assert (await bot.progress(result_id)).why == "No worker is online."
    async with puppet(broker, "alice") as alice:
        await until(lambda: bool(bot.jobs.counters()["workers_online"]))
        assert (await bot.progress(result_id)).why == "No worker with sm_90 is online."
        async with puppet(broker, "old", "any", "sm90") as old:
            await old.end()
            await old.show(tools={"count": "0" * 16}, version="0.0.9")
            await until(lambda: len(bot.jobs.workers()) == 2)
            await until(lambda: bot.jobs.workers()[1].version == "0.0.9")
            why = (await bot.progress(result_id)).why
            assert why == (
                "No up-to-date worker with sm_90 is online: old must be updated to run count."
            )
            assert bot.jobs.workers()[1].trouble == "Another version (0.0.9) of count: update it."
            await old.show(protocol=0)
            await until(lambda: "takes no jobs" in bot.jobs.workers()[1].trouble)
            assert "No up-to-date" in (await bot.progress(result_id)).why
            await old.show()
            given = await old.take("sm90")
            assert given.job.lane == "sm90"
        await alice.leave()
        await until(lambda: not bot.jobs.workers()[0].online)


async def test_place_and_wait_are_told_from_what_such_runs_took(
    broker: Broker, tmp_path: Path
) -> None:
    async with running_bot(broker, tmp_path) as bot, puppet(broker, "alice") as alice:
        for _ in range(3):
            result_id = await bot.ask()
            given = await alice.take()
            await alice.done(given, run_s=100.0)
            await bot.until(result_id, "done")
        running, second, third = [await bot.ask() for _ in range(3)]
        given = await alice.take()
        await alice.say(given, "running")
        await bot.until(running, "running")
        await asyncio.sleep(0.6)
        told = [await bot.progress(result_id) for result_id in (running, second, third)]
    assert told[0].left_s == pytest.approx(100, abs=5)
    assert [progress.place for progress in told] == [0, 1, 2]
    assert told[1].wait_low_s == pytest.approx(100, abs=5)
    assert told[2].wait_high_s == pytest.approx(200, abs=5)


async def test_a_member_sees_their_own_runs_newest_first_with_where_the_answer_went(
    bot: Bot, broker: Broker
) -> None:
    async with puppet(broker, "alice") as alice:
        done = await bot.ask()
        await alice.done(await alice.take())
        await bot.until(done, "done")
        waits = await bot.ask(needs=Needs(sm=90))
        await bot.ask(user="8")
        runs = await bot.jobs.of_user("7")
        assert [run.progress.result_id for run in runs] == [waits, done]
        assert [run.progress.state for run in runs] == ["queued", "done"]
        assert runs[0].progress.why == "No worker with sm_90 is online."
        assert [run.delivery for run in runs] == ["", "waiting"]
        assert (runs[0].finished_at, runs[1].finished_at is None) == (None, False)
        await bot.jobs.delivered(done, "by direct message")
        assert (await bot.jobs.of_user("7"))[1].delivery == "by direct message"
        assert await bot.jobs.of_user("9") == []


async def test_nothing_is_told_of_what_has_no_run(bot: Bot) -> None:
    assert await bot.jobs.progress("x" * 22) is None
    assert [progress async for progress in bot.jobs.watch("x" * 22)] == []
    assert await bot.jobs.files("x" * 22) == []


async def test_the_metrics_count_what_waits_runs_and_ended(bot: Bot, broker: Broker) -> None:
    await bot.ask(needs=Needs(sm=90))
    async with puppet(broker, "alice") as alice:
        result_id = await bot.ask()
        given = await alice.take()
        await alice.say(given, "running")
        await bot.until(result_id, "running")
        counters = bot.jobs.counters()
        assert dict(counters["queued"]) == {"sm90": 1}
        assert dict(counters["running"]) == {"any": 1}
        assert counters["workers_online"] == 1 and counters["queue_up"]
        await alice.done(given)
        await bot.until(result_id, "done")
    counters = bot.jobs.counters()
    assert counters["ended"]["count", "done", ""] == 1
    assert counters["waits"]["count"].count == 1
    assert counters["run_times"]["count"].sum_s == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("lane", "words"),
    [
        ("any", "of any kind"),
        ("cuda", "with a CUDA GPU"),
        ("cuda80", "with a GPU of 80 GiB"),
        ("sm90", "with sm_90"),
        ("cuda80-sm90", "with a GPU of 80 GiB and sm_90"),
        ("gpu-h100-sxm", "with the GPU h100-sxm"),
    ],
)
def test_lanes_are_told_in_words(lane: str, words: str) -> None:
    assert lane_words(lane) == words
