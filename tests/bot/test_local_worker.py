"""The local worker is kept running, sees none of the bot's keys, and ends with the bot."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bot import local_worker
from bot.local_worker import LocalWorker

WRITES = "import os, sys; open(sys.argv[1], 'a').write(f'{os.getpid()} {dict(os.environ)}\\n')"


def written(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


async def until(ready: Callable[[], bool]) -> None:
    for _ in range(1500):
        if ready():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen in 30 s")


async def lines_of(path: Path, number: int) -> list[str]:
    await until(lambda: len(written(path)) >= number)
    return written(path)


async def test_one_that_ends_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_worker, "FIRST_PAUSE_S", 0.01)
    seen = tmp_path / "seen"
    worker = LocalWorker((sys.executable, "-c", WRITES, str(seen)), dict(os.environ))
    task = asyncio.create_task(worker.run())
    lines = await lines_of(seen, 3)
    await worker.close()
    await task
    assert len({line.split()[0] for line in lines}) >= 3


async def test_no_key_of_the_bot_reaches_it(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    secrets = {
        "DISCORD_TOKEN": "the-token",
        "GITHUB_TOKEN": "the-token",
        "GITHUB_APP_PRIVATE_KEY": "the-token",
        "K2C_SECRET_KEY": "the-token",
    }
    worker = LocalWorker(
        (sys.executable, "-c", WRITES, str(seen)),
        {"PATH": os.environ["PATH"], "K2C_DATA_DIR": "here", **secrets},
    )
    task = asyncio.create_task(worker.run())
    (line, *_) = await lines_of(seen, 1)
    await worker.close()
    await task
    assert "the-token" not in line and "K2C_DATA_DIR" in line


@pytest.mark.parametrize("stubborn", [False, True])
async def test_closing_ends_it_whether_it_listens_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stubborn: bool
) -> None:
    monkeypatch.setattr(local_worker, "STOP_S", 0.2)
    seen = tmp_path / "seen"
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" if stubborn else ""
    code = f"{ignore}{WRITES}; import time; time.sleep(600)"
    worker = LocalWorker((sys.executable, "-c", code, str(seen)), dict(os.environ))
    task = asyncio.create_task(worker.run())
    (line, *_) = await lines_of(seen, 1)
    await worker.close()
    await task
    with pytest.raises(ProcessLookupError):
        os.kill(int(line.split()[0]), 0)


async def test_a_program_that_is_not_there_is_no_end_of_the_bot(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = LocalWorker((str(tmp_path / "nothing"),), {})
    task = asyncio.create_task(worker.run())
    await until(lambda: "cannot be started" in caplog.text)
    await worker.close()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
