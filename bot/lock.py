"""One process owns a data directory: a lock that the kernel drops when the process ends."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from pathlib import Path
from types import TracebackType

FILE_NAME = "lock"
RETRY_S = 0.05  # `k2c doctor` looks at the lock for far less than this


class DataDirError(Exception):
    """The data directory cannot be used; the message is one sentence for the operator."""


class DataDirBusy(DataDirError):
    """Another process owns it; ``pid`` is that process, or None when it cannot be told."""

    def __init__(self, data_dir: Path, pid: int | None) -> None:
        who = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            f"The data directory {data_dir} is in use by {who}: stop it, "
            "or set K2C_DATA_DIR to another directory."
        )
        self.pid = pid


class DataDirUnusable(DataDirError):
    """It cannot be made or written."""

    def __init__(self, data_dir: Path, reason: str) -> None:
        super().__init__(
            f"The data directory {data_dir} cannot be written ({reason}): give this user the "
            "right to, or set K2C_DATA_DIR to another directory."
        )


class DataDirLock:
    """Held from ``acquire`` to ``release``, or for a ``with`` block."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._handle: int | None = None

    def acquire(self) -> None:
        """Make the directory if need be and own it. Raises ``DataDirError``."""
        if self._handle is not None:
            return
        try:
            _make_writable(self.data_dir)
            handle = os.open(self.data_dir / FILE_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise DataDirUnusable(self.data_dir, error.strerror or str(error)) from error
        try:
            self._own(handle)
        except OSError as error:
            os.close(handle)
            raise DataDirUnusable(self.data_dir, error.strerror or str(error)) from error
        except DataDirBusy:
            os.close(handle)
            raise
        self._handle = handle

    def release(self) -> None:
        """Let another process have it. The file stays: removing it would race with that one."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _own(self, handle: int) -> None:
        if not _try_lock(handle):
            time.sleep(RETRY_S)
            if not _try_lock(handle):
                raise DataDirBusy(self.data_dir, _pid_in(handle))
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)

    def __enter__(self) -> DataDirLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def is_held(data_dir: Path) -> tuple[bool, int | None]:
    """Whether a process owns ``data_dir``, and which. Raises ``OSError`` if it cannot be read."""
    try:
        handle = os.open(data_dir / FILE_NAME, os.O_RDONLY)
    except FileNotFoundError:
        return False, None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True, _pid_in(handle)
    else:
        return False, None
    finally:
        os.close(handle)


def check_writable(data_dir: Path) -> None:
    """Write and remove a file there: permission bits alone miss full and read-only disks."""
    with tempfile.NamedTemporaryFile(dir=data_dir, prefix=".check-") as file:
        file.write(b"k2c")


def _make_writable(data_dir: Path) -> None:
    # Results may be private to their link, so nobody else on the machine lists them.
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_writable(data_dir)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid_in(handle: int) -> int | None:
    text = os.pread(handle, 32, 0).strip()
    return int(text) if text.isdigit() else None
