"""A card runs one job, whoever else has a worker on it."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest

from compute.jobs.job import Machine
from compute.worker.card_lock import CardLock, lock_folder
from tests.compute.worker.bot import BotHalf
from tests.fakes.broker import Broker
from tests.fakes.workers import running_worker

UUID = "GPU-11111111-2222-3333-4444-555555555555"
NOBODY = 65_534


def test_a_second_worker_gets_the_card_only_after_the_first(tmp_path: Path) -> None:
    first, second = CardLock(UUID, tmp_path), CardLock(UUID, tmp_path)
    assert first.take() and first.take()
    assert not second.take()
    first.give()
    assert second.take()
    second.close()
    assert first.take()


def test_two_cards_are_two_locks(tmp_path: Path) -> None:
    assert CardLock(UUID, tmp_path).take()
    assert CardLock("GPU-other", tmp_path).take()


def test_a_child_of_a_dead_worker_still_holds_the_card(tmp_path: Path) -> None:
    first, second = CardLock(UUID, tmp_path), CardLock(UUID, tmp_path)
    first.take()
    code = "import sys; sys.stdin.read()"
    leash = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, pass_fds=(first.fd,)
    )
    first.close()
    assert not second.take()
    leash.communicate(b"")
    assert second.take()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    (tmp_path / f"k2c-{UUID}.lock").symlink_to(target)
    with pytest.raises(OSError, match="symbolic"):
        CardLock(UUID, tmp_path)
    assert not target.exists()


def test_a_strange_name_stays_in_the_folder(tmp_path: Path) -> None:
    lock = CardLock("../../etc/passwd", tmp_path)
    assert lock.path.parent == tmp_path
    lock.close()


def test_the_file_is_readable_by_all_and_writable_by_none_else(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        lock = CardLock(UUID, tmp_path)
    finally:
        os.umask(before)
    assert lock.path.stat().st_mode & 0o777 == 0o644
    lock.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_another_users_worker_is_locked_out_too() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        shared = Path(name)
        shared.chmod(0o1777)
        ours = CardLock(UUID, shared)
        assert as_nobody(shared) == "theirs"
        assert ours.take()
        assert as_nobody(shared) == "locked out"
        assert ours.path.stat().st_uid == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_a_file_that_another_user_made_is_good_for_us_too() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        shared = Path(name)
        shared.chmod(0o1777)
        assert as_nobody(shared) == "theirs"
        ours = CardLock(UUID, shared)
        assert ours.path.stat().st_uid == NOBODY
        assert ours.take()
        assert as_nobody(shared) == "locked out"


def as_nobody(folder: Path) -> str:
    """Take the lock as another user, in a process that ends at once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside threads, from 3.12 on
        pid = os.fork()
    if not pid:
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os._exit(0 if CardLock(UUID, folder).take() else 3)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    return {0: "theirs", 3: "locked out"}[os.waitstatus_to_exitcode(status)]


def test_the_folder_is_one_that_all_users_find(tmp_path: Path) -> None:
    private, shared = tmp_path / "private", tmp_path / "shared"
    private.mkdir(mode=0o755)
    shared.mkdir()
    shared.chmod(0o1777)
    assert lock_folder((tmp_path / "missing", private, shared)) == shared


@pytest.mark.slow
async def test_two_workers_on_one_card_take_turns(broker: Broker, bot: BotHalf) -> None:
    card = Machine(sm=90, memory_gib=80, gpu="NVIDIA H100 80GB HBM3", gpu_uuid=f"GPU-{os.getpid()}")
    async with (
        running_worker(broker.worker("box"), "box", machine=card) as box,
        running_worker(broker.worker("other"), "other", machine=card) as other,
    ):
        jobs = [await bot.ask("sleeper", {"seconds": 0.3}) for _ in range(4)]
        ends = sorted([await bot.end(job) for job in jobs], key=lambda end: end.started_at)
        for before, after in itertools.pairwise(ends):
            assert after.started_at >= before.updated_at - 0.05
        assert box.lines and other.lines
