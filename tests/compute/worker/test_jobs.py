"""A worker process takes jobs, says how far they are, and records how they end."""

from __future__ import annotations

from tests.compute.worker.bot import BotHalf
from tests.fakes.workers import WorkerProcess


async def test_a_job_is_claimed_run_recorded_and_gone_from_the_queue(
    bot: BotHalf, box: WorkerProcess
) -> None:
    job = await bot.ask("null")
    end = await bot.end(job)
    assert (end.phase, end.worker, end.ticket, end.attempt) == ("done", "box", job.ticket, 1)
    assert end.result is not None and end.result["pid"] in box.below()
    assert bot.states[job.id][0].phase == "running"
    await bot.empty()
    await box.heard(f"null {job.id[:6]}: done")
