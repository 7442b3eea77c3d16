"""A worker process takes jobs, says how far they are, and records how they end."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from compute.jobs.job import JobState
from compute.worker.watch import runs
from tests.compute.worker.bot import BotHalf
from tests.compute.worker.processes import gone, written
from tests.fakes.workers import FAST, WorkerProcess

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

Shared = tuple[BotHalf, WorkerProcess]


async def test_a_job_is_claimed_run_recorded_and_gone_from_the_queue(shared: Shared) -> None:
    bot, box = shared
    job = await bot.ask("null")
    end = await bot.end(job)
    assert (end.phase, end.worker, end.ticket, end.attempt) == ("done", "box", job.ticket, 1)
    assert end.result is not None and end.result["pid"] in box.below()
    await bot.empty()
    await box.heard(f"null {job.id[:6]}: done")


async def test_jobs_follow_each_other_in_one_warm_child(shared: Shared) -> None:
    bot, _ = shared
    jobs = [await bot.ask("null") for _ in range(20)]
    ends = [await bot.end(job) for job in jobs]
    assert len({end.result["pid"] for end in ends if end.result}) == 1
    assert [end.updated_at for end in ends] == sorted(end.updated_at for end in ends)


@pytest.mark.parametrize("hangs_s", [0, 600])
async def test_a_process_whose_gpu_broke_answers_and_runs_no_other_job(
    shared: Shared, hangs_s: float
) -> None:
    bot, _ = shared
    ended = await bot.end(await bot.ask("breaker", {"seconds": hangs_s}))
    assert ended.phase == "done" and ended.result is not None
    after = await bot.end(await bot.ask("null"))
    assert after.phase == "done" and after.result is not None
    assert after.result["pid"] != ended.result["pid"]


async def test_progress_comes_with_partial_results_and_not_too_often(shared: Shared) -> None:
    bot, _ = shared
    began = time.monotonic()
    job = await bot.ask("sleeper", {"seconds": 1.5})
    end = await bot.end(job)
    most = (time.monotonic() - began) / FAST.progress_s + 1
    last = [state for state in bot.states[job.id] if state.attempt == end.attempt]
    said = [state for state in last if state.words == "sleeping"]
    assert 2 <= len(said) <= most
    assert [s.fraction for s in said] == sorted(s.fraction for s in said)
    assert said[-1].partial is not None and str(said[-1].partial["text"]).endswith(" s")
    assert (end.fraction, end.partial) == (1.0, None)


async def test_a_running_job_is_cancelled_within_a_second(shared: Shared, tmp_path: Path) -> None:
    bot, box = shared
    job = await bot.ask("stubborn", {"seconds": 60, "path": str(tmp_path / "pid")})
    (pid,) = await written(tmp_path / "pid")
    await bot.started(job)
    end = await bot.cancel(job, "box")
    assert end.phase == "cancelled"
    assert not runs(pid)
    await bot.empty()
    assert (await bot.ended("null")).phase == "done"
    line = await box.heard(f"stubborn {job.id[:6]}: cancelled")
    assert line


async def test_a_job_that_holds_the_interpreter_is_cancelled_too(
    shared: Shared, tmp_path: Path
) -> None:
    bot, _ = shared
    job = await bot.ask("holder", {"seconds": 60, "path": str(tmp_path / "pid")})
    (pid,) = await written(tmp_path / "pid")
    assert (await bot.cancel(job, "box")).phase == "cancelled"
    assert not runs(pid)


async def test_a_word_to_cancel_another_job_changes_nothing(shared: Shared) -> None:
    bot, _ = shared
    other, job = bot.job("null"), await bot.ask("sleeper", {"seconds": 0.5})
    await bot.started(job)
    await bot.client.publish("cancel.box", other.id.encode())
    await bot.client.publish("cancel.box", b"")
    assert (await bot.end(job)).phase == "done"


async def test_a_refused_input_is_refused_in_the_tools_own_words(shared: Shared) -> None:
    bot, _ = shared
    end = await bot.ended("refuser", {"size": 4})
    assert end.phase == "refused"
    assert end.refusal is not None and end.refusal.message == "size must be odd."
    assert end.refusal.example == "3"


async def test_a_request_that_the_tool_does_not_take_is_refused(shared: Shared) -> None:
    bot, _ = shared
    end = await bot.ended("null", {"seconds": "soon"})
    assert end.phase == "refused"
    assert end.refusal is not None and "seconds must be a number" in end.refusal.message


@pytest.mark.parametrize(
    ("tool", "request_", "cause", "words"),
    [
        ("raiser", {}, "error", "our fault"),
        ("crasher", {}, "crash", "SIGSEGV"),
        ("leaver", {}, "crash", "code 3"),
        ("talker", {"size": 300_000}, "too large", "292 KiB of at most 256"),
        ("flooder", {}, "too large", "too large to send"),
    ],
)
async def test_a_failure_is_a_cause_and_a_sentence(
    shared: Shared, tool: str, request_: dict[str, int], cause: str, words: str
) -> None:
    bot, _ = shared
    end = await bot.ended(tool, request_)
    assert (end.phase, end.cause) == ("failed", cause)
    assert words in end.words
    assert (await bot.ended("null")).phase == "done"


async def test_the_trace_of_a_failure_is_in_the_workers_log_alone(shared: Shared) -> None:
    bot, box = shared
    end = await bot.ended("raiser")
    assert "secret detail" not in end.model_dump_json()
    assert "RuntimeError: secret detail for the log" in box.logged()


async def test_memory_and_time_over_the_limit_are_said_as_such(shared: Shared) -> None:
    bot, _ = shared
    end = await bot.ended("hog", {"size": 4000, "seconds": 0.001}, host_gib=0.2)
    assert (end.phase, end.cause) == ("failed", "memory")
    assert "0.2 GiB" in end.words
    job = await bot.ask("holder", {"seconds": 60}, limit_s=0.8)
    end = await bot.end(job)
    assert (end.phase, end.cause) == ("failed", "time")
    assert "longer than 0.8 s" in end.words


async def test_files_travel_with_their_hashes(shared: Shared) -> None:
    bot, _ = shared
    job = await bot.ask("maker", {"size": 3_000_000})
    end = await bot.end(job)
    table, note = end.artefacts
    content = await bot.fetch("box", job, "table.csv")
    assert table.sha256 == hashlib.sha256(content).hexdigest()
    assert (table.size, table.media_type, len(content)) == (3_000_000, "text/csv", 3_000_000)
    store = await bot.js.object_store("artefacts-box")
    info = await store.get_info(f"{job.id}/table.csv")
    assert info.chunks == 6  # of 512 KiB: with the library's 128 KiB reading takes 4 times as long
    assert (note.name, await bot.fetch("box", job, "note.txt")) == ("note.txt", b"made")


async def test_files_over_the_limit_are_a_failure_that_names_them(shared: Shared) -> None:
    bot, box = shared
    end = await bot.ended("maker", {"size": 70 * 2**20})
    assert (end.phase, end.cause) == ("failed", "error")
    assert "table.csv has 73,400,320 bytes" in box.logged()


async def test_what_a_job_left_running_is_gone_when_it_has_ended(
    shared: Shared, tmp_path: Path
) -> None:
    bot, _ = shared
    request = {"size": 2, "seconds": 0.8, "path": str(tmp_path / "pids")}
    assert (await bot.ended("brood", request)).phase == "done"
    await gone(await written(tmp_path / "pids", 2))


async def test_what_is_no_job_is_thrown_away(shared: Shared) -> None:
    bot, box = shared
    await bot.js.publish("jobs.any.nonsense", b"{}")
    await bot.client.publish("bell.any")
    await bot.empty()
    assert "jobs.any.nonsense is no job" in box.logged()
    assert (await bot.ended("null")).phase == "done"


async def test_a_tool_of_another_version_goes_back_to_the_bot(shared: Shared) -> None:
    bot, _ = shared
    for job in (bot.job("null", schema_id="other"), bot.job("unknown")):
        await bot.publish(job)
        state = await bot.seen(job, lambda state: state.phase == "returned")
        assert (state.cause, state.ticket) == ("skew", job.ticket)
        assert state.words.startswith("box has")
    await bot.empty()


async def test_a_job_that_came_back_may_be_given_to_the_same_worker_again(shared: Shared) -> None:
    bot, _ = shared
    job = await bot.publish(bot.job("null", schema_id="other"))
    await bot.seen(job, lambda state: state.phase == "returned")
    await bot.publish(job.model_copy(update={"schema_id": bot.job("null").schema_id}), 2)
    assert (await bot.end(job)).phase == "done"


async def test_a_job_that_ended_here_before_is_not_run_again(shared: Shared) -> None:
    bot, box = shared
    job = await bot.ask("null")
    await bot.end(job)
    await bot.publish(job, 2)
    await box.heard(f"null {job.id[:6]}: had ended before")
    await bot.empty()
    assert len(bot.ends(job)) == 1


async def test_the_fourth_start_is_a_failure_and_not_a_run(shared: Shared) -> None:
    bot, box = shared
    job = await bot.ask("null", base=3)
    end = await bot.end(job)
    assert (end.phase, end.cause, end.attempt) == ("failed", "lost", 4)
    assert "3 times" in end.words
    await bot.empty()
    assert not any(f"{job.id[:6]}: started" in line for line in box.lines)


async def test_another_ones_later_attempt_is_not_overwritten(shared: Shared) -> None:
    bot, box = shared
    job = await bot.ask("sleeper", {"seconds": 60})
    mine = await bot.started(job)
    later = JobState.model_validate(mine.model_dump() | {"attempt": 9, "words": "by another"})
    await bot.js.publish(f"$KV.state.box.{job.id}", later.model_dump_json().encode())
    await box.heard(f"sleeper {job.id[:6]}: lost")
    await bot.js.purge_stream("JOBS")
    assert (await bot.ended("null")).phase == "done"
    assert bot.states[job.id][-1].words == "by another"
