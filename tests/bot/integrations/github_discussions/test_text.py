"""Titles and bodies at and over GitHub's limits; the marker stays last, hidden and whole."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from bot.integrations.github_discussions.text import as_body, as_title, carries, key_in
from bot.posting import marker
from content.sources.article import short_key

KEY = "gh:a:new"
FENCE = "```"


def last_block(body: str) -> tuple[str, int, str]:
    """Type, depth and content of the last block as a Markdown renderer sees it."""
    token = MarkdownIt("commonmark").parse(body)[-1]
    return token.type, token.level, token.content.strip()


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "",
        f"{FENCE}python\nopen fence",
        "~~~~\nopen fence\n```\ninside",
        f"1. x\n   {FENCE}\n   code in a list",
        f"- x\n\n  {FENCE}\n  code in a list",
        f"> {FENCE}\n> code in a quote",
        f"<details>\n{FENCE}\nraw",
        f"<details>\n\n{FENCE}\nfence",
        "<details><summary>a</summary>\n\n<details>\n\nb",
        "    indented code",
        "text\n" + marker("gh:b:new"),
        f"{FENCE}\n{marker('gh:b:new')}",
        "a list\n\n- b\n  - c",
        "| a | b |\n|---|---|\n| 1 | 2 |",
    ],
)
def test_the_marker_is_a_hidden_block_of_its_own_after_any_text(text: str) -> None:
    body = as_body(text, KEY)
    kind, level, content = last_block(body)
    assert (kind, level) == ("html_block", 0) and content.endswith(marker(KEY))
    assert body.splitlines()[-1] == marker(KEY) and carries(body, KEY)
    assert body.startswith(text.strip("\n"))


@pytest.mark.parametrize("text", ["<!-- never closed", "<pre>\nopen", "<script>\nopen", "<?php"])
def test_html_that_is_left_open_swallows_no_more_than_the_eye(text: str) -> None:
    body = as_body(text, KEY)
    assert last_block(body)[0] == "html_block" and carries(body, KEY)


def test_details_that_are_left_open_are_closed_before_the_marker() -> None:
    body = as_body("<details>\n\n<details>\n\n`</details>` is code\n\n</details>\n\nx", KEY)
    assert body.count("</details>") >= 2 and body.index(marker(KEY)) > body.rindex("</details>")
    assert as_body("<details>\n\nx\n\n</details>", KEY).count("</details>") == 1


def room() -> int:
    return 65_536 - len(marker(KEY)) - 2


@pytest.mark.parametrize("letter", ["a", "\U0001f600"])
def test_a_body_that_just_fits_is_whole_and_one_more_is_cut(letter: str) -> None:
    whole = as_body(letter * room(), KEY)
    assert whole == f"{letter * room()}\n\n{marker(KEY)}" and len(whole) == 65_536
    cut = as_body(letter * (room() + 1), KEY)
    assert len(cut) <= 65_536 and "Cut here" in cut and carries(cut, KEY)


def test_a_long_body_is_cut_between_blocks() -> None:
    body = as_body("\n\n".join(f"Paragraph {n} ends here." for n in range(5_000)), KEY)
    kept = body.split("\n\n*Cut here")[0]
    assert len(kept) > 64_000 and kept.endswith("ends here.")


def test_a_long_block_of_code_is_cut_between_lines_and_closed() -> None:
    body = as_body(f"Intro.\n\n{FENCE}python\n" + "print('x')\n" * 9_000 + FENCE, KEY)
    kept = body.split("\n\n*Cut here")[0]
    assert 64_000 < len(body) <= 65_536 and kept.endswith(f"print('x')\n{FENCE}")
    assert last_block(body)[2] == marker(KEY)


@pytest.mark.slow
def test_what_is_cut_inside_details_is_closed() -> None:
    body = as_body("<details><summary>All</summary>\n\n" + "Some words.\n\n" * 9_000, KEY)
    assert body.count("</details>") == 1 and last_block(body)[2].endswith(marker(KEY))


@pytest.mark.slow
def test_hidden_lines_at_the_end_outlive_the_cut() -> None:
    giscus = "<!-- sha1: 356a192b7913b04c54574d18c28d46e6395428ab -->"
    body = as_body("Some words.\n\n" * 9_000 + giscus + "\n", KEY)
    assert body.endswith(f"{giscus}\n\n{marker(KEY)}") and "Cut here" in body


def test_a_fence_of_very_many_backticks_is_posted_all_the_same() -> None:
    body = as_body("`" * 60_000 + "\ncode\n" * 3_000, KEY)
    assert len(body) <= 65_536 and carries(body, KEY)


def test_characters_that_json_or_github_cannot_take_are_left_out() -> None:
    assert as_body("a\x00b\x1b[31mc\ud800d\ttab", KEY).startswith("ab[31mcd\ttab\n")


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("a" * 256, "a" * 256),
        ("a" * 257, "a" * 255 + "…"),
        ("two\nlines\tand  spaces ", "two lines and spaces"),
        (" \n", "(no title)"),
        ("\U0001f600" * 300, "\U0001f600" * 255 + "…"),
    ],
)
def test_titles_are_one_line_of_256_characters(title: str, shown: str) -> None:
    assert as_title(title) == shown


def test_the_last_marker_line_counts_and_only_a_whole_line() -> None:
    ours, theirs = marker(KEY), marker("gh:b:new")
    assert key_in(f"{theirs}\nx\n{ours}\r\n") == short_key(KEY)
    assert key_in(f"{ours}\nsomebody added a line") == short_key(KEY)
    assert not carries(f"{ours}\n\n{theirs}", KEY)
    assert key_in(f"see {ours}") == "" and key_in("") == ""
