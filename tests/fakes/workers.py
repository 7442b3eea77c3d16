"""Real worker processes with the tools of ``worker_tools``: started, frozen, killed, heard.

``async with running_worker(broker.worker("box"), "box") as worker: ...``
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from compute.broker.access import Access
from compute.jobs.job import Machine
from compute.jobs.subjects import Timing
from compute.worker.leash import descendants
from compute.worker.sandbox import Bounds

ROOT = Path(__file__).resolve().parents[2]
HEAR_S = 60.0
# The defaults in small: a lease must outlast a busy machine's pauses, all else follows.
FAST = Timing(
    lease_s=3.0,
    poll_s=0.5,
    card_s=0.3,
    gone_s=2.0,
    progress_s=0.2,
    leash_s=1.5,
    artefact_ttl_s=120.0,
)
# For an outage that has to be over within a lease: a busy machine starts a server in seconds.
PATIENT = dataclasses.replace(FAST, lease_s=15.0)
# A machine with one GPU, to be claimed; without an identity, so that nobody waits for its lock.
H100 = Machine(sm=90, memory_gib=79.65, gpu="NVIDIA H100 80GB HBM3", gpu_key="H100-SXM", cores=2)


class WorkerProcess:
    """A started worker. ``lines`` is what it has printed, ``log`` its log file."""

    def __init__(self, process: Process, log: Path) -> None:
        self.process = process
        self.log = log
        self.lines: list[str] = []
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    @property
    def pid(self) -> int:
        """Of the worker itself."""
        return self.process.pid

    async def heard(self, text: str, count: int = 1) -> str:
        """The line that holds ``text`` for the ``count``-th time; fails when it ends first."""
        async with asyncio.timeout(HEAR_S), self._news:
            while True:
                found = [line for line in self.lines if text in line]
                if len(found) >= count:
                    return found[count - 1]
                assert not self._reading.done(), f"no {text!r} in {self.lines}\n{self.logged()}"
                await self._news.wait()

    def below(self) -> list[int]:
        """Every process that it has started and that still runs: leash, child and theirs."""
        return descendants(self.pid)

    def logged(self) -> str:
        """Its log so far."""
        return self.log.read_text("utf-8", errors="replace")

    def send(self, number: signal.Signals) -> None:
        """SIGSTOP freezes it, SIGCONT wakes it, SIGKILL ends it at once."""
        self.process.send_signal(number)

    async def end(self) -> int:
        """Wait until it has ended; its exit status."""
        async with asyncio.timeout(HEAR_S):
            status, _ = await asyncio.gather(self.process.wait(), self._reading)
        return status

    async def stop(self) -> None:
        """End it in the ordinary way, frozen or not."""
        for number in (signal.SIGTERM, signal.SIGCONT):
            with contextlib.suppress(ProcessLookupError):
                self.send(number)
        try:
            await self.end()
        finally:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()  # one that does not end must not spin on for ever

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self._news:
                self.lines.append(line.decode().rstrip())
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()


async def start_worker(
    access: Access,
    name: str,
    *,
    machine: Machine | None = None,
    timing: Timing = FAST,
    allowed_lanes: Sequence[str] = (),
    bounds: Bounds | None = None,
    log: Path | None = None,
    module: str = "",
    tools: Sequence[str] | None = None,
    **environment: str,
) -> WorkerProcess:
    """Start a worker on a machine without GPU, or on one like ``machine``; see ``heard``.

    ``module`` "compute.worker.child" runs the project's own tools instead of the test's.
    """
    log = log or Path(tempfile.mkdtemp(prefix="k2c-test-worker-")) / "worker.log"
    settings = {
        "access": dataclasses.asdict(access),
        "name": name,
        "machine": (machine or Machine(cores=2)).model_dump(),
        "timing": dataclasses.asdict(timing),
        "allowed_lanes": list(allowed_lanes),
        "bounds": dataclasses.asdict(bounds or Bounds()),
        "module": module,
        "tools": tools,
    }
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.fakes.workers",
            json.dumps(settings),
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=errors,
            env=os.environ | environment,
        )
    return WorkerProcess(process, log)


@contextlib.asynccontextmanager
async def running_worker(access: Access, name: str, **how: Any) -> AsyncIterator[WorkerProcess]:
    """A worker that waits for jobs, ended and gone at the end of the block."""
    worker = await start_worker(access, name, **how)
    try:
        await worker.heard("waiting for jobs")
        yield worker
    finally:
        await worker.stop()


def main(text: str) -> None:
    """The process: ``run_worker`` with what ``start_worker`` was given."""
    from compute.jobs.connection import ConnectionRefused
    from compute.tool import load_tool
    from compute.worker.main import run_worker
    from tests.fakes import worker_tools

    told = json.loads(text)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    urls = tuple(told["access"].pop("urls"))
    ours = told["module"]
    try:
        asyncio.run(
            run_worker(
                Access(urls=urls, **told["access"]),
                name=told["name"],
                machine=Machine.model_validate(told["machine"]),
                timing=Timing(**told["timing"]),
                allowed_lanes=told["allowed_lanes"],
                bounds=Bounds(**told["bounds"]),
                load=load_tool if ours else worker_tools.load,
                child_module=ours or "tests.fakes.worker_child",
                tools=told["tools"] or (None if ours else worker_tools.NAMES),
            )
        )
    except ConnectionRefused as refused:
        sys.stdout.write(f"{refused}\n")
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
