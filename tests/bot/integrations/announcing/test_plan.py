"""What is to be done next, from what was done: order, links, edits, and when to wait."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.effects import Effect, Told
from bot.integrations.announcing.plan import (
    NEW_ALONE,
    NEW_EARLY,
    NEW_MESSAGE,
    TAKEN_BACK,
    Planned,
    is_due,
    is_settled,
    next_effects,
    targets,
)
from bot.integrations.announcing.records import Post, Record
from bot.integrations.announcing.scene import FALLBACK_S, Channel, Places
from bot.posting import Card
from tests.bot.integrations.announcing.parts import article

NOW = 1_800_000_000.0
SHORT = article().short_key
GH, DC = f"gh:{SHORT}:new", f"dc:100:{SHORT}:new"
WHERE = Places(
    topic="Inference & Serving", github=True, wants_github=True, category="Serving",
    channels=(Channel("100", "1"),),
)  # fmt: skip
DISCUSSION = {"id": "D_1", "number": 7, "url": "https://github.com/o/r/discussions/7"}
MESSAGE = {
    "channel_id": "100", "message_id": "55", "thread_id": "", "crosspostable": False,
    "url": "https://discord.com/channels/1/100/55",
}  # fmt: skip


def record(**given: Any) -> Record:
    made = Record(article().key, SHORT, article(), "announced", announced_at=NOW)
    return replace(made, **given)


def sent(receipt: dict[str, Any]) -> Told:
    return Told("sent", receipt, "", 1)


class Game:
    """Plans, and keeps what was planned as the database would."""

    def __init__(self, where: Places = WHERE, **given: Any) -> None:
        self.record = record(**given)
        self.where = where
        self.posts = {post.target: post for post in targets(self.record, where)}
        self.told: dict[str, Told] = {}
        self.now = NOW

    def next(self) -> list[Planned]:
        planned = next_effects(
            self.record, list(self.posts.values()), self.told, self.where, self.now
        )
        for one in planned:
            self.posts[one.post.target] = one.post
            self.told[one.effect.key] = Told("waiting", {}, "", 0)
        return planned

    def keys(self) -> list[str]:
        return [one.effect.key for one in self.next()]

    def done(self, key: str, receipt: dict[str, Any] | None = None) -> None:
        self.told[key] = sent(receipt or {})

    def settled(self) -> bool:
        return is_settled(self.record, list(self.posts.values()), self.told, self.where)


def card(effect: Effect) -> Card:
    return Card.model_validate(effect.payload["card"])


def test_first_the_discussion_then_the_message_then_the_link_back() -> None:
    game = Game()
    assert game.keys() == [GH]
    assert game.keys() == []  # it is waited for
    game.done(GH, DISCUSSION)
    (message,) = game.next()
    assert message.effect.key == DC and message.reason == NEW_MESSAGE
    assert ("Discuss", DISCUSSION["url"]) in card(message.effect).links
    game.done(DC, MESSAGE)
    (edit,) = game.next()
    assert edit.effect.key == f"gh:{SHORT}:edit:1"
    assert f"[Discord](<{MESSAGE['url']}>)" in str(edit.effect.payload["body"])
    assert edit.effect.payload["key"] == GH
    assert not game.settled()
    game.done(edit.effect.key)
    assert game.keys() == [] and game.settled()


def test_what_hangs_on_a_message_comes_once_and_the_thread_is_what_is_linked() -> None:
    where = replace(WHERE, channels=(Channel("100", "1", thread=True),))
    game = Game(where)
    game.next()
    game.done(GH, DISCUSSION)
    game.next()
    game.done(DC, MESSAGE | {"crosspostable": True})
    assert game.keys() == [f"dc:100:{SHORT}:crosspost", f"dc:100:{SHORT}:thread"]
    game.done(f"dc:100:{SHORT}:crosspost")
    assert game.keys() == []  # the link waits for the thread
    game.done(f"dc:100:{SHORT}:thread", {"thread_id": "55", "url": "https://discord.com/t/55"})
    (edit,) = game.next()
    assert "(<https://discord.com/t/55>)" in str(edit.effect.payload["body"])


def test_a_forum_post_gets_no_thread_and_its_title_is_edited() -> None:
    where = replace(WHERE, channels=(Channel("100", "1", thread=True),))
    game = Game(where)
    game.next()
    game.done(GH, DISCUSSION)
    game.next()
    game.done(DC, MESSAGE | {"channel_id": "777", "thread_id": "777"})
    assert game.keys() == [f"gh:{SHORT}:edit:1"]
    game.done(f"gh:{SHORT}:edit:1")
    game.record = record(article=article(title="Better"))
    edits = {one.effect.key: one.effect.payload for one in game.next()}
    message = edits[f"dc:100:{SHORT}:edit:1"]
    assert (message["channel_id"], message["title"]) == ("777", "Better")


def test_edits_of_one_place_never_overtake_each_other() -> None:
    game = Game(replace(WHERE, channels=()))
    game.next()
    game.done(GH, DISCUSSION)
    game.next()
    game.record = record(article=article(title="Two"))
    assert game.keys() == [f"gh:{SHORT}:edit:1"]
    game.record = record(article=article(title="Three"))
    assert game.keys() == []
    game.told[f"gh:{SHORT}:edit:1"] = Told("never", {}, "gone", 1)
    (edit,) = game.next()
    assert edit.effect.key == f"gh:{SHORT}:edit:2" and edit.effect.payload["title"] == "Three"
    game.done(edit.effect.key)
    game.record = record(article=article(title="Two"))
    assert game.keys() == [f"gh:{SHORT}:edit:3"]


def test_an_edit_waits_until_its_post_is_there() -> None:
    game = Game(replace(WHERE, channels=()))
    game.next()
    game.record = record(article=article(title="Two"))
    game.told[GH] = Told("unknown", {}, "timeout", 1)
    assert game.keys() == []
    game.done(GH, DISCUSSION)
    assert game.keys() == [f"gh:{SHORT}:edit:1"]


def test_a_discussion_that_was_given_up_is_not_edited_and_not_linked() -> None:
    game = Game()
    game.next()
    game.told[GH] = Told("never", {}, "refused", 1)
    (message,) = game.next()
    assert message.reason == NEW_ALONE and "Discuss" not in dict(card(message.effect).links)
    game.done(DC, MESSAGE)
    assert game.keys() == [] and game.settled()


@pytest.mark.parametrize(
    ("told", "heard_s", "waited_s", "goes"),
    [
        (Told("waiting", {}, "502", 3), 0, FALLBACK_S - 1, False),
        (Told("waiting", {}, "502", 3), 0, FALLBACK_S, True),
        (Told("unknown", {}, "", 1), 0, FALLBACK_S, True),
        (Told("waiting", {}, "", 0), 0, FALLBACK_S, True),
        # In a queue behind others that are being posted: no sign of a GitHub that is down.
        (Told("waiting", {}, "", 0), FALLBACK_S - 5, FALLBACK_S, False),
        (Told("waiting", {}, "", 0), 10, FALLBACK_S + 10, True),
        # Others are posted, this one is refused: it is not waited for longer.
        (Told("waiting", {}, "no category", 1), FALLBACK_S - 5, FALLBACK_S, True),
    ],
)  # fmt: skip
def test_ten_minutes_without_github_let_the_message_go(
    told: Told, heard_s: float, waited_s: float, goes: bool
) -> None:
    game = Game(replace(WHERE, github_heard_at=NOW + heard_s))
    game.next()
    game.told[GH] = told
    game.now = NOW + waited_s
    planned = game.next()
    assert [one.reason for one in planned] == ([NEW_EARLY] if goes else [])
    if goes:
        game.done(DC, MESSAGE)
        game.done(GH, DISCUSSION)
        edits = {one.effect.key: one.effect for one in game.next()}
        assert dict(card(edits[f"dc:100:{SHORT}:edit:1"]).links)["Discuss"] == DISCUSSION["url"]
        assert str(MESSAGE["url"]) in str(edits[f"gh:{SHORT}:edit:1"].payload["body"])


@pytest.mark.parametrize(
    "where",
    [
        replace(WHERE, github=False),  # what stands there is not known yet
        replace(WHERE, category=""),
    ],
)
def test_a_github_that_cannot_be_used_yet_holds_the_message_for_ten_minutes(where: Places) -> None:
    game = Game(where)
    assert game.keys() == []
    game.now = NOW + FALLBACK_S
    assert game.keys() == [DC]
    assert not game.settled()
    game.where = WHERE
    assert game.keys() == [GH]


def test_without_github_the_message_goes_at_once() -> None:
    game = Game(Places(channels=(Channel("100", "1"),)))
    (message,) = game.next()
    assert (message.effect.key, message.reason) == (DC, NEW_ALONE)


def test_a_channel_that_is_not_known_yet_waits_and_holds_up_no_other() -> None:
    where = replace(WHERE, channels=(Channel("100", "1", ready=False), Channel("200", "1")))
    game = Game(where)
    game.next()
    game.done(GH, DISCUSSION)
    assert game.keys() == [f"dc:200:{SHORT}:new"]
    assert not game.settled()


def test_the_discussion_links_every_channel_after_all_are_there_or_ten_minutes() -> None:
    where = replace(WHERE, channels=(Channel("100", "1"), Channel("200", "2")))
    game = Game(where)
    game.next()
    game.done(GH, DISCUSSION)
    game.next()
    game.done(DC, MESSAGE)
    assert game.keys() == []
    game.now = NOW + FALLBACK_S
    (one,) = game.next()
    assert f"[Discord](<{MESSAGE['url']}>)" in str(one.effect.payload["body"])
    game.done(one.effect.key)
    second = MESSAGE | {
        "url": "https://discord.com/channels/2/200/66", "channel_id": "200",
        "channel_name": "news",
    }  # fmt: skip
    game.done(f"dc:200:{SHORT}:new", second)
    (both,) = game.next()
    body = str(both.effect.payload["body"])
    assert f"or in Discord: [1](<{MESSAGE['url']}>), [\\#" in body
    assert "#news](<https://discord.com/channels/2/200/66>)." in body


@pytest.mark.parametrize(
    ("receipt", "role"),
    [({"mention_role": "7"}, "7"), ({"mention_role": ""}, ""), ({}, "8")],
    ids=["posted", "posted without", "adopted"],
)
def test_an_edit_keeps_the_line_with_the_role_that_the_post_has(
    receipt: dict[str, Any], role: str
) -> None:
    """What is configured by now says nothing of a message that stands there."""
    game = Game(replace(WHERE, channels=(Channel("100", "1", ping_role="7"),)))
    game.next()
    game.done(GH, DISCUSSION)
    (posted,) = game.next()
    assert posted.effect.payload["mention_role"] == "7"
    game.done(DC, MESSAGE | receipt)
    game.where = replace(WHERE, channels=(Channel("100", "1", ping_role="8"),))
    game.record = replace(game.record, article=article(title="Anew"))
    edits = [one for one in game.next() if one.effect.kind == "discord.edit"]
    assert [one.effect.payload["mention_role"] for one in edits] == [role]


def test_labels_follow_the_tags() -> None:
    where = replace(WHERE, channels=())
    game = Game(where, article=article(tags=("moe",)))
    game.next()
    game.done(GH, DISCUSSION)
    (labels,) = game.next()
    assert labels.effect.key == f"gh:{SHORT}:label:1"
    assert labels.effect.payload == {"discussion_id": "D_1", "names": ["moe"]}
    game.record = record(article=article(tags=("moe", "kernels")))
    assert f"gh:{SHORT}:label:2" not in game.keys()  # noqa: SIM118
    game.done(labels.effect.key)
    assert f"gh:{SHORT}:label:2" in [one.effect.key for one in game.next()]


def test_one_that_is_withdrawn_creates_nothing_more_and_says_so_where_it_stands() -> None:
    game = Game()
    game.next()
    game.done(GH, DISCUSSION)
    game.record = record(withdrawn=True)
    (edit,) = game.next()
    assert edit.reason == TAKEN_BACK
    assert edit.effect.payload["title"] == "Withdrawn: Moe routing"
    game.done(edit.effect.key)
    assert game.keys() == [] and game.settled()
    game.record = record()
    back = game.keys()
    assert back == [f"gh:{SHORT}:edit:2", DC]


def test_another_topic_moves_the_discussion_and_leaves_the_messages_where_they_are() -> None:
    game = Game()
    game.next()
    game.done(GH, DISCUSSION)
    game.next()
    game.done(DC, MESSAGE)
    game.next()
    game.done(f"gh:{SHORT}:edit:1")
    game.record = record(article=article(topic="training"))
    game.where = replace(WHERE, topic="Training Systems", category="Training", channels=())
    kinds = {one.effect.kind: one.effect.payload for one in game.next()}
    assert kinds["github.edit"]["category"] == "Training"
    assert kinds["discord.edit"]["channel_id"] == "100"


@pytest.mark.parametrize(
    ("given", "due"),
    [
        ({}, True),
        ({"state": "baseline"}, False),
        ({"state": "skipped"}, False),
        ({"withdrawn": True}, False),
        ({"article": article(state="draft")}, False),
        ({"article": article(date=datetime.fromtimestamp(NOW, UTC) + timedelta(days=1))}, False),
        (
            {
                "article": article(date=datetime.fromtimestamp(NOW, UTC) + timedelta(days=1)),
                "by": "42",
            },
            True,
        ),
        ({"article": article(state="draft"), "by": "42"}, False),
        ({"article": article(date=None)}, True),
    ],
)
def test_what_is_due(given: dict[str, Any], due: bool) -> None:
    assert is_due(record(**({"state": "waiting"} | given)), NOW) is due


def test_a_post_names_what_its_effects_are_called_by() -> None:
    assert Post(DC, SHORT, "100").base == f"dc:100:{SHORT}"
