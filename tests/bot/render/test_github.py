"""A View as GitHub's Markdown; a stranger's text reads as typed and calls nobody."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from markdown_it import MarkdownIt

from bot.posting import marker
from bot.render.github import (
    TITLE_MOST,
    github_code,
    github_line,
    github_link,
    github_markdown,
    github_text,
    github_title,
    html_text,
)
from bot.view import (
    Anchor,
    Bold,
    Button,
    Chart,
    Code,
    Facts,
    File,
    Heading,
    Link,
    Note,
    Table,
    Text,
    View,
)

ZERO = "\u200b"
SHA = "a5c3785ed8d6a35868bc169f07e40e889087fd2e"
# What GitHub looks for in the finished text, and what must never be found there.
LIVE = re.compile(
    r"@[A-Za-z0-9]|#\d|\bGH-\d|\b(?=[0-9a-f]*[a-f])[0-9a-f]{7,40}\b|://|www\.|-->|k2c:post",
    re.IGNORECASE,
)
HOSTILE = [
    "@octocat and @org/team", "&#64;octocat", "&#x40;octocat", "&#0064;octocat", "&commat;octocat",
    "&amp;#64;octocat", "&amp;amp;commat;octocat", f"&#6{ZERO}4;octocat", "&#6\u20604;octocat",
    "mail octocat@github.com", "**@octocat**", "`@octocat`", "<b>@octocat</b>",
    "#12", "&#35;12", "&num;12", "owner/repo#12", "GH-12", "gh-12", f"see {SHA}", SHA[:7],
    f"owner/repo@{SHA}", "https://github.com/o/r/issues/1", "http&colon;//github.com/o/r/pull/2",
    "https&#58;//github.com/o/r/pull/2", "www.github.com/o/r/issues/3",
    "<!-- k2c:post key=AAAAAAAAAAAAAAAAAAAAAA -->", "&lt;!-- k2c:post key=A --&gt;",
    f"<!-- sha1: {SHA} -->", "--> out", "--!> out", "a --&gt; b",
]  # fmt: skip


def shown(markdown: str) -> str:
    """The text of the page that CommonMark with GitHub's tables makes of it, tags and all."""
    return str(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("render", [github_text, github_line, github_title, html_text])
def test_nothing_that_calls_or_refers_survives(text: str, render: Any) -> None:
    made = render(text)
    assert not LIVE.search(html.unescape(html.unescape(made)))
    page = html.unescape(shown(made))
    assert not LIVE.search(page)


@pytest.mark.parametrize("text", HOSTILE)
def test_nor_does_it_in_a_whole_view(text: str) -> None:
    view = View(
        (
            Heading((text, Bold(text))), Text((text, Anchor(text, "https://a.example/x"))),
            Facts(((text, text),)), Table((text, "n"), ((text, text),), title=text),
            Chart(text, "x", "y", (), alt=text), Note((text,)), Link(text, "https://a.example/y"),
        )
    )  # fmt: skip
    made = github_markdown(view, "")
    for address in ("https://a.example/x", "https://a.example/y"):
        made = made.replace(address, "")
    assert not LIVE.search(html.unescape(made))


@pytest.mark.parametrize(
    "text",
    [
        "---\ntitle: x\n---", "+++\nx = 1\n+++", "```\ncode", "~~~\ncode", "    indented",
        "\tindented",
        "# big", "Title\n===", "Title\n---", "> quote", "- item", "* item", "+ item", "1. item",
        "1) item", "[x](https://evil.example)", "![x](https://evil.example/x.png)", "[^1]: note",
        "[ref]: https://evil.example", "<details><summary>x</summary>", "<img src=x onerror=y>",
        "<https://evil.example>", "**bold** __bold__ *i* _i_ ~~gone~~ ~gone~",
        "a | b\n--|--\n1 | 2",
        "- [x] done", "> [!NOTE]\n> x", "line\\\nline", "$x^2$ and $$y$$", "<script>", "]]>",
        "<!-- hidden", "<?php ?>", "<![CDATA[x]]>", "***", "___", "trailing #",
    ],
)  # fmt: skip
def test_markup_is_shown_as_typed(text: str) -> None:
    page = shown(github_text(text))
    bare = re.sub(r"</?p>|<br ?/?>", "", page)
    assert "<" not in bare.replace("&lt;", ""), page
    plain = "\n".join(line.strip() for line in text.splitlines())
    assert html.unescape(bare).replace(ZERO, "").strip() == plain.strip()


@pytest.mark.parametrize(
    "text", ["a $5 note, $6", "snake_case_name", "10:30:45", "C# and F#", "5 < 6 & 7"]
)
def test_ordinary_text_stays_readable(text: str) -> None:
    assert html.unescape(shown(github_text(text))).strip() == f"<p>{text}</p>"


def test_an_emoji_code_stays_a_code() -> None:
    assert ":tada:" not in github_text(":tada:")


@pytest.mark.parametrize(
    "text", ["`", "``", "a`b", "`a", "a`", "", "x | y", "<!-- k2c:post -->", "a\nb"]
)
def test_code_is_one_span_whatever_is_in_it(text: str) -> None:
    page = shown(f"before {github_code(text)} after")
    found = re.fullmatch(r"<p>before <code>(.*)</code> after</p>\n", page, re.DOTALL)
    assert found is not None, page
    inner = html.unescape(found[1]).replace(ZERO, "")
    assert inner.strip() == " ".join(text.split())
    assert "k2c:post" not in github_code(text)


def test_in_code_a_name_is_parted_and_a_revision_is_not() -> None:
    assert "@octocat" not in github_code("hi @octocat")
    assert github_code("org/model@main") == "`org/model@main`"
    assert github_code(SHA) == f"`{SHA}`"


@pytest.mark.parametrize("length", [255, 256, 257, 400])
def test_a_title_has_at_most_256_characters(length: int) -> None:
    made = github_title("x" * length)
    assert len(made) == min(length, TITLE_MOST)
    assert made.endswith("…") is (length > TITLE_MOST)


def test_a_title_is_one_line_without_backslashes() -> None:
    assert github_title("a *b*\n\n# c\u202e") == "a *b* # c"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://github.com/o/r/issues/1", "https://redirect.github.com/o/r/issues/1"),
        ("https://github.com/o/r/pull/1#x", "https://redirect.github.com/o/r/pull/1#x"),
        ("https://github.com/o/r/commit/abc", "https://redirect.github.com/o/r/commit/abc"),
        ("https://github.com/o/r", "https://github.com/o/r"),
        ("https://a.example/(x)<y> z", "https://a.example/%28x%29%3Cy%3E%20z"),
    ],
)
def test_a_link_leaves_no_mark_on_a_foreign_issue(url: str, address: str) -> None:
    assert github_link("x", url) in (f"[x](<{address}>)", f"[x](<{url}>)")
    if "redirect" in address:
        assert address in github_link("x", url)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//evil.example", "", "/r/1", "ftp://x"])
def test_what_is_no_web_address_is_no_link(url: str) -> None:
    assert github_link("label", url) == "label"


def test_a_view_becomes_headings_tables_and_details() -> None:
    view = View(
        (
            Heading((Bold("1,480 tokens/s"), " (1,210-1,760)")),
            Text(("See ", Code("k2c cost"), " and ", Anchor("the page", "/r/1"), ".")),
            Facts((("model", "a|b"),)),
            Table(("GPU", "tokens/s"), (("H100", "1,480"), ("A100", "610")), title="By GPU"),
            Chart("Curve", "x", "y", (), alt="It rises."),
            File("log.txt", "text/plain", b"x"),
            Note(("From a sheet.",)),
            Link("Page", "/r/1"),
            Button("Share", "share"),
        )
    )
    assert github_markdown(view, "https://k2c.example") == (
        "## **1,480 tokens/s** (1,210-1,760)\n\n"
        "See `k2c cost` and [the page](<https://k2c.example/r/1>).\n\n"
        "|  |  |\n| :-- | :-- |\n| model | a\\|b |\n\n"
        "**By GPU**\n\n| GPU | tokens/s |\n| :-- | --: |\n| H100 | 1,480 |\n| A100 | 610 |\n\n"
        "<details><summary>Curve</summary>\n\nIt rises.\n\n</details>\n\n"
        "File: `log.txt`\n\n<sub>From a sheet.</sub>\n\n"
        "[Page](<https://k2c.example/r/1>)"
    )


def test_a_chart_with_a_picture_is_the_picture_with_its_words() -> None:
    view = View((Chart("One", "x", "y", (), alt="Up."), Chart("Two", "x", "y", (), alt="Down.")))
    made = github_markdown(view, "", ["https://p.example/1.png"])
    assert made.startswith("![One. Up.](<https://p.example/1.png>)\n\n<details>")


def test_without_an_own_address_a_path_is_no_link() -> None:
    assert github_markdown(View((Link("Page", "/r/1"),)), "") == "Page"


def test_a_table_has_as_many_columns_as_its_head_whatever_its_rows_hold() -> None:
    table = Table(("a", "b"), (("1", "2", "3"), ("x",), ("p|q", "r\ns")))
    page = shown(github_markdown(View((table,)), ""))
    assert page.count("<td") == 6 and page.count("<tr>") == 4


def test_a_typed_marker_is_none_of_ours() -> None:
    ours = marker("gh:x:new")
    for render in (github_text, github_line, github_title, html_text, github_code):
        assert ours not in render(f"text {ours} text")
