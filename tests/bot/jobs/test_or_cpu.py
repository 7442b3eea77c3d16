"""A job that wants a GPU and can do without: where it goes depends on who is online."""

from __future__ import annotations

import pytest

from compute.tool import Needs
from tests.bot.jobs.parts import Bot, until
from tests.bot.jobs.puppet import puppet
from tests.fakes.broker import Broker

pytestmark = pytest.mark.slow

WISH = Needs(cuda=True, or_cpu=True)


async def test_without_a_gpu_online_any_worker_takes_it(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice") as alice:
        await until(lambda: bool(bot.jobs.counters()["workers_online"]))
        await bot.ask(needs=WISH)
        assert (await alice.take("any")).job.lane == "any"


async def test_with_a_gpu_online_it_waits_for_that(bot: Bot, broker: Broker) -> None:
    async with puppet(broker, "alice", "any"), puppet(broker, "hopper", "any", "cuda") as hopper:
        await until(lambda: bot.jobs.counters()["workers_online"] == 2)
        await bot.ask(needs=WISH)
        assert (await hopper.take("cuda")).job.lane == "cuda"
