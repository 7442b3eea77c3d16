"""Pulling jobs: an answer tells whose lane it is and which pull it answers, however late it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from nats.aio.client import Client

from compute.jobs.connection import connect
from compute.jobs.streams import ensure_lane, ensure_streams
from compute.jobs.subjects import Timing, job_subject
from compute.worker import pull
from compute.worker.lease import now_s
from compute.worker.pull import Delivery, Puller
from tests.fakes.broker import Broker, running_broker

SHORT = Timing(lease_s=2.0, gone_s=1.0, artefact_ttl_s=60.0)


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    async with running_broker() as broker, broker.client() as client:
        js = client.jetstream()
        await ensure_streams(js, SHORT)
        await ensure_lane(js, "any", SHORT)
        yield broker


@pytest.fixture
async def worker(broker: Broker) -> AsyncIterator[Client]:
    client = await connect(broker.worker("box", "any", "cuda"))
    yield client
    await client.close()


class Swallowed:
    """Pulls that are kept back: the server has lost them, or reads them late."""

    def __init__(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pulls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.lose = 0
        self._publish = client.publish
        monkeypatch.setattr(client, "publish", self._instead)
        monkeypatch.setattr(pull, "ANSWER_S", 0.2)

    async def _instead(self, subject: str, *rest: Any, **more: Any) -> None:
        if "MSG.NEXT" in subject and len(self.pulls) < self.lose:
            self.pulls.append((subject, rest, more))
        else:
            await self._publish(subject, *rest, **more)

    async def read(self) -> None:
        """Now."""
        for subject, rest, more in self.pulls:
            await self._publish(subject, *rest, **more)


async def ask(broker: Broker, job: str) -> None:
    async with broker.client() as client:
        await client.jetstream().publish(job_subject("any", job), b"{}")


async def taken(puller: Puller) -> Delivery:
    """A job that is known to wait; a busy machine answers late."""
    while (found := await puller.take(everywhere=True)) is None:
        pass
    return found


async def test_a_lane_that_answered_is_not_given_up_when_its_answers_are_late(
    worker: Client,
) -> None:
    puller = Puller(worker, ["cuda", "any"], SHORT)
    await puller.start()
    assert await puller.take() is None
    assert list(puller.lanes) == ["cuda", "any"]
    for _ in range(3):  # the server's disk is slow, its PONGs are not
        await puller._unheard("any")
    assert list(puller.lanes) == ["cuda", "any"]
    await puller._unheard("cuda")
    await puller._unheard("cuda")  # never heard of: not for us
    assert list(puller.lanes) == ["any"]


async def test_a_pull_without_an_answer_does_not_age_the_jobs_after_it(
    broker: Broker, worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would count as asked for when the one before was, its lease over before it began."""
    lost = Swallowed(worker, monkeypatch)
    puller = Puller(worker, ["any"], SHORT)
    await puller.start()
    lost.lose = 1
    assert await puller.take() is None and len(lost.pulls) == 1
    for job in ("a", "b"):
        await ask(broker, job)
        asked_s = now_s()
        delivery = await taken(puller)
        assert delivery.message.subject.endswith(job) and delivery.since_s >= asked_s


async def test_a_job_that_comes_late_was_asked_for_when_its_own_pull_was(
    broker: Broker, worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Swallowed(worker, monkeypatch)
    puller = Puller(worker, ["any"], SHORT)
    await puller.start()
    late.lose = 1
    assert await puller.take() is None
    assert await puller.take() is None  # the next one is answered: there is nothing
    first_s = now_s()
    await ask(broker, "a")
    await late.read()
    await worker.flush()
    assert (await taken(puller)).since_s < first_s


async def test_what_nobody_can_answer_any_more_is_not_listened_for(
    worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Swallowed(worker, monkeypatch)
    puller = Puller(worker, ["any"], Timing(lease_s=0.05, gone_s=1.0, artefact_ttl_s=60.0))
    await puller.start()
    assert await puller.take() is None
    heard = len(worker._subs)
    lost.lose = 5
    for _ in range(6):
        assert await puller.take() is None
    assert len(lost.pulls) == 5 and len(worker._subs) <= heard + 1
