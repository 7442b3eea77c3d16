from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.results import Results, StoredResult
from bot.runner import Asker, Runner, restore
from bot.store import Store
from compute.tool import Context
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
