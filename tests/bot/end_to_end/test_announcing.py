"""The real bot between GitHub and Discord: each article once, everywhere, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.bot.end_to_end.world import House, a_house, announced_once

pytestmark = [pytest.mark.slow]

THREADS = "/channels/*/messages/*/threads"
FORUM_POST = "/channels/*/threads"
CROSSPOST = "/channels/*/messages/*/crosspost"
HELD_S = 0.6  # a request that is held goes on after that, though its sender is dead


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as made:
        yield made


async def begun(house: House) -> None:
    """The bot has run once, with an article that is old by now."""
    house.write("old", date="2026-01-01")
    await house.configure()
    await house.start()
    await house.until(lambda: house.rows("SELECT state FROM articles") == [("baseline",)])
    await house.stop()


async def test_an_article_is_announced_everywhere_edited_and_withdrawn(house: House) -> None:
    await begun(house)
    await house.start()
    house.write("fp8")
    await house.pushed()
    await house.until(lambda: len(house.messages("news")) == 1)
    await house.quiet()
    announced_once(house, ["fp8"])

    house.write("fp8", title="All about fp8", topicId="quantization")
    await house.pushed()
    (discussion,) = house.discussions()
    await house.until(lambda: discussion.title == "All about fp8")
    await house.quiet()
    assert discussion.category.name == "Quantization"
    for place in ("articles", "news", "forum"):
        (message,) = house.messages(place)
        assert "All about fp8" in str(message.json["components"])
    (post,) = [c for c in house.discord.channels.values()
               if c.parent is house.discord.home.channel("forum")]  # fmt: skip
    assert post.name == "All about fp8"

    house.write("fp8", title="All about fp8", topicId="quantization", draft="true")
    await house.pushed()
    await house.until(lambda: "withdrawn" in discussion.body.casefold())
    await house.quiet()
    for place in ("articles", "news", "forum"):
        (message,) = house.messages(place)
        assert "withdrawn" in str(message.json["components"]).casefold()
    assert len(house.discussions()) == 1 and house.discord.home.name == "home"


STEPS = {
    "create": ("createDiscussion", None),
    "label": ("addLabelsToLabelable", None),
    "link": ("updateDiscussion", None),
    "post": (None, "/channels/{articles}/messages"),
    "forum post": (None, FORUM_POST),
    "thread": (None, THREADS),
    "crosspost": (None, CROSSPOST),
}


async def test_killed_before_and_after_every_step_nothing_is_lost_or_doubled(
    house: House,
) -> None:
    """Each kill meets an article of its own, while those before it are still on their way."""
    house.discord.crosspost_hour_s = 5.0  # 10 in that time
    await begun(house)
    slugs = []
    for step, (mutation, path) in STEPS.items():
        for after in (False, True):
            slugs.append(f"{step.replace(' ', '-')}-{'after' if after else 'before'}")
            house.write(slugs[-1])
            reached = _hold(house, mutation, path, after)
            await house.start()
            await reached()
            await house.kill()
            for hold in house.github.holds:
                hold.release()
            house.discord.faults.clear()
    await house.start()
    await house.until(lambda: len(house.messages("news")) == len(slugs))
    await house.quiet()
    announced_once(house, slugs)


def _hold(
    house: House, mutation: str | None, path: str | None, after: bool
) -> Callable[[], Awaitable[object]]:
    """Stop the next such request just before or after its work; waits until one stands there."""
    if mutation is not None:
        return house.github.hold(mutation, "after" if after else "before").reached
    pattern = (path or "").format(articles=house.discord.home.channel("articles").id)
    held = {"late_s": HELD_S} if after else {"delay_s": HELD_S}
    fault = house.discord.fault("POST", pattern, **held)

    async def reached() -> None:
        await house.until(lambda: fault.hits)
        if after:
            await asyncio.sleep(HELD_S / 4)  # the work is done at once, its answer held

    return reached


async def test_a_lost_database_adopts_what_stands_and_posts_what_was_missed(
    house: House,
) -> None:
    await begun(house)
    for slug in ("fp8", "moe"):
        house.write(slug, date="2026-11-20")
    await house.start()
    await house.until(lambda: len(house.messages("news")) == 2)
    await house.quiet()
    announced_once(house, ["fp8", "moe"])
    await house.stop()

    for file in house.database.parent.glob("k2c*"):
        file.unlink()
    await house.configure()  # moderators import what they exported
    house.write("missed", date="2026-11-21")
    house.write("fp8", summary="Said anew.")
    await house.start()
    await house.until(lambda: len(house.messages("news")) == 3)
    await house.quiet()
    announced_once(house, ["fp8", "moe", "missed"])
    (discussion,) = [d for d in house.discussions() if d.title == "About fp8"]
    assert "Said anew." in discussion.body
