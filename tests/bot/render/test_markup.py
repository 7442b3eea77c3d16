"""A stranger's words as Discord markdown: shown as typed, formatting nothing, calling nobody."""

from __future__ import annotations

from typing import Any

import pytest

from bot.render.markup import escaped, markdown, visible
from bot.view import Anchor, Bold, Code


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("**bold** __under__ ~~gone~~ ||spoiler||", None),
        ("`code` ```block```", None),
        ("[link](https://evil.example)", None),
        ("<@1> <@&1> <#1> <t:0:R> </pace:1> <:e:1> <a:e:1> <id:guide>", None),
        ("# big", "\\# big"),
        ("## big", "\\## big"),
        ("-# small", "\\-# small"),
        ("- item", "\\- item"),
        ("> quote", "\\> quote"),
        (">>> quote", "\\>>> quote"),
        ("1. item", "1\\. item"),
        ("  * item", "  \\* item"),
        ("one\n# two", "one\n\\# two"),
        ("a snake_case_name <= 3 - 2 > 1", "a snake_case_name <= 3 - 2 > 1"),
        ("1,480 tokens/s (1,210-1,760)", "1,480 tokens/s (1,210-1,760)"),
        ("see https://evil.example", "see https\\://evil.example"),
        ("HTTP://evil", "HTTP\\://evil"),
    ],
)
def test_text_reads_as_it_was_typed(typed: str, shown: str | None) -> None:
    made = markdown((typed,))
    if shown is not None:
        assert made == shown
    # Whatever Discord would take for markup has a backslash before it.
    bare = made
    while "\\" in bare:
        at = bare.index("\\")
        bare = bare[:at] + bare[at + 2 :]
    for mark in ("*", "`", "[", "<@", "<#", "</", "<:", "<t", "<i", "||", "~~", "://", " _"):
        assert mark not in bare
    assert made.replace("\\", "").replace("\u200b", "") == typed


@pytest.mark.parametrize("text", ["@everyone", "@here", "@EVERYONE", "<@123>", "<@&9>", "<@!9>"])
@pytest.mark.parametrize("span", [str, Bold, Code, lambda t: Anchor(t, "https://a.example")])
def test_no_span_can_mention_anybody(text: str, span: Any) -> None:
    made = markdown((span(text),))
    assert text not in made and "\u200b" in made


@pytest.mark.parametrize(
    "text",
    ["\u202eabc\u202c", "a\u200bb", "\ufeffa", "a\u200d", "\u2066x\u2069", "a\x00b", "\ud800"],
)
def test_what_hides_or_reverses_text_is_taken_out(text: str) -> None:
    made = visible(text)
    assert made.isprintable() and not set(made) & set("\u202e\u202c\u200b\ufeff\u200d\u2066\ud800")


def test_towers_of_accents_are_cut_and_letters_of_other_scripts_stay() -> None:
    assert visible("Z" + "\u0301" * 50) == "Z\u0301\u0301"
    for text in ("\u05d0\u05d1\u05d2", "\u4f60\u597d", "caf\u00e9", "\u0e01\u0e33\u0e49", "µs ≤ 3"):
        assert visible(text) == text


def test_code_cannot_be_closed_from_inside() -> None:
    assert markdown((Code("a`b``c"),)).count("`") == 2
    assert markdown((Code(""),)) == "` `"


@pytest.mark.parametrize("url", ["javascript:x", "https://a b", "https://a>b)c", "nope"])
def test_an_anchor_that_is_no_web_address_is_text(url: str) -> None:
    made = markdown((Anchor("source", url),))
    assert made == "source" or (made.startswith("[source](<https://") and made.count(">") == 1)


def test_an_anchor_keeps_its_words_inside_the_brackets() -> None:
    made = markdown((Anchor("a](https://evil.example) b", "https://good.example/x"),))
    assert made.endswith("](<https://good.example/x>)") and "\\](" in made


def test_escaping_is_quick_for_plain_words() -> None:
    assert escaped("plain words 1,480") == "plain words 1,480"
