"""Whoever starts the bot is told what its queue does, and what it does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.community.service import CommunityBook
from bot.outbox import Outbox
from bot.queueing import start_jobs, tell_if_away
from bot.store import FILE_NAME, Store
from config.settings import load_settings
from tests.bot.test_broker_watch import Down


async def test_a_queue_that_does_not_answer_is_told_once_and_its_answer_too() -> None:
    queue, said = Down(False), list[str]()
    telling = asyncio.create_task(tell_if_away(queue, said.append, away_s=0.01))
    async with asyncio.timeout(30):
        while not said:  # noqa: ASYNC110 -- a list has no event
            await asyncio.sleep(0.01)
    assert "no answer yet" in said[0]
    queue.queue_up = True
    async with asyncio.timeout(30):
        await telling
    assert said[1:] == ["queue    connected"]


async def test_one_that_answers_needs_no_more_words() -> None:
    said = list[str]()
    async with asyncio.timeout(30):
        await tell_if_away(Down(True), said.append)
    assert said == []


async def test_where_no_server_can_start_the_bot_says_so_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("in the way")
    store, said = await Store.open(tmp_path / FILE_NAME), list[str]()
    try:
        settings = load_settings(data_dir=tmp_path, nats_url="")
        community = await CommunityBook.open(store, ())
        outbox = Outbox(store)
        assert await start_jobs(settings, store, outbox, [], community, said.append) is None
    finally:
        await store.close()
    assert said == [
        f"queue    off: {tmp_path / 'broker'} cannot be made (File exists). "
        "Jobs are refused until that is mended and k2c starts again."
    ]
