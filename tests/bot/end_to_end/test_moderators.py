"""What moderators and members see of the real bot: a preview, what came of it, a posted answer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.community.words import ChannelSetting, RoleSetting
from tests.bot.end_to_end.world import House, a_house
from tests.fakes.discord.reply import message_text

pytestmark = [pytest.mark.slow]

TITLE = "FP8: scales, <b>outliers</b> & why"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as made:
        yield made


def shown(message: dict[str, Any]) -> list[object]:
    """Texts and buttons, without the line of a mention and whatever is an address."""
    words = re.sub(r"\(<[^<>]*>\)", "(<>)", re.sub(r"^<@&\d+>\n", "", message_text(message)))
    return [words, re.findall(r"'label': '([^']+)'", str(message["components"]))]


async def test_the_preview_is_what_everybody_reads_and_tells_how_it_stands(house: House) -> None:
    guild = house.discord.home
    house.write("old", date="2026-01-01")
    await house.configure(RoleSetting(guild.id, "ping", guild.role("contributors").id))
    await house.start()
    await house.discord.ready()
    await house.until(lambda: house.rows("SELECT state FROM articles") == [("baseline",)])
    house.write("fp8", title=f"'{TITLE}'", date="2999-01-01")
    await house.pushed()
    await house.until(lambda: len(house.rows("SELECT key FROM articles")) == 2)
    mia = house.discord.user("mia", roles=("moderators",))
    asked = await mia.slash("announce", {"article": "FP8"})
    await asked.followed_up(2, timeout=20.0)
    _, message = asked.followups
    overview = message_text(asked.message)
    assert "#articles, #news, #forum · mentions @contributors" in overview
    assert "Publish" in str(asked.message) and house.discussions() == []

    await mia.click(asked.message, "Publish")
    places = ("articles", "news", "forum")
    await house.until(lambda: [len(house.messages(place)) for place in places] == [1, 1, 1])
    await house.quiet()
    for place in places:
        (posted,) = house.messages(place)
        assert shown(posted.json) == shown(message), place
    (discussion,) = house.discussions()
    await house.until(lambda: "or in Discord: " in discussion.body)
    for name in places:
        assert f"[\\#{name}](<https://discord.com/channels/" in discussion.body

    again = await mia.slash("announce", {"article": "FP8"})
    assert "Announced less than a minute ago." in message_text(again.message)
    assert discussion.url in str(again.message) and "Publish" not in str(again.message)


async def test_a_posted_answer_is_told_in_the_channel_for_results(house: House) -> None:
    guild = house.discord.home
    talk = guild.channel("talk")
    house.write("old", date="2026-01-01")
    await house.configure(ChannelSetting(guild.id, "results", talk.id))
    await house.start()
    await house.discord.ready()
    await house.until(lambda: "gh: 0 posts of ours" in house.log())  # the categories are known
    bob = house.discord.user("bob")
    alice = house.discord.user("alice", roles=("contributors",))
    question = {"gpu": "h100", "model": "meta-llama/Llama-3.1-8B"}
    asked = await bob.slash("throughput", question, channel=talk)
    form = await alice.click(asked.message, "Post to Discussions")
    await alice.submit(form.modal, {"Title": "How fast is it?"}, on=asked.message)
    await house.until(lambda: len(house.messages("talk")) == 1)
    await house.quiet()
    (told,) = house.messages("talk")
    (discussion,) = house.discussions()
    text = message_text(told.json)
    assert "How fast is it?" in text and "asked by Bob · posted by Alice" in text
    assert discussion.url in str(told.json) and "Asked by **Bob**" in discussion.body
    assert told.pings == set()
