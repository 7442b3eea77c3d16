"""One GPU runs one job, also when another user started a second worker on the same card."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from pathlib import Path

# Shared by all users and emptied at start. /run/lock may be missing or closed to users; the choice
# must fall the same way for each of them, so it depends on the folder and never on who asks.
FOLDERS = (Path("/run/lock"), Path("/tmp"))
STICKY_FOR_ALL = 0o1777


class CardLock:
    """An advisory lock (flock) on a file named after the card, which nobody needs to write.

    A leash inherits the descriptor: the lock is free only once the child that used the card is
    dead too, even if the worker was killed. Containers that do not share the folder do not see
    each other: give each card to one container.
    """

    def __init__(self, gpu_uuid: str, folder: Path | None = None) -> None:
        name = re.sub(r"[^A-Za-z0-9-]", "_", gpu_uuid)[:80]
        self.path = (folder or lock_folder()) / f"k2c-{name}.lock"
        self.fd = _open(self.path)

    def take(self) -> bool:
        """Whether the card is ours now (also if it was already)."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return False
            raise
        return True

    def give(self) -> None:
        """Let others have the card."""
        fcntl.flock(self.fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give it back for good; the file stays, as another worker may wait on it."""
        os.close(self.fd)


def lock_folder(folders: tuple[Path, ...] = FOLDERS) -> Path:
    """The first of ``folders`` that every user may write and where none may replace a file."""
    for folder in folders:
        try:
            mode = folder.stat().st_mode
        except OSError:
            continue
        if mode & STICKY_FOR_ALL == STICKY_FOR_ALL:
            return folder
    return folders[-1]


def _open(path: Path) -> int:
    """Reading is enough for flock, so one user's file (0644) locks out every other user.

    Without O_CREAT first: the kernel (fs.protected_regular) refuses to open another user's file in
    such a folder with it. A symbolic link that somebody left there is not followed.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    for _ in range(3):
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            pass
        try:
            fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            continue  # another worker was faster
        os.fchmod(fd, 0o644)  # whatever the umask
        return fd
    raise OSError(errno.EAGAIN, "the card's lock file comes and goes", str(path))
