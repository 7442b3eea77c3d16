"""A child runs one job after another, sees nothing of ours, and cannot do more than it may."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from compute.jobs.job import Job, Machine
from compute.worker.child_process import Answer, ChildGone, ChildProcess, Warm
from compute.worker.leash import descendants
from compute.worker.sandbox import Bounds, environment, kernel_limit_bytes
from compute.worker.warm import WarmChild
from compute.worker.watch import Exceeded, disk_bytes, runs, watch
from tests.compute.worker.processes import gone, until, written
from tests.fakes.workers import FAST

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

MODULE = "tests.fakes.worker_child"
Used = tuple[ChildProcess, asyncio.Task[Answer]]
SECRETS = {
    "DISCORD_TOKEN": "secret-1",
    "GITHUB_TOKEN": "secret-2",
    "K2C_SECRET_KEY": "secret-3",
    "HF_TOKEN": "secret-4",
    "HUGGING_FACE_HUB_TOKEN": "secret-5",
    "AWS_SECRET_ACCESS_KEY": "secret-6",
    "K2C_WORKER_TOKEN": "k2c1.secret-7",
    "HTTPS_PROXY": "http://user:secret-8@proxy.example",
    "LD_PRELOAD": "",
    "PYTHONSTARTUP": "secret-9",
}


def job(tool: str, request: dict[str, Any] | None = None, **fields: Any) -> Job:
    """A job for the child alone."""
    ticket = secrets.token_urlsafe(16)
    return Job(
        id=ticket, tool=tool, schema_id="", request=request or {}, lane="any", ticket=ticket,
        **fields,
    )  # fmt: skip


def silent(_: Answer) -> None:
    """Nobody listens to progress here."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def warm() -> AsyncIterator[WarmChild]:
    kept = WarmChild(MODULE, Machine(), FAST)
    yield kept
    await kept.close()


@asynccontextmanager
async def used(warm: WarmChild, tool: str = "", **request: Any) -> AsyncIterator[Used]:
    """A child that runs a job in the block and is killed after it."""
    child = await warm.get()
    host_gib = request.pop("host_gib", 4.0)
    asking = asyncio.create_task(child.ask(job(tool, request, host_gib=host_gib), silent))
    try:
        yield child, asking
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await warm.put_back(child, reuse=False)


async def ask(warm: WarmChild, tool: str, request: dict[str, Any] | None = None) -> Answer:
    """Run one tool, and put the child back as a worker does."""
    child = await warm.get()
    try:
        answer = await child.ask(job(tool, request), silent)
    except BaseException:
        await warm.put_back(child, reuse=False)
        raise
    await warm.put_back(child, reuse="done" in answer)
    return answer


async def test_one_child_runs_many_jobs(warm: WarmChild) -> None:
    pids = {(await ask(warm, "null"))["done"]["pid"] for _ in range(20)}
    assert len(pids) == 1
    assert os.getpid() not in pids


async def test_a_child_is_replaced_after_its_share_of_jobs() -> None:
    warm = WarmChild(MODULE, Machine(), FAST, bounds=Bounds(jobs=2))
    pids = [(await ask(warm, "null"))["done"]["pid"] for _ in range(4)]
    await warm.close()
    assert pids[0] == pids[1] != pids[2] == pids[3]
    await gone(pids)


async def test_a_child_that_died_while_idle_is_replaced(warm: WarmChild) -> None:
    first = await warm.get()
    os.kill(first.pid, signal.SIGKILL)
    await until(first.ended.done)
    assert (await ask(warm, "null"))["done"]["pid"] != first.pid


async def test_a_child_that_kept_memory_is_replaced() -> None:
    warm = WarmChild(MODULE, Machine(), FAST, bounds=Bounds(grown_bytes=1))
    before = (await ask(warm, "hog", {"size": 8}))["done"]["pid"]
    assert (await ask(warm, "null"))["done"]["pid"] != before
    await warm.close()


async def test_what_a_tool_left_running_ends_with_its_child(
    warm: WarmChild, tmp_path: Path
) -> None:
    path = tmp_path / "pids"
    answer = await ask(warm, "brood", {"size": 3, "seconds": 1, "path": str(path)})
    assert "done" in answer
    await gone(await written(path, 6))
    assert (await ask(warm, "null"))["done"]["pid"] != answer["done"]["pid"]


async def test_killing_a_child_ends_all_that_it_started(warm: WarmChild, tmp_path: Path) -> None:
    path = tmp_path / "pids"
    async with used(warm, "brood", size=3, seconds=60, path=str(path)) as (child, _):
        pids = await written(path, 6)
    assert not any(runs(pid) for pid in (*pids, child.pid, child.leash.pid))
    assert not child.scratch.exists()


async def test_a_child_whose_leash_was_killed_leaves_nothing(
    warm: WarmChild, tmp_path: Path
) -> None:
    path = tmp_path / "pids"
    async with used(warm, "sleeper", seconds=60, path=str(path)) as (child, asking):
        await written(path)
        child.leash.kill()
        with pytest.raises(ChildGone, match="leash lost"):
            await asking
    await gone([child.pid])
    assert not child.scratch.exists()


async def test_a_stopped_leash_does_not_keep_a_child_alive(warm: WarmChild) -> None:
    async with used(warm, "sleeper", seconds=60) as (child, _):
        os.kill(child.leash.pid, signal.SIGSTOP)
    assert not runs(child.pid)


async def test_nothing_of_ours_is_in_the_childs_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    warm = WarmChild(MODULE, Machine(), FAST)
    text = (await ask(warm, "environ"))["done"]["text"]
    await warm.close()
    assert "secret" not in text
    assert "HF_ENDPOINT=http://127.0.0.1:9" in text
    assert "CUDA_VISIBLE_DEVICES=\n" in text
    assert "LD_PRELOAD" not in text


async def test_a_child_holds_only_its_own_descriptors(warm: WarmChild) -> None:
    with open(os.devnull, "rb") as ours:  # noqa: ASYNC230 -- /dev/null
        os.set_inheritable(ours.fileno(), True)
        text = (await ask(warm, "environ"))["done"]["text"]
    links = [line.split(" ", 2)[2] for line in text.splitlines() if line.startswith("fd ")]
    kinds = sorted(link.partition(":")[0] for link in links if not link.startswith("/proc"))
    # The socket to the worker; the event loop's own epoll and socket pair; stdin and two pipes.
    assert kinds == ["/dev/null", "anon_inode", "pipe", "pipe", "socket", "socket", "socket"]


async def test_a_child_sees_the_workers_card_and_no_other() -> None:
    scratch = Path("/tmp")
    outer = {"CUDA_VISIBLE_DEVICES": "0,1,2", "PATH": "/bin"}
    card = Machine(sm=90, gpu_uuid="GPU-7")
    assert environment(outer, card, scratch)["CUDA_VISIBLE_DEVICES"] == "GPU-7"
    assert environment(outer, Machine(), scratch)["CUDA_VISIBLE_DEVICES"] == ""
    assert environment(outer, Machine(), scratch)["PATH"] == "/bin"


async def test_printing_a_gigabyte_neither_blocks_nor_fills_anything(warm: WarmChild) -> None:
    async with used(warm, "printer", size=1024) as (child, asking):
        answer = await asking
        await until(lambda: child.printed.pending() >= 1024 * 2**20)
        printed = child.printed.take()
    assert answer["done"]["text"] == ""  # stdin is empty, and the forged line was only printed
    assert len(printed) < warm.bounds.log_bytes + 100
    assert printed.endswith("the last line")
    assert printed.startswith("[1,073,")


async def test_growing_slowly_over_the_limit_is_seen(warm: WarmChild) -> None:
    async with used(warm, "hog", size=400, seconds=0.002, host_gib=0.2) as (child, _):
        with pytest.raises(Exceeded, match=r"more than 0\.2 GiB of memory") as caught:
            await watch(child.leash.pid, child.scratch, 0.2, Bounds())
    assert caught.value.cause == "memory"


async def test_memory_of_another_process_counts(warm: WarmChild) -> None:
    async with used(warm, "forked_hog", size=300) as (child, _):
        with pytest.raises(Exceeded, match="memory"):
            await watch(child.leash.pid, child.scratch, 0.25, Bounds())


async def test_growing_faster_than_anyone_looks_meets_the_kernels_limit(warm: WarmChild) -> None:
    async with used(warm, "grabber", size=8192, host_gib=0.01) as (_, asking):
        answer = await asking
    assert answer["failed"] == "memory"
    assert "0.01 GiB" in answer["words"]
    assert "MemoryError" in answer["trace"]


async def test_with_a_gpu_there_is_no_kernel_limit_that_cuda_would_trip_over() -> None:
    assert kernel_limit_bytes(4.0, Machine(sm=90)) is None
    assert kernel_limit_bytes(4.0, Machine()) == 7 * 2**30


async def test_processes_without_end_are_too_many(warm: WarmChild) -> None:
    async with used(warm, "bomb") as (child, _):
        with pytest.raises(Exceeded, match="more than 40 processes"):
            await watch(child.leash.pid, child.scratch, 4.0, Bounds(processes=40))
        pids = descendants(child.leash.pid)
    assert not any(runs(pid) for pid in pids)


async def test_scratch_space_is_bounded_and_given_back(warm: WarmChild) -> None:
    async with used(warm, "spiller", size=64) as (child, _):
        with pytest.raises(Exceeded, match=r"more than 0\.0195 GiB of files"):
            await watch(child.leash.pid, child.scratch, 4.0, Bounds(scratch_bytes=20 * 2**20))
        assert disk_bytes(child.scratch) > 20 * 2**20
    assert not child.scratch.exists()


async def test_an_answer_without_end_is_cut_off(warm: WarmChild) -> None:
    with pytest.raises(Exceeded, match="too large"):
        await ask(warm, "flooder")
    assert "done" in await ask(warm, "null")


async def test_a_result_over_the_limit_is_said_to_be_too_large(warm: WarmChild) -> None:
    answer = await ask(warm, "talker", {"size": 300_000})
    assert answer["failed"] == "too large"
    assert "292 KiB of at most 256" in answer["words"]


async def test_progress_in_an_inner_loop_is_thinned_out(warm: WarmChild) -> None:
    heard: list[Answer] = []
    child = await warm.get()
    began = time.monotonic()
    await child.ask(job("chatter", {"size": 20_000, "seconds": 0.3}), heard.append)
    assert len(heard) < 20 * (time.monotonic() - began) + 2
    assert heard[-1]["words"] == "step 19999"
    assert heard[-1]["partial"]["text"] == "19999"


@pytest.mark.parametrize(("tool", "ending"), [("crasher", "signal 11"), ("leaver", "exit 3")])
async def test_a_child_that_dies_is_told_from_one_that_answers(
    warm: WarmChild, tool: str, ending: str
) -> None:
    with pytest.raises(ChildGone) as caught:
        await ask(warm, tool)
    assert caught.value.ending == ending
    assert "done" in await ask(warm, "null")


async def test_the_child_leaves_its_modules_to_be_imported_before_a_job() -> None:
    warm = WarmChild(
        MODULE, Machine(), FAST, warm=Warm(("statistics", "no_such_module"), ("null",))
    )
    child = await warm.get()
    await child.ask(job("null"), silent)
    await asyncio.sleep(0)
    assert "no_such_module" in child.printed.take()
    await warm.close()


async def test_a_child_that_cannot_start_is_an_error_and_not_a_wait() -> None:
    warm = WarmChild("tests.no_such_child", Machine(), FAST)
    with pytest.raises(ChildGone):
        await warm.get()
    await warm.close()


async def test_closing_ends_a_child_that_is_still_starting() -> None:
    others = set(descendants(os.getpid()))
    warm = WarmChild(MODULE, Machine(), FAST)
    await until(lambda: not others >= set(descendants(os.getpid())))
    pids = set(descendants(os.getpid())) - others
    await warm.close()
    assert not any(runs(pid) for pid in pids)
