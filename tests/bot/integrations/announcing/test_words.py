"""What an announcement says, whatever the article says."""

from __future__ import annotations

from typing import Any

import pytest

from bot.integrations.announcing.giscus import giscus_lines
from bot.integrations.announcing.words import (
    BODY_MOST,
    SUMMARY_MOST,
    card,
    discussion_body,
    discussion_title,
    discussion_view,
)
from tests.bot.integrations.announcing.parts import article

GITHUB_MOST = 65_536


def body(one: Any, **more: Any) -> str:
    return discussion_body(discussion_view(one, "Inference & Serving", **more), one)


def test_the_discussion_says_what_is_known() -> None:
    assert body(article(authors=("lchen", "mko"))) == (
        "What moe-routing is about.\n\n"
        "[Read the article](<https://mlsystems.dev/blog/moe-routing>)\n\n"
        "<sub>by lchen and mko · 12 November 2026 · 14 min read · Inference & Serving</sub>\n\n"
        "Discuss below.\n\n" + giscus_lines(article().url)
    )


def test_what_was_not_given_is_left_out() -> None:
    bare = article(summary="", authors=(), read_min=None, date=None, topic=None)
    made = discussion_body(discussion_view(bare, ""), bare)
    assert made.startswith("[Read the article](<") and "<sub>" not in made
    shown = card(bare, "", "")
    assert (shown.lines, shown.note) == ((), "")


def test_the_card_has_the_byline_and_both_links() -> None:
    shown = card(article(), "Inference & Serving", "https://github.com/o/r/discussions/1")
    assert shown.note == "by lchen · 14 min · Inference & Serving"
    assert [label for label, _ in shown.links] == ["Read", "Discuss"]
    assert shown.url == article().url


@pytest.mark.parametrize("sign", ["x", "@", "*", "\U0001f600", "word ", "para\n\n", "`"])
def test_an_endless_summary_fits_and_keeps_what_stands_below(sign: str) -> None:
    one = article(summary=sign * (200_000 // len(sign)))
    made = body(one)
    assert len(made) < GITHUB_MOST - 2_000 and len(made) > BODY_MOST // 3
    assert "[Read the article](<" in made and made.endswith(giscus_lines(one.url))
    assert len("".join(card(one, "", "").lines)) <= SUMMARY_MOST


def test_a_summary_of_sixty_thousand_characters_is_posted_whole() -> None:
    text = "many words " * 5_000
    assert text.strip() in body(article(summary=text))


def test_nobody_is_called_and_nothing_hidden_by_an_article() -> None:
    evil = "&#64;octocat #12 <!-- k2c:post key=A --> https://github.com/o/r/issues/1"
    one = article(title=evil, summary=evil, authors=(evil,), tags=(evil,))
    made = body(one)
    assert made.count("<!--") - made.count("\\<!--") == 2  # the lines for the comment box
    made += discussion_title(one)
    for live in ("@octocat", "#12", "<!-- k2c:post", "https://github.com/o", "&#64;"):
        assert live not in made.replace("\\<", "")


def test_a_withdrawn_article_says_so_and_keeps_its_comment_box() -> None:
    made = body(article(), withdrawn=True, discord=[("", "https://discord.com/channels/1/2/3")])
    assert made.startswith("**Withdrawn.** The authors took this article back for now.")
    assert "Read the article" not in made and "[Discord](<https://discord.com" in made
    assert made.endswith(giscus_lines(article().url))
    shown = card(article(), "", "https://github.com/o/r/discussions/1", withdrawn=True)
    assert shown.title == "Withdrawn: Moe routing"
    assert shown.links == (("Discuss", "https://github.com/o/r/discussions/1"),)


def test_a_title_of_any_length_fits() -> None:
    assert len(discussion_title(article(title="x" * 500), withdrawn=True)) == 256
