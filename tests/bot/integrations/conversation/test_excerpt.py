"""What a notice quotes is what a reader of the post sees first."""

from __future__ import annotations

import pytest

from bot.integrations.conversation.excerpt import LONGEST, excerpt


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("Hello\n\nworld", "Hello world"),
        ("# Title\n\n- [x] done\n- open\n1. first", "Title done open first"),
        ("> quoted\n\nmine", "mine"),
        ("<!-- k2c:post key=abc -->\ntext", "text"),
        ("text <!-- never closed", "text"),
        ("see [the docs](https://example.org/a(b)", "see the docs"),
        ("![a chart](x.png) shows", "a chart shows"),
        ("**bold** __too__ ~~gone~~ `code`", "bold too gone code"),
        ("**__both__** and `a` b `c`", "both and a b c"),
        ("2 ** 3 ** 4, a ` b ` c, **not\nclosed**", "2 ** 3 ** 4, a ` b ` c, **not closed**"),
        ("before\n```py\nx = 1\n```\nafter", "before [code] after"),
        ("before\n~~~~\nnever closed", "before [code]"),
        ("<details><summary>S</summary>in</details>", "S in"),
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
        ("| a | b |\n| --- | --- |\n| 1 | 2 |", "| a | b | | 1 | 2 |"),
        ("\r\nwindows\r\nlines", "windows lines"),
        ("", ""),
    ],
)
def test_markup_goes_and_words_stay(markdown: str, words: str) -> None:
    assert excerpt(markdown) == words


def test_a_long_post_ends_at_a_word() -> None:
    cut = excerpt("word, " * 1000)
    assert len(cut) <= LONGEST and cut.endswith("word\u2026")


def test_one_endless_word_is_cut_too() -> None:
    assert excerpt("x" * 1000) == "x" * (LONGEST - 1) + "\u2026"


@pytest.mark.parametrize(
    "hostile",
    ["`" * 65_536, "<" * 65_536, "[" * 65_536, "> " * 30_000, "<!--" * 16_000, "**a" * 20_000,
     "![" * 30_000, "~~~\n" * 16_000, "- " * 30_000, "_" * 65_536],
)  # fmt: skip
def test_hostile_text_is_cut_and_read_at_once(hostile: str) -> None:
    assert len(excerpt(hostile)) <= LONGEST
