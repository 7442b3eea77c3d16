"""View -> HTML: every block in order, everything escaped, no link a browser should not follow."""

from __future__ import annotations

import pytest

from bot.render.html import Around, Press, render, safe_url
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

KEPT = Around(result_id="R" * 22, line="/kv layers:1")


def html(*blocks: object, around: Around = KEPT) -> str:
    return str(render(View(tuple(blocks)), around))  # type: ignore[arg-type]


def test_words_become_bold_code_and_links_and_nothing_else() -> None:
    words = (Bold("a<b"), " & ", Code("x:<y>"), Anchor('q"', "https://example.org/?a=1&b=2"))
    assert (
        "<p><strong>a&lt;b</strong> &amp; <code>x:&lt;y&gt;</code>"
        '<a href="https://example.org/?a=1&amp;b=2" rel="noopener noreferrer nofollow">'
        "q&#34;</a></p>"
    ) in html(Text(words))


@pytest.mark.parametrize(
    "url",
    ["", "javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\nscript:x",
     "data:text/html,x", "vbscript:x", "//evil.example", "/\\evil.example", "\\\\evil.example",
     "https://", "http:evil", "file:///etc/passwd", "ftp://a/b", 'https://a/"onclick=', "https://[",
     "mailto:a@b", "https://a/\u202e", "relative"],
)  # fmt: skip
def test_an_address_that_a_browser_should_not_follow_is_only_text(url: str) -> None:
    assert safe_url(url) is None
    assert "<a " not in html(Text((Anchor("words", url),)), Link("words", url))


@pytest.mark.parametrize("url", ["/", "/r/abc?x=1", "https://example.org/a#b", "http://[::1]:80/"])
def test_web_addresses_and_own_paths_are_followed(url: str) -> None:
    assert safe_url(url) == url


def test_facts_are_a_list_of_names_and_values() -> None:
    assert "<dl" in html(Facts((("weights", "1 GiB"),)))
    assert "<div><dt>weights</dt><dd>1 GiB</dd></div>" in html(Facts((("weights", "1 GiB"),)))


def test_columns_of_numbers_stand_on_the_right_also_with_units_and_ranges() -> None:
    rows = (("H100", "1,480", "21.6 ms", "1,210-1,760"), ("B200", "", "9 ms", "2-3"))
    text = html(Table(("GPU", "tok/s", "TPOT", "range"), rows, title="output"))
    assert '<th scope="col">GPU</th>' in text
    for name in ("tok/s", "TPOT", "range"):
        assert f'<th scope="col" class="num">{name}</th>' in text
    assert "<caption>output</caption>" in text


def test_a_chart_is_a_picture_with_its_numbers_in_words() -> None:
    chart = Chart("T", "x", "y", (), alt='5 "tok/s"')
    text = html(chart, chart)
    assert f'src="/r/{"R" * 22}/chart.png" alt="T. 5 &#34;tok/s&#34;"' in text
    assert "chart.png?n=2" in text
    assert "<img" not in html(chart, around=Around()) and "tok/s" in html(chart, around=Around())


def test_buttons_stand_in_the_order_of_every_door() -> None:
    text = html(
        Heading(("x",)),
        Button("Use <2>", "fix", "0"),
        Button("Change inputs", "change"),
        Button("Assumptions", "details"),
        Button("Share", "share"),
        Button("Weird", "launch"),
        Link("Page", "/r/x"),
        around=Around("R" * 22, "/kv a:1&b", View((Note(("why <b>",)), Button("No", "change")))),
    )
    parts = ["Use &lt;2&gt;", "Change inputs", "Assumptions", "why &lt;b&gt;", "Share", "Page"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert 'href="/?line=%2Fkv%20a%3A1%26b"' in text
    assert "Weird" not in text and ">No<" not in text


def test_what_was_not_kept_offers_nothing_that_needs_a_page() -> None:
    text = html(
        Button("Fix", "fix", "0"), Button("Share", "share"), Button("Change", "change"),
        Link("Page", "/r/x"), File("a.md", "text/markdown", b"x" * 5000),
        around=Around(line="/kv", presses=(Press("Run", "/", '/kv "x"'),)),
    )  # fmt: skip
    assert "/r/" not in text and "Fix" not in text and "Share" not in text
    assert 'name="line" value="/kv &#34;x&#34;"' in text and "Change" in text


def test_a_file_is_offered_with_its_size() -> None:
    text = html(File('a".md', "text/markdown", b"x" * 5000))
    assert f'href="/r/{"R" * 22}/files/1" download="a&#34;.md"' in text and "5 KiB" in text


def test_the_tone_is_a_class_so_that_a_refusal_looks_like_one() -> None:
    assert 'class="answer refusal"' in str(render(View((), tone="refusal"), KEPT))
