"""The worker that `k2c up` keeps running on this machine: a process of its own, started again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "bot.cli", "worker", "--with-parent")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
STEADY_S = 60.0  # after that long its next end counts as the first
STOP_S = 10.0  # to hand back its job
# Of the bot alone; the worker needs the queue's address and nothing that opens a door of ours.
KEPT_BACK = ("DISCORD_", "GITHUB_", "K2C_SECRET_KEY", "K2C_HTTP_")


class LocalWorker:
    """Runs ``command`` until ``close``; an end that nobody asked for is logged and made good."""

    def __init__(
        self, command: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = command or (*COMMAND, str(os.getpid()))
        self._environment = environment_of(os.environ if environment is None else environment)
        self._process: asyncio.subprocess.Process | None = None
        self._closing = False

    async def run(self) -> None:
        """Keep one running; returns after ``close``."""
        pause_s = FIRST_PAUSE_S
        while not self._closing:
            started = time.monotonic()
            status = await self._once()
            if self._closing:
                return
            pause_s = FIRST_PAUSE_S if time.monotonic() - started > STEADY_S else pause_s
            log.warning("the local worker ended (%s); next start in %.0f s", status, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def close(self) -> None:
        """End it and wait; one that does not hand back its job in time is killed."""
        self._closing = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _once(self) -> str:
        try:
            # Not in our process group: Ctrl-C is for us, and we tell it.
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                env=self._environment,
                start_new_session=True,
            )
        except OSError as error:
            return f"it cannot be started: {error.strerror}"
        code = await self._process.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def environment_of(outer: Mapping[str, str]) -> dict[str, str]:
    """What the worker's process sees of ours."""
    return {name: value for name, value in outer.items() if not name.startswith(KEPT_BACK)}
