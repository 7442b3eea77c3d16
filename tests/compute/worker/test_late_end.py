"""The end of a job, stored although nobody confirmed it in time, is not written over."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from nats.js.errors import APIError

from compute.jobs.job import Job
from compute.jobs.subjects import Timing
from compute.worker.lease import now_s
from compute.worker.outcome import Outcome
from compute.worker.run import JobRun
from compute.worker.states import EXPECTED, WRONG_SEQUENCE

ID = "0123456789012345678901"


class Key:
    """A key of the queue's; with ``slow`` a write is stored at once and confirmed when told."""

    def __init__(self) -> None:
        self.revision, self.value = 0, b""
        self.slow = False
        self.stored, self.confirm = asyncio.Event(), asyncio.Event()

    async def publish(self, _: str, data: bytes, headers: dict[str, str], **__: float) -> Any:
        if headers[EXPECTED] != str(self.revision):
            raise APIError(code=400, description="", err_code=WRONG_SEQUENCE[0])
        self.revision, self.value = self.revision + 1, data
        revision = self.revision
        if self.slow:
            self.stored.set()
            await self.confirm.wait()
        return SimpleNamespace(seq=revision)

    async def get_msg(self, stream: str, subject: str, direct: bool) -> Any:
        return SimpleNamespace(seq=self.revision, data=self.value)


class Client:
    """Takes every word of an acknowledgement."""

    is_connected = True

    def __init__(self) -> None:
        self.words: list[bytes] = []

    async def request(self, _: str, word: bytes, **__: float) -> None:
        self.words.append(word)


@pytest.mark.parametrize("confirmed", ["while it gives the job back", "never"])
async def test_a_worker_that_is_told_to_stop_does_not_undo_an_end_that_is_stored(
    confirmed: str,
) -> None:
    key, client = Key(), Client()
    post: Any = SimpleNamespace(
        name="alice", client=client, js=key, timing=Timing(lease_s=60.0), warm=None
    )
    delivery: Any = SimpleNamespace(message=SimpleNamespace(reply="r"), since_s=now_s(), count=1)
    job = Job(id=ID, tool="count", schema_id="s", request={}, lane="any", ticket="t")
    run = JobRun(post, delivery, job)
    await run._report.claim()
    key.slow = True
    holding = asyncio.create_task(run._lease.keep())
    finishing = asyncio.create_task(run._finish(Outcome("done", result={"counted": 3}), holding))
    await asyncio.wait_for(key.stored.wait(), 30)
    run._late.cancel()  # it was told to stop, and has waited long enough
    for _ in range(5):
        await asyncio.sleep(0)
    if confirmed != "never":
        key.confirm.set()
    await asyncio.wait_for(finishing, 30)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    assert json.loads(key.value)["phase"] == "done"
