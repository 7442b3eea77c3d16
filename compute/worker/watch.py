"""Watching what a child and all that it started take: memory, processes, scratch space."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from compute.worker.leash import descendants
from compute.worker.sandbox import GIB, Bounds

LOOK_S = 0.25  # a fast allocation reaches 1 GiB in that time; the kernel's limit stops the rest
SCRATCH_EVERY = 4  # looks; walking a folder costs more than reading /proc
PAGE = os.sysconf("SC_PAGE_SIZE")


class Exceeded(Exception):
    """A limit was passed; ``cause`` is one of JobState's, the message is for the person."""

    def __init__(self, cause: str, words: str) -> None:
        super().__init__(words)
        self.cause = cause


async def watch(leash: int, scratch: Path, host_gib: float, bounds: Bounds) -> None:
    """Look now and a few times a second. Raises ``Exceeded``; otherwise runs until cancelled."""
    looks = 0
    while True:
        looks += 1
        pids = descendants(leash)
        if len(pids) > bounds.processes:
            raise Exceeded("error", f"It started more than {bounds.processes} processes at once.")
        if over_memory(pids, host_gib):
            raise Exceeded("memory", f"It needed more than {host_gib:g} GiB of memory.")
        if looks % SCRATCH_EVERY == 0:
            used = await asyncio.to_thread(disk_bytes, scratch)
            if used > bounds.scratch_bytes:
                most = bounds.scratch_bytes / GIB
                raise Exceeded("too large", f"It wrote more than {most:.3g} GiB of files.")
        await asyncio.sleep(LOOK_S)


def over_memory(pids: list[int], host_gib: float) -> bool:
    """Whether the processes hold more than ``host_gib`` together, shared pages counted once."""
    most = host_gib * GIB
    # Adding up resident pages is cheap and never too low; the exact sum is read only above it.
    return sum(map(resident_bytes, pids)) > most and sum(map(_own_bytes, pids)) > most


def resident_bytes(pid: int) -> int:
    """Resident memory of one process; 0 once it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def runs(pid: int) -> bool:
    """Whether ``pid`` is a process that has not ended; one that nobody took in yet has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def _own_bytes(pid: int) -> int:
    """Its share of resident memory: a page of two processes counts half for each."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resident_bytes(pid)


def disk_bytes(folder: Path) -> int:
    """Bytes on disk below ``folder``."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
            except OSError:
                continue
    return total
