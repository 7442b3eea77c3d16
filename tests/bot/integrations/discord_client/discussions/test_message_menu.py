"""What is read from a message as Discord words it."""

from __future__ import annotations

from typing import Any

import pytest

from bot.integrations.discord_client.discussions.message_menu import _said, _spoken, result_id_of

AUTHOR = {"id": "7", "username": "bob", "global_name": None}


def raw(**changes: Any) -> dict[str, Any]:
    """A message."""
    when = "2026-11-23T10:00:00+00:00"
    return {
        "id": "5", "type": 0, "content": "why?", "author": AUTHOR, "timestamp": when,
    } | changes  # fmt: skip


def test_a_message_has_its_author_its_instant_and_its_address() -> None:
    said = _said(raw(), "1", "2")
    assert said is not None and (said.author, said.content) == ("bob", "why?")
    assert said.at == 1_795_428_000 and said.url == "https://discord.com/channels/1/2/5"


@pytest.mark.parametrize(
    "changes",
    [
        {"type": 7}, {"type": 6}, {"content": " \n"}, {"content": None}, {"id": ""},
        {"content": "", "embeds": [{"title": "a link's preview"}]},
    ],
)  # fmt: skip
def test_what_nobody_said_is_no_message(changes: dict[str, Any]) -> None:
    assert _said(raw(**changes), "1", "2") is None


def test_forwarded_words_files_and_what_a_bot_shows_count() -> None:
    forwarded = _said(
        raw(content="", message_snapshots=[{"message": {"content": "from"}}]), "1", "2"
    )
    assert forwarded is not None and forwarded.content == "from"
    file = _said(raw(content="", attachments=[{"filename": "a.png"}] * 30), "1", "2")
    assert file is not None and file.attachments == ("a.png",) * 20
    bot = _said(raw(content="", author=AUTHOR | {"bot": True}, embeds=[{"title": "CI"}]), "1", "2")
    assert bot is not None and bot.embeds == ("CI",)
    odd = _said(raw(timestamp="yesterday"), "1", "2")
    assert odd is not None and odd.at > 0


def test_a_thread_begins_with_the_message_it_began_under_and_leaves_us_out() -> None:
    began = raw(id="3", content="the question", channel_id="20")
    thread = [
        raw(id="10", type=21, content="", referenced_message=began),
        raw(id="11", content="an answer"),
        raw(id="12", content="ours", author={"id": "99", "username": "k2c", "bot": True}),
        raw(id="13", type=21, content="", referenced_message=None),
    ]
    said = _spoken(thread, "1", "2", "99")
    assert [m.content for m in said] == ["the question", "an answer"]
    assert [m.url.split("/")[-2:] for m in said] == [["20", "3"], ["2", "11"]]


def test_an_answer_of_ours_is_known_by_its_buttons_and_nobody_elses() -> None:
    button = {"type": 2, "custom_id": f"k2c:change:{'A' * 22}"}
    shown = raw(components=[{"type": 17, "components": [{"type": 1, "components": [button]}]}])
    assert result_id_of(shown, "99") is None, "another author's buttons are not ours"
    ours = shown | {"author": {"id": "99"}}
    assert result_id_of(ours, "99") == "A" * 22
    assert result_id_of(ours | {"components": []}, "99") == ""
