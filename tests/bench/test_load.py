"""/throughput with charts against the smallest bot: 20 interactions/s of 50 people, in turns."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bench.harness import Bot, figure, minimal_bot, our_bot, registered, title
from tests.bench.load import (
    RATE,
    Leg,
    Seen,
    answers_plan,
    fire,
    pictures,
    questions,
    typing_plan,
)
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord.load import quantiles

ANSWERS = 300  # 15 s
TYPING_S = 5.0
NEW_EVERY = 2  # every second question needs a new chart: 10 charts a second


@dataclass
class Pair:
    """Both bots, each at a Discord of its own, connected at once."""

    floor_fake: FakeDiscord
    floor: Bot
    fake: FakeDiscord
    ours: Bot


async def enter_pair(stack: AsyncExitStack, folder: Path) -> Pair:
    """Start both and wait until both can be asked."""
    floor_fake = await stack.enter_async_context(FakeDiscord(validate=False))
    fake = await stack.enter_async_context(FakeDiscord(validate=False))
    floor = await stack.enter_async_context(minimal_bot(floor_fake, folder))
    ours = await stack.enter_async_context(our_bot(fake, folder))
    await registered(ours, fake)
    return Pair(floor_fake, floor, fake, ours)


@pytest.mark.bench
async def test_under_load_all_are_answered_in_time_with_a_chart(tmp_path: Path) -> None:
    floor_legs, legs, charts = [], [], []
    async with AsyncExitStack() as stack:
        pair = await enter_pair(stack, tmp_path)
        for turn in range(2):
            asked = questions(ANSWERS, start=1000 * (turn + 1), new_every=NEW_EVERY)
            plan = answers_plan("ping", asked)
            floor_legs.append(await fire(pair.floor_fake, pair.floor, plan, ours=False))
            known = set(pair.fake.interactions.by_id)
            plan = answers_plan("throughput", asked)
            legs.append(await fire(pair.fake, pair.ours, plan, ours=True))
            charts.append(await pictures(pair.fake, known))
            assert charts[-1].at_once + charts[-1].edited + charts[-1].button == ANSWERS
        assert not pair.fake.violations
    title(f"/throughput at {RATE:.0f}/s of 50 people, {ANSWERS} answers a turn, in turns")
    print_acks(floor_legs, legs)
    print_charts(charts)
    assert all(seen.edited and not seen.at_once for seen in charts)  # text first, always


@pytest.mark.bench
async def test_under_load_all_suggestions_come_in_time(tmp_path: Path) -> None:
    floor_legs, legs = [], []
    async with AsyncExitStack() as stack:
        pair = await enter_pair(stack, tmp_path)
        for _ in range(2):
            plan = typing_plan("ping", TYPING_S)
            floor_legs.append(await fire(pair.floor_fake, pair.floor, plan, ours=False))
            plan = typing_plan("throughput", TYPING_S)
            legs.append(await fire(pair.fake, pair.ours, plan, ours=True))
        shown = [len(i.choices or ()) for i in pair.fake.interactions.by_id.values()]
    title(f"autocomplete at {RATE:.0f}/s of 50 people, in turns")
    print_acks(floor_legs, legs)
    assert all(0 < count <= 25 for count in shown)


def print_acks(floor_legs: list[Leg], legs: list[Leg]) -> None:
    """One line a turn for both bots, then the ratio over all turns."""
    for name, turns in (("smallest bot", floor_legs), ("k2c", legs)):
        for leg in turns:
            ack = quantiles(leg.load.ack_ms)
            figure(f"{name}: ack p50, p99, max (ms)", ack["p50"], ack["p99"], ack["max"])
            figure(f"{name}: CPU ms an interaction", leg.cpu_s / leg.load.sent * 1e3)
    floor = quantiles([ms for leg in floor_legs for ms in leg.load.ack_ms])
    ours = quantiles([ms for leg in legs for ms in leg.load.ack_ms])
    figure("ack p50 and p99, k2c / smallest bot",
           ours["p50"] / floor["p50"], ours["p99"] / floor["p99"])  # fmt: skip
    figure("late; requests without a 2xx answer",
           sum(leg.load.late for leg in legs), max(leg.refused for leg in legs))  # fmt: skip
    figure("event-loop lag p99 a turn (ms)", *(leg.lag_p99_ms for leg in legs))
    figure("event-loop lag max a turn (ms)", *(leg.lag_max_ms for leg in legs))


def print_charts(charts: list[Seen]) -> None:
    """How the pictures came, a line a turn."""
    for seen in charts:
        edit = quantiles(seen.edit_ms)
        figure("charts: in the first answer, by edit, by button",
               seen.at_once, seen.edited, seen.button)  # fmt: skip
        figure("chart edit p50, p99, max (ms)", edit["p50"], edit["p99"], edit["max"])
