"""From `k2c up` to registered commands, with an empty and with an unchanged database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.harness import figure, our_bot, registered, title
from tests.fakes.discord import FakeDiscord

STARTS = 5


SETS = 2  # commands of everywhere, and of the home server


@pytest.mark.bench
async def test_a_start_registers_the_commands_and_a_second_one_sends_nothing(
    tmp_path: Path,
) -> None:
    cold, warm, pages = [], [], []
    async with FakeDiscord(validate=False) as warm_fake:
        async with our_bot(warm_fake, tmp_path / "warm") as bot:  # compiles, fills the disk cache
            await registered(bot, warm_fake)
        for number in range(STARTS):
            async with FakeDiscord(validate=False) as fake:
                async with our_bot(fake, tmp_path / f"cold{number}") as bot:
                    cold.append(await registered(bot, fake))
                    pages.append(await bot.heard("pages"))
                assert sum(fake.syncs.values()) == SETS
            async with our_bot(warm_fake, tmp_path / "warm") as bot:
                warm.append(await registered(bot, warm_fake))
        assert sum(warm_fake.syncs.values()) == SETS, "an unchanged command set was sent again"
    title("start: seconds from `k2c up`")
    figure("pages served", pages)
    figure("commands registered, empty database", cold)
    figure("commands registered, unchanged (nothing sent)", warm)
