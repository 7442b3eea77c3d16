"""Pulling jobs: which lanes are ours is learnt from their answers, not from how fast they come."""

from __future__ import annotations

from compute.jobs.connection import connect
from compute.jobs.streams import ensure_lane, ensure_streams
from compute.jobs.subjects import Timing
from compute.worker.pull import Puller
from tests.fakes.broker import running_broker

SHORT = Timing(lease_s=2.0, gone_s=1.0, artefact_ttl_s=60.0)


async def test_a_lane_that_answered_is_not_given_up_when_its_answers_are_late() -> None:
    async with running_broker() as broker:
        async with broker.client() as client:
            js = client.jetstream()
            await ensure_streams(js, SHORT)
            await ensure_lane(js, "any", SHORT)
        worker = await connect(broker.worker("box", "any", "cuda"))
        try:
            puller = Puller(worker, ["cuda", "any"], SHORT)
            await puller.start()
            assert await puller.take() is None
            assert list(puller.lanes) == ["cuda", "any"]
            for _ in range(3):  # the server's disk is slow, its PONGs are not
                await puller._unheard("any", "")
            assert list(puller.lanes) == ["cuda", "any"]
            await puller._unheard("cuda", "")
            await puller._unheard("cuda", "")  # never heard of: not for us
            assert list(puller.lanes) == ["any"]
        finally:
            await worker.close()
