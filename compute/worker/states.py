"""What a worker says of one job, written so that nothing of an older self can overwrite it."""

from __future__ import annotations

import asyncio
import logging

from nats.aio.client import Client
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError
from pydantic import ValidationError

from compute.jobs.job import FINAL, JobState
from compute.jobs.subjects import STATE_BUCKET, state_key
from compute.worker.lease import Lease, Lost

log = logging.getLogger(__name__)

WRONG_SEQUENCE = (10071, 10164)  # somebody wrote the key since
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
TIMEOUT_S = 3.0
RETRY_S = 0.3


class Fenced(Lost):
    """The key was written by another: a later attempt, or a worker of the same name."""


class AlreadyEnded(Exception):
    """This job ended here before; only its acknowledgement was lost."""


class StateKey:
    """``state.<worker>.<job>``, each write conditional on our own last one."""

    def __init__(
        self, client: Client, js: JetStreamContext, worker: str, job_id: str, lease: Lease
    ) -> None:
        self._client, self._js = client, js
        self._subject = f"$KV.{STATE_BUCKET}.{state_key(worker, job_id)}"
        self._lease = lease
        self._revision = 0
        self._doubtful: list[bytes] = []  # sent, and nobody said whether they are stored
        self._order = asyncio.Lock()

    async def claim(self, state: JobState) -> None:
        """The first write. Raises ``AlreadyEnded``, ``Fenced`` or ``Lost``."""
        try:
            await self.write(state)
        except Fenced:
            self._revision = await self._last_revision(state)
            await self.write(state)

    async def write(self, state: JobState) -> None:
        """Write for certain, through an outage of the server. Raises ``Fenced`` or ``Lost``."""
        data = state.model_dump_json(exclude_defaults=True).encode()
        async with self._order:
            while True:
                self._lease.check()
                if await self._put(data):
                    return
                await asyncio.sleep(RETRY_S)

    async def write_once(self, state: JobState) -> None:
        """Write if it can be done now: progress is soon out of date anyway. Raises ``Fenced``."""
        async with self._order:
            if self._lease.left_s() > 0:
                await self._put(state.model_dump_json(exclude_defaults=True).encode())

    async def _put(self, data: bytes) -> bool:
        """Whether it is stored; False where nobody knows."""
        if not self._client.is_connected:
            return False  # the library would send it later, perhaps too late
        headers = {EXPECTED: str(self._revision)}
        try:
            ack = await self._js.publish(self._subject, data, headers=headers, timeout=TIMEOUT_S)
        except APIError as error:
            if error.err_code in WRONG_SEQUENCE:
                return await self._was_stored(data)
            log.warning("the queue does not take %s: %s", self._subject, error)
            return False
        except (Error, TimeoutError, OSError) as error:
            log.info("the queue cannot be reached: %r", error)
            self._doubtful.append(data)
            return False
        self._revision = ack.seq
        self._doubtful.clear()
        return True

    async def _was_stored(self, data: bytes) -> bool:
        """A write of ours whose confirmation got lost may be there, this one or an older one.

        Raises ``Fenced`` where it is somebody else's.
        """
        revision, found = await self._read()
        if found not in (data, *self._doubtful):
            raise Fenced
        self._revision = revision
        return found == data

    async def _last_revision(self, state: JobState) -> int:
        """What an earlier attempt of ours left behind."""
        revision, found = await self._read()
        try:
            before = JobState.model_validate_json(found)
        except ValidationError:
            return revision  # removed, or not worth keeping
        if before.ticket == state.ticket and before.phase in FINAL:
            raise AlreadyEnded
        if before.ticket == state.ticket and before.attempt > state.attempt:
            raise Fenced
        return revision

    async def _read(self) -> tuple[int, bytes]:
        """Revision and value of the key. Raises ``Lost`` once the lease is."""
        while True:
            self._lease.check()
            try:
                found = await self._js.get_msg(
                    f"KV_{STATE_BUCKET}", subject=self._subject, direct=True
                )
            except NotFoundError:
                return 0, b""
            except (Error, TimeoutError, OSError):
                await asyncio.sleep(RETRY_S)
            else:
                return found.seq or 0, found.data or b""
