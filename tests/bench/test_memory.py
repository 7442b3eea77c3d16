"""Resident memory before and after 200 answers, each with a chart nobody has drawn before.

20 new charts a second are about what the renderer can draw: some answers get a Chart button.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.bench.harness import MIB, figure, our_bot, registered, title
from tests.bench.load import answers_plan, fire, pictures, questions
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord.load import quantiles

ANSWERS = 200
WARM_S = 2.0  # matplotlib loads in the chart process meanwhile


@pytest.mark.bench
async def test_200_new_charts_are_all_drawn_or_offered(tmp_path: Path) -> None:
    async with FakeDiscord(validate=False) as fake, our_bot(fake, tmp_path) as bot:
        await registered(bot, fake)
        before_mib = bot.rss_mib()
        await asyncio.sleep(WARM_S)
        warm_mib = bot.rss_mib()
        child = bot.chart_child()
        child_mib, child_s = child.memory_info().rss / MIB, sum(child.cpu_times()[:2])
        asked = questions(ANSWERS, start=50_000, new_every=1)
        leg = await fire(fake, bot, answers_plan("throughput", asked), ours=True)
        seen = await pictures(fake, set())
        drawing_s = sum(child.cpu_times()[:2]) - child_s
        title(f"memory, MiB, and {ANSWERS} new charts at 20/s")
        figure("bot, commands registered", before_mib)
        figure("bot, 2 s later", warm_mib)
        figure("chart process, warm", child_mib)
        figure(f"bot, after {ANSWERS} answers", bot.rss_mib())
        figure(f"chart process, after {ANSWERS} answers", child.memory_info().rss / MIB)
        figure("charts: by edit, by button, in the first answer",
               seen.edited, seen.button, seen.at_once)  # fmt: skip
        edits, acks = quantiles(seen.edit_ms), quantiles(leg.load.ack_ms)
        figure("edit p50, p99 (ms)", edits["p50"], edits["p99"])
        figure("ack p50, p99, max (ms)", acks["p50"], acks["p99"], acks["max"])
        figure("CPU ms a chart in its process", drawing_s / max(1, seen.edited) * 1e3)
        figure("event-loop lag p99, max (ms)", leg.lag_p99_ms, leg.lag_max_ms)
    assert seen.at_once == 0 and seen.edited + seen.button == ANSWERS
    assert seen.edited > 0
