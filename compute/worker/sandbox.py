"""What a child may see and take: its environment, its limits, and how it is started on a leash."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import compute
from compute.jobs.job import Machine
from compute.jobs.subjects import Timing

LEASH = Path(__file__).with_name("leash.py")
# All that a child may read of the worker's environment. Everything else stays out: tokens, keys,
# K2C_* and DISCORD_* settings, HF_TOKEN. Only what says where things are is let through.
PASSED = re.compile(
    r"PATH|HOME|LANG|LC_[A-Z]+|TZ|LD_LIBRARY_PATH|VIRTUAL_ENV"
    r"|HF_ENDPOINT|HF_HOME|HF_HUB_CACHE|HF_HUB_OFFLINE|XDG_CACHE_HOME"
    r"|CUDA_(HOME|PATH|CACHE_PATH|CACHE_MAXSIZE|DEVICE_ORDER)|NVIDIA_(VISIBLE_DEVICES|DRIVER_.*)"
    r"|TORCH_HOME|TORCHINDUCTOR_CACHE_DIR|TRITON_(CACHE_DIR|HOME|INTERPRET|PTXAS_PATH|LIBCUDA_PATH)"
    r"|(OMP|MKL|OPENBLAS)_NUM_THREADS|CC|CXX|MAX_JOBS|CPATH|C_INCLUDE_PATH|LIBRARY_PATH"
    r"|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|(?i:https?|no|all)_(?i:proxy)"
)
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of every child, whatever the job: processes, scratch space, kept log, jobs until replaced."""

    processes: int = 512
    scratch_bytes: int = 8 * GIB
    log_bytes: int = 32_768  # of a tool's own printing, for one job
    jobs: int = 1000
    grown_bytes: int = GIB  # resident memory that a child may keep after a job


def environment(outer: Mapping[str, str], machine: Machine, scratch: Path) -> dict[str, str]:
    """The child's environment; of the GPUs it sees the worker's own or none."""
    kept = {
        name: value
        for name, value in outer.items()
        if PASSED.fullmatch(name) and not _has_login(value)
    }
    return kept | {
        "CUDA_VISIBLE_DEVICES": machine.gpu_uuid or ("0" if machine.sm else ""),
        "PYTHONPATH": str(Path(compute.__file__).parents[1]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "TMPDIR": str(scratch),
    }


def _has_login(value: str) -> bool:
    """A proxy's address may hold a password."""
    try:
        return "@" in urlsplit(value).netloc
    except ValueError:
        return True


def kernel_limit_bytes(host_gib: float, machine: Machine) -> int | None:
    """RLIMIT_DATA of a child, None for no limit; the watch on resident memory is the exact one.

    It stops what grows faster than the watch looks (every 0.25 s) and turns it into a MemoryError.
    RLIMIT_AS cannot be used: CUDA reserves address space for the memory of host and devices at
    start and fails under a limit near real memory. RLIMIT_DATA counts private writable pages and
    not reservations, but no run with CUDA has shown that it is harmless there, so a child with a
    GPU gets none. Half as much again and 1 GiB are left for what is mapped and never touched,
    above all 8 MiB of stack for each thread.
    """
    return None if machine.sm else int((host_gib * 1.5 + 1) * GIB)


@dataclass(frozen=True, slots=True)
class Started:
    """A started child: its leash, and the worker's ends of what connects them."""

    leash: subprocess.Popen[bytes]
    hold: socket.socket
    talk: socket.socket
    output: int
    scratch: Path


def start(module: str, machine: Machine, timing: Timing, held: tuple[int, ...] = ()) -> Started:
    """Start ``python -m module`` on a leash. ``held`` are descriptors that live as long as it does.

    To be called from a thread that lasts (the main one): its end counts as the worker's death.
    """
    scratch = Path(tempfile.mkdtemp(prefix="k2c-child-"))
    hold, leash_end = socket.socketpair()
    talk, child_end = socket.socketpair()
    output, printed = os.pipe()
    child = [sys.executable, "-P", "-m", module, str(child_end.fileno())]
    fds = ",".join(map(str, held))
    leash = [sys.executable, "-I", "-S", str(LEASH), str(timing.leash_s), str(os.getpid())]
    try:
        process = subprocess.Popen(
            [*leash, str(scratch), fds, "--", *child],
            stdin=leash_end.fileno(),
            stdout=printed,
            stderr=printed,
            pass_fds=(child_end.fileno(), *held),
            start_new_session=True,  # Ctrl-C in a terminal is the worker's to handle
            cwd=scratch,
            env=environment(os.environ, machine, scratch),
        )
    finally:
        leash_end.close()
        child_end.close()
        os.close(printed)
    return Started(process, hold, talk, output, scratch)
