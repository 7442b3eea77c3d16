"""One process owns a data directory; everyone else gets one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bot.lock import DataDirBusy, DataDirLock, DataDirUnusable, is_held

HOLD = """
import sys
from pathlib import Path
from bot.lock import DataDirLock
DataDirLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def holder_of(data_dir: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_directory_is_made_and_others_of_the_machine_cannot_list_it(tmp_path: Path) -> None:
    data_dir = tmp_path / "deep" / "data"
    with DataDirLock(data_dir):
        assert (data_dir / "lock").read_text() == f"{os.getpid()}\n"
        assert data_dir.stat().st_mode & 0o077 == 0


def test_a_second_process_is_told_the_directory_and_the_first_ones_pid(tmp_path: Path) -> None:
    with holder_of(tmp_path) as process:
        assert is_held(tmp_path) == (True, process.pid)
        with pytest.raises(DataDirBusy) as caught:
            DataDirLock(tmp_path).acquire()
        process.communicate()
    assert caught.value.pid == process.pid
    sentence = str(caught.value)
    assert str(tmp_path) in sentence
    assert f"process {process.pid}" in sentence
    assert "\n" not in sentence


def test_a_killed_owner_leaves_no_lock_behind(tmp_path: Path) -> None:
    with holder_of(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert is_held(tmp_path) == (False, None)
    with DataDirLock(tmp_path):
        assert is_held(tmp_path) == (True, os.getpid())


def test_a_longer_pid_of_before_leaves_no_digits(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("99999999999\n")
    with DataDirLock(tmp_path):
        assert is_held(tmp_path) == (True, os.getpid())


def test_two_locks_of_one_process_exclude_each_other_too(tmp_path: Path) -> None:
    with DataDirLock(tmp_path), pytest.raises(DataDirBusy):
        DataDirLock(tmp_path).acquire()
    with DataDirLock(tmp_path):
        pass


def test_a_refused_process_leaves_the_owners_pid_in_place(tmp_path: Path) -> None:
    with DataDirLock(tmp_path):
        with pytest.raises(DataDirBusy):
            DataDirLock(tmp_path).acquire()
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_lock_file_with_rubbish_names_no_pid(tmp_path: Path) -> None:
    with DataDirLock(tmp_path):
        (tmp_path / "lock").write_text("rubbish")
        with pytest.raises(DataDirBusy, match="in use by another process"):
            DataDirLock(tmp_path).acquire()


def test_a_file_in_the_directorys_place_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    with pytest.raises(DataDirUnusable, match=r"cannot be written \(File exists\).*K2C_DATA_DIR"):
        DataDirLock(tmp_path / "data").acquire()


def test_a_path_below_a_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataDirUnusable, match=r"Not a directory"):
        DataDirLock(tmp_path / "file" / "data").acquire()


def test_a_directory_of_the_kernel_cannot_be_written() -> None:
    """Holds for root as well, for whom permission bits do not count."""
    with pytest.raises(DataDirUnusable, match="cannot be written"):
        DataDirLock(Path("/proc/self")).acquire()


def test_an_unwritable_directory_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(path: object, flags: int, mode: int = 0o777, **_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", deny)
    with pytest.raises(DataDirUnusable, match=r"\(Permission denied\)"):
        DataDirLock(tmp_path).acquire()


def test_a_directory_never_used_is_not_held(tmp_path: Path) -> None:
    assert is_held(tmp_path / "none") == (False, None)
