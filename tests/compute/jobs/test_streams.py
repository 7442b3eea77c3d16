"""What the queue is made of: made, made again, and brought in line."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from nats.js import JetStreamContext
from nats.js.errors import APIError

from compute.jobs.job import MAX_JSON_BYTES
from compute.jobs.streams import STORE_BYTES, ensure_lane, ensure_streams, ensure_worker_bucket
from compute.jobs.subjects import STREAM, Timing
from tests.fakes.broker import running_broker

SHORT = Timing(lease_s=2.0, gone_s=1.0, artefact_ttl_s=60.0)


@pytest.fixture
async def js() -> AsyncIterator[JetStreamContext]:
    async with running_broker() as broker, broker.client() as client:
        yield client.jetstream()


async def everything(js: JetStreamContext, timing: Timing) -> None:
    """Make it all."""
    await ensure_streams(js, timing)
    await ensure_lane(js, "any", timing)
    await ensure_worker_bucket(js, "box", timing)


async def test_a_delivery_limit_would_leave_dead_jobs_in_the_stream(js: JetStreamContext) -> None:
    await everything(js, Timing())
    consumer = (await js.consumer_info(STREAM, "lane-any")).config
    assert (consumer.max_deliver, consumer.ack_wait) == (-1, 15.0)
    assert consumer.filter_subject == "jobs.any.>"
    assert (await js.stream_info(STREAM)).config.retention == "workqueue"


async def test_made_again_nothing_is_lost_and_new_clocks_hold(js: JetStreamContext) -> None:
    await everything(js, Timing())
    await js.publish("jobs.any.one", b"{}")
    await everything(js, Timing())
    await everything(js, SHORT)
    assert (await js.stream_info(STREAM)).state.messages == 1
    assert (await js.consumer_info(STREAM, "lane-any")).config.ack_wait == 2.0
    assert (await js.stream_info("KV_workers")).config.max_age == 3.0
    assert (await js.stream_info("OBJ_artefacts-box")).config.max_age == 60.0


async def test_a_job_published_twice_is_stored_once(js: JetStreamContext) -> None:
    await everything(js, Timing())
    for _ in range(2):
        await js.publish("jobs.any.one", b"{}", headers={"Nats-Msg-Id": "one-1"})
    assert (await js.stream_info(STREAM)).state.messages == 1


async def test_a_key_holds_one_value_and_results_of_full_size_fit(js: JetStreamContext) -> None:
    await everything(js, Timing())
    for _ in range(3):
        await js.publish("$KV.state.box.one", b"x" * (2 * MAX_JSON_BYTES))
    assert (await js.stream_info("KV_state")).state.messages == 1


@pytest.mark.slow
async def test_one_workers_files_are_bounded(js: JetStreamContext) -> None:
    await everything(js, Timing())
    assert (await js.stream_info("OBJ_artefacts-box")).config.max_bytes == STORE_BYTES
    with pytest.raises(APIError, match="maximum"):
        for _ in range(STORE_BYTES // 500_000 + 2):
            await js.publish("$O.artefacts-box.C.one", b"x" * 500_000, timeout=60.0)
