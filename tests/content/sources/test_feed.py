"""Thirty feeds: well-formed, odd, malformed and hostile."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from content.sources.feed import FeedScan, scan_feed
from content.sources.read import site_topics
from content.sources.yaml_texts import Broken

URL = "https://blog.example.org/feed.xml"
DATE = "<pubDate>Thu, 12 Nov 2026 10:00:00 +0100</pubDate>"
LINK = "<link>https://blog.example.org/moe</link>"
ITEM = f"<item><title>T</title>{LINK}<guid isPermaLink='false'>7</guid>{DATE}</item>"


def rss(items: str, head: str = '<?xml version="1.0"?>') -> bytes:
    text = f'{head}<rss version="2.0"><channel><title>x</title>{items}</channel></rss>'
    return text.encode()


def atom(entries: str) -> bytes:
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>x</title>{entries}</feed>'.encode()


def feed(*items: dict[str, Any], **more: Any) -> bytes:
    version = "https://jsonfeed.org/version/1.1"
    return json.dumps({"version": version, "title": "x", "items": items, **more}).encode()


def scan(content: bytes, kind: str = "application/xml") -> FeedScan:
    return scan_feed(content, URL, kind, site_topics())


ENTRY = '<entry><title>T</title><link href="/moe"/><id>7</id><updated>{}</updated></entry>'
GOOD: dict[str, bytes] = {
    "rss": rss(ITEM),
    "rss with a byte order mark": b"\xef\xbb\xbf" + rss(ITEM),
    "rss with a blank first line": b"\n" + rss(ITEM),
    "rss in latin-1": rss(ITEM, '<?xml version="1.0" encoding="ISO-8859-1"?>'),
    "rss in utf-16": rss(ITEM, '<?xml version="1.0" encoding="utf-16"?>').decode().encode("utf-16"),
    "rss without channel title": rss(ITEM).replace(b"<title>x</title>", b""),
    "rss 1.0": b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    b'xmlns="http://purl.org/rss/1.0/"><channel><title>x</title></channel><item rdf:about="7">'
    b"<title>T</title><link>https://blog.example.org/moe</link></item></rdf:RDF>",
    "html in the title": rss(ITEM.replace(">T<", "><![CDATA[<b>T</b>]]><")),
    "relative link": rss(ITEM.replace("https://blog.example.org/moe", "/moe")),
    "link with tracking": rss(ITEM.replace("/moe", "/moe?utm_source=rss#x")),
    "atom": atom(ENTRY.format("2026-11-12T09:00:00Z")),
    "atom with xml:base": atom(
        '<entry xml:base="https://blog.example.org/"><title>T</title><link href="moe"/>'
        "<id>urn:7</id></entry>"
    ),
    "atom with several links": atom(
        '<entry><title type="html">&lt;i&gt;T&lt;/i&gt;</title><link rel="self" href="/self"/>'
        '<link rel="alternate" href="/moe"/><id>7</id></entry>'
    ),
    "json": feed({"id": "7", "url": "https://blog.example.org/moe", "title": "T"}),
    "json 1.0": feed(
        {"id": 7, "url": "/moe", "title": "T"}, version="https://jsonfeed.org/version/1"
    ),
    "json with a byte order mark": b"\xef\xbb\xbf" + feed({"id": "7", "url": "/moe", "title": "T"}),
}


@pytest.mark.parametrize("content", GOOD.values(), ids=GOOD)
def test_a_good_feed_gives_its_article(content: bytes) -> None:
    found = scan(content)
    assert (found.problems, found.broken, found.cut) == ((), frozenset(), False)
    (article,) = (entry.article for entry in found.entries)
    assert (article.title, article.url.partition("?")[0]) == ("T", "https://blog.example.org/moe")
    assert article.slug == "moe" and article.source == URL
    assert article.key in ("7", "urn:7", "https://blog.example.org/moe"), "rss 1.0 has no guid"


PARTLY: dict[str, tuple[bytes, str]] = {
    "no title": (rss(f"<item>{LINK}</item>{ITEM}"), "no title"),
    "no link": (rss(f"<item><title>A</title></item>{ITEM}"), "no link"),
    "a script as link": (
        rss(f"<item><title>A</title><link>javascript:x</link></item>{ITEM}"),
        "no",
    ),
    "a date that is none": (
        rss(f"<item><title>A</title><link>/a</link><pubDate>soon</pubDate></item>{ITEM}"),
        "no date such as",
    ),
    "a guid twice": (rss(ITEM + ITEM), "same identity"),
    "not closed": (rss(ITEM).replace(b"</channel></rss>", b""), "not well-formed"),
    "an ampersand": (rss(ITEM.replace(">T<", ">T<") + "<item>&</item>"), "not well-formed"),
    "an item that is no object": (
        feed({"id": "7", "url": "https://blog.example.org/moe", "title": "T"}).replace(
            b'"items": [', b'"items": [3, '
        ),
        "no title",
    ),
}


@pytest.mark.parametrize(("content", "words"), PARTLY.values(), ids=PARTLY)
def test_what_is_wrong_is_reported_and_the_rest_is_read(content: bytes, words: str) -> None:
    found = scan(content)
    assert [entry.article.title for entry in found.entries] == ["T"]
    assert found.problems and words in " ".join(p.sentence for p in found.problems)


NONE: dict[str, bytes] = {
    "nothing": b"",
    "a page": b"<!doctype html><html><body>Not found</body></html>",
    "words": b"Service unavailable",
    "json of another kind": b'{"items": []}',
    "json feed without items": b'{"version": "https://jsonfeed.org/version/1"}',
    "json cut off": b'{"version": "https://jsonfeed.org/version/1", "items": [{',
    "nested json": b'{"a":' + b"[" * 100_000,
    "nested json objects": b'{"a":' * 100_000,
    "nothing but tags": b"<rss><channel>" + b"<item>" * 400_000,
    "zeros": b"\0" * 1_000,
}


@pytest.mark.parametrize("content", NONE.values(), ids=NONE)
def test_what_is_no_feed_is_refused(content: bytes) -> None:
    with pytest.raises(Broken):
        scan(content, "")


def test_everything_that_a_feed_says_of_an_article_is_kept() -> None:
    (entry,) = scan(
        rss(
            f"<item><title>A &amp;amp; B</title>{LINK}<guid>urn:7</guid>{DATE}"
            "<author>a@example.org (Ann)</author><category>Inference &amp; Serving</category>"
            "<category>gpu</category>"
            "<description>&lt;p&gt;One &lt;b&gt;two&lt;/b&gt; &amp;lt;3&lt;/p&gt;"
            "&lt;script&gt;bad()&lt;/script&gt;</description></item>"
        )
    ).entries
    article = entry.article
    assert article.title == "A & B" and article.summary == "One two <3"
    assert article.date == datetime(2026, 11, 12, 9, tzinfo=UTC)
    assert article.tags == ("Inference & Serving", "gpu") and article.topic == "inference"
    assert article.authors == ("Ann",) and article.key == "urn:7"


def test_a_full_text_is_cut_to_its_first_sentences_where_no_summary_is_given() -> None:
    long = "This is the first sentence of a long text about kernels and clusters, and more. " * 40
    (entry,) = scan(feed({"id": "7", "url": "/a", "title": "T", "content_html": long})).entries
    assert entry.article.summary.endswith(".") and len(entry.article.summary) < 301


@pytest.mark.parametrize(
    ("markup", "words"),
    [("a <b>b</b><br/>c", "a b c"), ("1 < 2 > 0", "1 < 2 > 0"), ("<!-- <b>x</b> -->a", "a"),
     ("<SCRIPT>bad()</Script >a", "a"), ("<style>b{}</style>a", "a"), ("a <b", "a"), ("a <", "a <"),
     ("a<script>never closed", "a"), ("&lt;b&gt; &amp;", "<b> &")],
)  # fmt: skip
def test_markup_leaves_the_words(markup: str, words: str) -> None:
    item = {"id": "7", "url": "/a", "title": "T", "summary": markup}
    assert scan(feed(item)).entries[0].article.summary == words


@pytest.mark.parametrize("change", ["title", "date", "host", "summary"])
def test_neither_host_nor_date_nor_title_makes_another_article(change: str) -> None:
    item = f"<item><title>T</title>{LINK}<guid>urn:7</guid>{DATE}</item>"
    other = {
        "title": item.replace(">T<", ">U<"),
        "date": item.replace("12 Nov", "13 Nov"),
        "host": item.replace("blog.example.org", "new.example.com"),
        "summary": item.replace("<guid>", "<description>s</description><guid>"),
    }[change]
    (first,) = scan(rss(item)).entries
    moved = scan_feed(rss(other), "https://new.example.com/f", "", site_topics()).entries[0]
    assert first.article.key == moved.article.key and first.article != moved.article


def test_a_malformed_copy_of_a_feed_names_the_same_articles() -> None:
    guid = "https://x.org/?a=1&amp;b=2"
    item = f"<item><title>T &amp; U</title>{LINK}<guid>{guid}</guid>{DATE}</item>"
    whole, cut = scan(rss(item)), scan(rss(item).replace(b"</rss>", b""))
    assert cut.cut and not whole.cut
    assert whole.entries[0].article.key == cut.entries[0].article.key
    assert whole.entries[0].article.title == cut.entries[0].article.title == "T & U"


def test_a_permalink_as_guid_is_the_key_that_the_file_would_have() -> None:
    item = f"<item><title>T</title>{LINK}<guid>https://blog.example.org/moe/</guid></item>"
    assert scan(rss(item)).entries[0].article.key == "https://blog.example.org/moe"


def test_entity_bombs_and_outside_entities_bring_nothing() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(9)
    )
    head = f'{bomb}<!ENTITY f SYSTEM "file:///etc/hostname">]>'
    found = scan(rss(ITEM.replace(">T<", ">T &j; &f;<"), head))
    said = " ".join(entry.article.model_dump_json() for entry in found.entries)
    assert len(said) < 2_000 and "haha" not in said


def test_a_path_in_place_of_a_feed_is_not_opened() -> None:
    with pytest.raises(Broken):
        scan(b"/etc/passwd", "")


def test_a_feed_without_end_is_read_as_far_as_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("content.sources.feed.MAX_ENTRIES", 3)
    items = [{"id": str(n), "url": f"/{n}", "title": "T"} for n in range(5)]
    found = scan(feed(*items))
    assert len(found.entries) == 3 and found.cut and "first 3" in found.problems[0].sentence


def test_where_an_entry_is_does_not_move_with_newer_ones() -> None:
    bad = "<item><title>A</title><guid>urn:a</guid></item>"
    first, later = scan(rss(bad)), scan(rss(ITEM + bad))
    assert first.problems == later.problems and first.broken == {"entry urn:a"}


def test_a_feed_of_wrong_kinds_gives_what_can_be_read_and_can_be_stored() -> None:
    good = {"id": "7", "title": "T", "url": "https://blog.example.org/moe"}
    found = scan(
        feed(
            {**good, "id": "\ud8007", "authors": 5, "author": [1], "tags": {"a": 1}},
            {**good, "id": "8", "authors": [{"name": "A\udfff"}, 3], "tags": ["\ud800x", None]},
            {**good, "id": {}, "url": ["x"]},
            {**good, "id": "9", "url": "javascript:alert(1)"},
            {**good, "id": "10", "date_published": "9999-12-31T23:59:59-23:59"},
            authors=7, author="x",
        ),
        "application/json",
    )  # fmt: skip
    assert [entry.article.key for entry in found.entries] == ["\ufffd7", "8"]
    assert [entry.article.authors for entry in found.entries] == [(), ("A",)]
    assert len(found.problems) == 3
    for entry in found.entries:
        assert entry.article.model_dump_json() and entry.article.short_key


def test_a_year_that_there_is_not_is_a_broken_entry_only() -> None:
    found = scan(atom(ENTRY.format("0000-00-00T00:00:00Z") + ENTRY.format("2026-11-12").replace(
        "<id>7", "<id>8"
    )))  # fmt: skip
    assert [entry.article.key for entry in found.entries] == ["8"]
    assert "is no date" in found.problems[0].sentence
