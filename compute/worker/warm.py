"""The one warm child of a worker: started before it is needed, replaced when it is not clean."""

from __future__ import annotations

import asyncio
import logging

from compute.ending import end
from compute.jobs.job import Machine
from compute.jobs.subjects import Timing
from compute.worker.child_process import ChildGone, ChildProcess, Warm
from compute.worker.sandbox import Bounds

log = logging.getLogger(__name__)

BEATS = 4  # a leash hears its worker that often in the time after which it gives up


class WarmChild:
    """``get`` gives a child that can be asked at once or after its start; ``put_back`` returns it.

    ``held`` are descriptors that must live as long as any child does: the card's lock.
    """

    def __init__(
        self,
        module: str,
        machine: Machine,
        timing: Timing,
        *,
        warm: Warm | None = None,
        held: tuple[int, ...] = (),
        bounds: Bounds | None = None,
    ) -> None:
        self._module, self._machine, self._timing = module, machine, timing
        self._warm, self._held = warm or Warm(), held
        self.bounds = bounds or Bounds()
        self._child: ChildProcess | None = None
        self._newest: ChildProcess | None = None  # perhaps still starting
        self._starting: asyncio.Task[ChildProcess] | None = None
        self._beating = asyncio.create_task(self._beat())
        self.prepare()

    def prepare(self) -> None:
        """See to it that a child is there or on its way."""
        if self._starting is None and (self._child is None or self._child.ended.done()):
            self._starting = asyncio.create_task(self._start())

    async def get(self) -> ChildProcess:
        """The child. Raises ``ChildGone`` when none can be started."""
        self.prepare()
        if self._starting is not None:
            starting, self._starting = self._starting, None
            self._child = await starting
        assert self._child is not None
        return self._child

    async def put_back(self, child: ChildProcess, *, reuse: bool) -> None:
        """After a job: keep a clean child, kill any other; the next one starts at once."""
        if reuse and child.is_clean():
            return
        await child.kill()
        self.prepare()

    async def close(self) -> None:
        """Kill it."""
        if self._starting is not None:
            await end(self._starting)
        for child in {self._child, self._newest} - {None}:
            assert child is not None
            await child.kill()
        self._beating.cancel()

    async def _start(self) -> ChildProcess:
        if self._child is not None:
            await self._child.kill()  # dead already, perhaps, but not yet cleared away
        child = ChildProcess(self._module, self._machine, self._timing, self.bounds)
        self._newest = child
        try:
            await child.begin(self._held, self._warm)
        except ChildGone as gone:
            log.error("a child did not start (%s): %s", gone.ending, child.printed.take())
            raise
        except OSError as error:  # TimeoutError too
            self._newest = None
            raise ChildGone(f"not started: {error!r}") from error
        return child

    async def _beat(self) -> None:
        """Tell the leash that the worker is alive, whatever the child is doing."""
        while True:
            if self._newest is not None:
                self._newest.beat()
            await asyncio.sleep(self._timing.leash_s / BEATS)
