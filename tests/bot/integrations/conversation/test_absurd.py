"""What is signed may still hold anything: it is stored or passed over, and stops nothing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from bot.integrations.conversation.ledger import GATHER_S
from bot.integrations.discord_client.channels.cards import card_body
from tests.bot.integrations.conversation.parts import World

ABSURD: list[Any] = [
    None, True, -1, 10**30, 2**63, 1.5, float("inf"), float("nan"), "", "\ud800", "\u202eevil",
    "x" * 70_000, "\x00", [], {}, [None], "javascript:alert(1)", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59", "2099-01-01T00:00:00", "@everyone",
]  # fmt: skip


def altered(payload: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The delivery with each of its values in turn made absurd; each of another discussion."""
    numbers = itertools.count(1_000)
    for name, value in itertools.product(("discussion", "comment", "answer"), ABSURD):
        yield {**payload, name: value}
        for key in payload[name]:
            one = {**payload, "discussion": payload["discussion"] | {"number": next(numbers)}}
            yield {**one, name: one[name] | {key: value}}


@pytest.mark.slow
async def test_absurd_values_of_a_delivery_are_stored_or_passed_over(world: World) -> None:
    asked = world.github.add_discussion(title="Why?", body="It is.", author="alice")
    said = world.github.comment(asked, "So.", "bob")
    payload = dict(world.github.event("discussion_comment.created", asked, comment=said))
    payload["answer"] = payload["comment"]
    taken = 0
    for one in altered(payload):
        for event, action in (("discussion_comment", "created"), ("discussion", "answered")):
            taken += await world.talk.take(event, action, one, "")
    assert taken > 1_000
    while await world.told(GATHER_S + 1):  # what is gathered, until nothing waits
        pass
    bodies = [card_body(card, "key", pings=False) for card in world.discord.messages.values()]
    shown = [json.dumps(body, ensure_ascii=False).encode() for body in bodies]
    assert len(shown) > 10
    links = [line for text in shown for line in text.split(b'"url": ')[1:]]
    assert links and all(line.startswith(b'"http') for line in links)
    assert not any("\u202e".encode() in text for text in shown)


async def test_a_list_with_absurd_discussions_gives_the_others(world: World) -> None:
    asked = world.github.add_discussion(title="Why?", body="It is.", author="alice")
    assert world.talk._fetch is not None
    good = dict((await world.talk._fetch(0.0))[0])
    bad: list[dict[str, Any]] = [good | {key: value} for key in good for value in ABSURD]

    async def fetch(_: float) -> list[Mapping[str, Any]]:
        return [{"number": 7}, *bad, good | {"number": 9_999, "title": "Good"}]

    world.talk._fetch = fetch
    await world.talk.poll()
    while await world.told(GATHER_S + 1):
        pass
    rows = await world.store.read(lambda db: db.conn.execute("SELECT title FROM talks").fetchall())
    assert ("Good",) in rows and asked.title == "Why?"
