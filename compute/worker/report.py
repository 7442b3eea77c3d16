"""What is said of one attempt: claimed, how far it is (now and then), and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from compute.files import MediaType
from compute.jobs.job import Job, JobState
from compute.worker.child_process import Answer
from compute.worker.lease import Lease, Lost
from compute.worker.outcome import Outcome
from compute.worker.post import Post, ended
from compute.worker.states import StateKey


class Report:
    """One attempt's state key. ``files`` are those that the tool has written so far."""

    def __init__(self, post: Post, job: Job, attempt: int, lease: Lease) -> None:
        self._post, self._job, self._attempt, self._lease = post, job, attempt, lease
        self._states = StateKey(post.client, post.js, post.name, job.id, lease)
        self._started_at, self._began_s = time.time(), time.monotonic()
        self._claimed, self._ending = asyncio.Event(), asyncio.Event()
        self._said: dict[str, Any] = {}  # the newest fraction, words and partial result
        self._telling: asyncio.Task[None] | None = None
        self._told_s = 0.0
        self.files: dict[str, MediaType] = {}

    async def claim(self) -> None:
        """Say that it runs here. Raises ``AlreadyEnded`` or ``Lost``."""
        await self._states.claim(self._state(phase="running"))
        self._claimed.set()

    def hear(self, answer: Answer) -> None:
        """Progress or a file from the child."""
        if "file" in answer:
            self.files[answer["file"]] = answer["media_type"]
            return
        self._said |= {"fraction": answer["progress"], "words": answer["words"]}
        if "partial" in answer:
            self._said["partial"] = answer["partial"]
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell())

    async def end(self, outcome: Outcome) -> None:
        """The last word, after the claim. Raises ``Lost`` where it is too late for one."""
        self._ending.set()
        await self._claimed.wait()
        await self._states.write(self._last(outcome))

    async def end_unclaimed(self, outcome: Outcome) -> None:
        """The first and last word on a job that is not run here. Raises as ``claim`` does."""
        await self._states.claim(self._last(outcome))

    async def given_back(self) -> None:
        """Say, if that can be done now, that it waits for another worker."""
        self._ending.set()
        words = f"{self._post.name} gave it back; waiting for another worker"
        with contextlib.suppress(Lost):
            await self._states.write_once(self._state(phase="running", words=words))

    async def close(self) -> None:
        """Say nothing more."""
        self._ending.set()
        if self._telling is not None:
            await ended(self._telling)

    async def _tell(self) -> None:
        """Write the newest progress, at most once in ``progress_s`` and never beside the end."""
        await self._claimed.wait()
        wait_s = self._told_s + self._post.timing.progress_s - time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, wait_s)):
                await self._ending.wait()
        if not self._ending.is_set():
            self._told_s = time.monotonic()
            try:
                await self._states.write_once(self._state(phase="running", **self._said))
            except Lost:
                self._lease.drop()

    def _last(self, outcome: Outcome) -> JobState:
        done = outcome.phase == "done"
        return self._state(
            phase=outcome.phase,
            cause=outcome.cause,
            words=outcome.words,
            fraction=1.0 if done else self._said.get("fraction", 0.0),
            result=outcome.result,
            refusal=outcome.refusal,
            artefacts=outcome.artefacts,
        )

    def _state(self, **fields: Any) -> JobState:
        return JobState(
            job=self._job.id,
            worker=self._post.name,
            ticket=self._job.ticket,
            attempt=self._attempt,
            started_at=self._started_at,
            updated_at=time.time(),
            run_s=time.monotonic() - self._began_s,
            **fields,
        )
