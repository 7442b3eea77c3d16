from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.house import House
from bot.results import Door, Results, StoredResult
from bot.runner import Asker, Runner, restore
from bot.store import Store
from compute.tool import Context, Needs
from tests.fakes.jobs import FakeJobs
from tests.sample import TOOL, KvRequest, KvResult, PlainContext

ALICE = Asker("discord", user_id="7", guild_id="8", channel_id="9")


@pytest.fixture
async def results(tmp_path: Path) -> AsyncIterator[Results]:
    store = await Store.open(tmp_path / "k2c.sqlite")
    yield Results(store)
    await store.close()


@pytest.fixture
def runner(results: Results) -> Runner:
    return Runner(results, PlainContext(), retention_days=90)


async def test_an_answer_is_kept_and_comes_back_the_same(runner: Runner, results: Results) -> None:
    outcome = await runner.run(TOOL, {"layers": 32, "input": 64}, ALICE)
    assert outcome.saved is not None
    await outcome.saved
    row = await results.get(outcome.id)
    assert row is not None and (row.user_id, row.guild_id, row.channel_id) == ("7", "8", "9")
    assert row.expires_at - row.created_at == pytest.approx(90 * 86_400)
    again = restore(TOOL, row)
    assert (again.inputs, again.request, again.result) == (
        outcome.inputs,
        outcome.request,
        outcome.result,
    )


async def test_a_refusal_is_kept_with_what_was_typed(runner: Runner, results: Results) -> None:
    outcome = await runner.run(TOOL, {"layers": "many"}, ALICE)
    assert outcome.saved is not None and outcome.result is None
    await outcome.saved
    row = await results.get(outcome.id)
    assert row is not None and row.inputs == {"layers": "many"}
    assert row.refusal is not None and row.refusal.message == "layers must be a whole number."


async def test_a_tool_that_fails_loses_nothing_and_is_in_the_log(
    runner: Runner, results: Results, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(request: KvRequest, ctx: Context) -> KvResult:
        raise ZeroDivisionError

    outcome = await runner.run(replace(TOOL, run=broken), {"layers": 3}, ALICE)
    assert outcome.saved is not None and outcome.refusal is not None
    await outcome.saved
    assert outcome.refusal.our_fault and "on my side" in outcome.refusal.message
    assert (await results.get(outcome.id)) is not None
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert outcome.ref in record.getMessage() and record.exc_info is not None


async def test_a_stranger_writes_no_line_of_the_log(
    runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await runner.run(TOOL, {"layers": 1, "evil\nERROR root: fake": 1}, ALICE)
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_only_a_sound_request_waits_for_the_network(runner: Runner) -> None:
    assert runner.waits(TOOL, {"layers": 1, "model": "hub/x"})
    assert not runner.waits(TOOL, {"layers": 1})
    assert not runner.waits(TOOL, {"layers": 0, "model": "hub/x"})


async def test_a_row_of_an_older_version_asks_to_be_run_again(
    runner: Runner, results: Results
) -> None:
    outcome = await runner.run(TOOL, {"layers": 1}, ALICE)
    assert outcome.saved is not None
    await outcome.saved
    row = await results.get(outcome.id)
    assert row is not None
    old = restore(TOOL, row.model_copy(update={"result": {"kv_mib": 3}}))
    assert old.refusal is not None and "older version" in old.refusal.message
    assert old.inputs == {"layers": 1}


async def test_keeping_an_answer_does_not_check_it_again(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def checked(*_: object, **__: object) -> None:
        pytest.fail("a config of 60,000 entries held the event loop for 50 ms here")

    monkeypatch.setattr(StoredResult, "__init__", checked)
    outcome = await runner.run(TOOL, {"layers": 32, "input": 64}, ALICE)
    assert outcome.saved is not None
    await outcome.saved


async def test_a_programs_wrong_input_is_not_kept(runner: Runner) -> None:
    """It has it itself; a stranger could otherwise fill the disk with refusals."""
    refused = await runner.run(TOOL, {"layers": 0}, Asker("api"))
    answered = await runner.run(TOOL, {"layers": 1}, Asker("api"))
    assert refused.saved is None and answered.saved is not None
    await answered.saved


@pytest.fixture
async def queued(results: Results) -> AsyncIterator[tuple[Runner, FakeJobs]]:
    """A runner with jobs."""
    jobs = FakeJobs()
    jobs.connect(results._store, lambda: None)
    yield Runner(results, PlainContext(), retention_days=90, jobs=jobs), jobs


HEAVY = replace(TOOL, needs=lambda request: Needs(cuda=True) if request.n_layers > 1 else None)


async def test_what_needs_a_worker_is_queued_and_its_answer_is_still_to_come(
    queued: tuple[Runner, FakeJobs], results: Results
) -> None:
    runner, jobs = queued
    outcome = await runner.run(HEAVY, {"layers": 32}, replace(ALICE, roles=("5",)))
    assert outcome.unfinished and outcome.pending is not None and outcome.saved is None
    assert jobs.newest.roles == ("5",) and jobs.newest.row.id == outcome.id
    row = await results.get(outcome.id)
    assert row is not None and row.result is None and row.refusal is None
    again = await runner.recall(HEAVY, row)
    assert again.unfinished and again.pending == outcome.pending
    assert restore(HEAVY, row).pending is None
    await jobs.end(outcome.id, result=KvResult(kv_gib=1.0))
    row = await results.get(outcome.id)
    assert row is not None
    assert (await runner.recall(HEAVY, row)).result == KvResult(kv_gib=1.0)


async def test_a_door_defers_for_a_worker_and_not_for_the_same_tools_light_requests(
    queued: tuple[Runner, FakeJobs],
) -> None:
    runner, jobs = queued
    assert runner.waits(HEAVY, {"layers": 32}) and runner.queues(HEAVY, {"layers": 32})
    assert not runner.waits(HEAVY, {"layers": 1}) and not runner.queues(HEAVY, {"layers": 0})
    outcome = await runner.run(HEAVY, {"layers": 1}, ALICE)
    assert isinstance(outcome.result, KvResult) and not jobs.runs


async def test_without_a_queue_it_is_said_how_to_get_one(runner: Runner) -> None:
    outcome = await runner.run(HEAVY, {"layers": 32}, ALICE)
    assert outcome.refusal is not None and "k2c up" in outcome.refusal.message
    assert outcome.saved is not None
    await outcome.saved


async def test_what_the_queue_refuses_is_kept_with_what_was_typed(
    queued: tuple[Runner, FakeJobs], results: Results
) -> None:
    runner, jobs = queued
    jobs.refuse = "You have 3 runs."
    outcome = await runner.run(HEAVY, {"layers": 32}, ALICE)
    assert outcome.saved is not None
    await outcome.saved
    row = await results.get(outcome.id)
    assert row is not None and row.refusal is not None and row.inputs == {"layers": 32}


@pytest.mark.parametrize("door", ["web", "discord"])
async def test_a_shared_run_that_is_over_is_an_answer_where_nothing_is_delivered(
    queued: tuple[Runner, FakeJobs], door: Door
) -> None:
    runner, jobs = queued

    async def over(result_id: str) -> None:
        await jobs.end(result_id, result=KvResult(kv_gib=1.0))

    jobs.on_submit = over
    outcome = await runner.run(HEAVY, {"layers": 32}, replace(ALICE, door=door))
    assert outcome.unfinished is (door == "discord")
    assert (outcome.result is None) is (door == "discord")


async def test_a_live_answer_comes_from_the_bot_itself(
    queued: tuple[Runner, FakeJobs], results: Results, runner: Runner
) -> None:
    _, jobs = queued
    seen: list[Asker] = []

    async def live(house: House, request: KvRequest, asker: Asker) -> KvResult:
        seen.append(asker)
        return KvResult(kv_gib=float(len(house.need_runs().workers()) + request.n_layers - 32))

    told = Runner(results, PlainContext(), retention_days=1, jobs=jobs, live={"kv": live})
    outcome = await told.run(TOOL, {"layers": 32}, ALICE)
    assert outcome.result == KvResult(kv_gib=0.0) and seen == [ALICE]
    alone = Runner(results, PlainContext(), retention_days=1, live={"kv": live})
    refused = await alone.run(TOOL, {"layers": 32}, ALICE)
    assert refused.refusal is not None and "No worker" in refused.refusal.message
    for made in (outcome, refused):
        assert made.saved is not None
        await made.saved
