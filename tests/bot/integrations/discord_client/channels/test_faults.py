"""Whatever happens to Discord or the bot, each effect in a channel is done exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bot.integrations.discord_client.channels import rest
from bot.outbox import Told
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.posting import CARD, Posting, posting
from tests.fakes.discord import Channel, message_text
from tests.fakes.discord.routes.archive import set_metadata

pytestmark = pytest.mark.slow

FAULTS: list[dict[str, Any]] = [
    {"status": 429, "retry_after": 0.2},
    {"status": 429, "retry_after": 0.2, "whole_bot": True},
    {"status": 429, "retry_after": 0.2, "via": False},
    {"status": 500},
    {"status": 502, "times": 3},
    {"status": 503},
    {"reset": "before"},
    {"reset": "before", "times": 3},
    {"reset": "after"},
    {"reset": "after", "times": 3},
    {"late_s": 0.35},
    {"delay_s": 0.35},
]
NEW = CARD.model_copy(update={"title": "A new title"})


@pytest.fixture(autouse=True)
def _short_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "TRIES_S", (0.2, 0.2))
    monkeypatch.setattr(rest, "ONE_TRY_S", 0.2)
    monkeypatch.setattr(rest, "BETWEEN_S", 0.02)
    monkeypatch.setattr("bot.outbox.FIRST_PAUSE_S", 0.1)


class Case:
    """One kind of effect: what must be there, the effect, its request, how often it was done."""

    def __init__(self, name: str, method: str, path: str, channel: str) -> None:
        self.name, self.method, self.path, self.channel = name, method, path, channel

    def place(self, world: World) -> Channel:
        return world.fake.home.channel(self.channel)

    async def before(self, bot: Posting) -> Told | None:
        if self.name in ("message", "forum"):
            return None
        return await bot.sent(await bot.post(self.place(bot.world), "base"))

    async def begin(self, bot: Posting, base: Told | None) -> str:
        if base is None:
            return await bot.post(self.place(bot.world), "new")
        if self.name == "edit":
            return await bot.edit(base, f"dc:{self.place(bot.world).id}:base:edit:1", card=NEW)
        return await (bot.crosspost(base) if self.name == "crosspost" else bot.thread(base))

    def done(self, world: World, base: Told | None) -> int:
        """How often it stands."""
        place = self.place(world)
        if base is None:
            threads = [c for c in place.guild.channels if c.parent is place] if place.guild else []
            stands = [place, *threads]
            mine = [m for c in stands for m in world.fake.channel_messages(c)]
            return len([m for m in mine if m.json["author"]["id"] == world.fake.app_id])
        message = world.fake.messages.find(str(base.receipt["message_id"]))
        if self.name == "edit":
            return int("A new title" in message_text(message.json))
        if self.name == "crosspost":
            return int(message.json["flags"] & 1)
        return int(message.id in world.fake.channels)


CASES = [
    Case("message", "POST", "/channels/*/messages", "general"),
    Case("forum", "POST", "/channels/*/threads", "help"),
    Case("edit", "PATCH", "/channels/*/messages/*", "general"),
    Case("crosspost", "POST", "/channels/*/crosspost", "news"),
    Case("thread", "POST", "/channels/*/messages/*/threads", "general"),
]
by_name: Callable[[Case], str] = lambda case: case.name  # noqa: E731


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("case", CASES, ids=by_name)
async def test_a_fault_neither_loses_nor_doubles_it(
    world: World, case: Case, fault: dict[str, Any]
) -> None:
    world.fake.nonce_window_s = 1.0  # a late look has nothing else to go by than the key
    async with posting(world) as bot:
        base = await case.before(bot)
        planned = world.fake.fault(case.method, case.path, **fault)
        key = await case.begin(bot, base)
        await bot.sent(key)
        assert planned.hits
        await asyncio.sleep(0.4)  # what is late would arrive now
        assert case.done(world, base) == 1


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("case", CASES, ids=by_name)
async def test_killed_in_the_middle_it_is_done_once_after_the_restart(
    world: World, case: Case, applied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.outbox.FINISH_S", 0.0)
    monkeypatch.setattr(rest, "TRIES_S", (5.0,))
    monkeypatch.setattr(rest, "ONE_TRY_S", 5.0)
    world.fake.nonce_window_s = 0.0
    async with posting(world) as bot:
        base = await case.before(bot)
        what: dict[str, Any] = {"late_s": 9.0} if applied else {"delay_s": 9.0, "status": 503}
        fault = world.fake.fault(case.method, case.path, **what)
        key = await case.begin(bot, base)
        await world.fake.wait_for(
            lambda: fault.hits and bool(case.done(world, base)) is applied, 10
        )
        await bot.kill()
        world.fake.faults.clear()
    async with posting(world) as bot:
        told = await bot.sent(key)
        assert case.done(world, base) == 1
        assert told.attempts == (1 if applied and case.name != "edit" else 2)


async def test_a_look_for_it_that_fails_is_no_proof_that_it_is_not_there(world: World) -> None:
    world.fake.nonce_window_s = 0.0
    channel = world.fake.home.channel("general")
    async with posting(world) as bot:
        world.fake.fault("POST", "/channels/*/messages", reset="after")
        world.fake.fault("POST", "/channels/*/messages", status=503)
        outage = world.fake.fault("GET", "/channels/*", status=503, times=3, skip=1)
        key = await bot.post(channel)
        told = await bot.sent(key)
        assert outage.hits == 3 and told.attempts == 1
        assert len(bot.made(channel, key)) == 1


@pytest.mark.parametrize("silent", [True, False])
@pytest.mark.parametrize("place", ["general", "help"])
async def test_while_it_cannot_be_looked_for_it_is_not_posted_again(
    world: World, silent: bool, place: str
) -> None:
    """Discord shows a channel with a closed history as an empty one."""
    world.fake.nonce_window_s, world.fake.silent_history = 0.0, silent
    channel = world.fake.home.channel(place)
    async with posting(world) as bot:
        await world.fake.deny(channel, "read_message_history")
        path = "/channels/*/threads" if place == "help" else "/channels/*/messages"
        world.fake.fault("POST", path, reset="after")
        world.fake.fault("POST", path, status=503)
        key = await bot.post(channel)
        await world.fake.wait_for(lambda: bot.troubles, 10)
        assert bot.troubles == [(channel.id, "announcements", ("Read Message History",))]
        world.fake.faults.clear()
        await world.fake.deny(channel)
        told = await bot.sent(key, 20)
        assert told.attempts == 1
        stands = world.fake.channels[str(told.receipt["channel_id"])]
        assert len(bot.made(stands, key)) == 1


async def test_an_archived_forum_post_of_unknown_fate_is_found(world: World) -> None:
    forum = world.fake.home.channel("help")
    async with posting(world) as bot:
        world.fake.fault("POST", "/channels/*/threads", reset="after")
        key = await bot.post(forum)

        def made() -> list[Channel]:
            return [c for c in world.fake.home.channels if c.parent is forum]

        before = len(made())
        await world.fake.wait_for(lambda: len(made()) > before, 10)
        await set_metadata(world.fake, made()[-1], archived=True)
        told = await bot.sent(key)
        assert told.attempts == 1 and told.receipt["thread_id"] == made()[-1].id
        assert len(made()) == before + 1


async def test_it_is_found_under_three_hundred_later_messages(world: World) -> None:
    world.fake.nonce_window_s = 0.0
    channel = world.fake.home.channel("general")
    async with posting(world) as bot:
        world.fake.fault("POST", "/channels/*/messages", reset="after")
        world.fake.fault("POST", "/channels/*/messages", status=503)
        key = await bot.post(channel)
        await world.fake.wait_for(lambda: bot.made(channel, key), 10)
        bob = world.fake.user("bob")
        for number in range(300):
            await bob.say(f"message {number}", channel)
        told = await bot.sent(key)
        assert told.attempts == 1 and len(bot.made(channel, key)) == 1
