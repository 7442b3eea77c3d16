from __future__ import annotations

from tests.fakes.broker import running_broker


async def test_a_message_goes_round() -> None:
    async with running_broker() as broker, broker.client() as client:
        await client.jetstream().add_stream(name="JOBS", subjects=["jobs.*.*"])
        assert (await client.jetstream().publish("jobs.any.a", b"x")).seq == 1
