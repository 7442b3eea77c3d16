"""RSS, Atom and JSON feeds as articles."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from content.sources.address import canonical, web_address
from content.sources.article import Article, Problem
from content.sources.fields import SUMMARY, TITLE, Entry
from content.sources.topics import Topics
from content.sources.values import instant, names, one_line, storable
from content.sources.yaml_texts import Broken

MAX_ENTRIES = 2_000
MAX_TAGS = 300_000  # 5 MiB of nothing but tags took 26 s to parse
MAX_GUID = 500
JSON_FEED = "https://jsonfeed.org/version/"
DEEP = 400  # opening brackets in a row: no feed's, and json recurses into them
HIDDEN = (("<!--", "-->"), ("<script", "</script"), ("<style", "</style"))


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of any kind of feed, as texts; "" where it does not say."""

    place: int
    guid: str = ""
    link: str = ""
    title: str = ""
    summary: str = ""
    date: str = ""
    updated: str = ""
    authors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedScan:
    """The entries of a feed, what is wrong with it and the places of unusable entries.

    ``cut``: it could be read in part only, so that entries may be missing.
    """

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...] = ()
    broken: frozenset[str] = frozenset()
    cut: bool = False


def scan_feed(
    content: bytes, url: str, content_type: str, topics: Topics, source: str = ""
) -> FeedScan:
    """What the feed from ``url`` says; ``source`` is how it was configured, if redirects led
    elsewhere. Raises ``Broken`` where it is none.
    """
    source = source or url
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        items = list(_json_items(content))
        flaws: list[tuple[int, str]] = []
    else:
        items, flaws = _xml_items(content, content_type)
    problems = [Problem(source, "the feed", line, sentence) for line, sentence in flaws]
    entries: dict[str, Entry] = {}
    broken: set[str] = set()
    for item in items[:MAX_ENTRIES]:
        where = _where(item)
        try:
            article = _article(item, url, where, topics).model_copy(update={"source": source})
            if article.key in entries:
                raise Broken(0, "Another entry of the feed has the same identity.")
            entries[article.key] = Entry(article)
        except Broken as error:
            problems.append(Problem(source, where, 0, error.sentence))
            broken.add(where)
    if len(items) > MAX_ENTRIES:
        over = f"It has {len(items):,} entries; the first {MAX_ENTRIES:,} are read."
        problems.append(Problem(source, "the feed", 0, over))
    cut = bool(flaws) or len(items) > MAX_ENTRIES
    return FeedScan(tuple(entries.values()), tuple(problems), frozenset(broken), cut)


def _where(item: Item) -> str:
    """What names an entry in a report; no number, since every new entry moves the others."""
    return f"entry {one_line(item.guid or item.link or item.title, 120) or item.place}"


def _article(item: Item, feed: str, where: str, topics: Topics) -> Article:
    """Raises ``Broken`` for an entry without title or address, or with a date that is none."""
    title = one_line(_words(item.title), TITLE)
    if not title:
        raise Broken(0, "The entry has no title.")
    link = item.link or (item.guid if item.guid.startswith(("http://", "https://")) else "")
    if not link:
        raise Broken(0, "The entry has no link.")
    try:
        url = web_address(link, feed)
        date = instant(item.date) if item.date else None
        updated = instant(item.updated) if item.updated else None
    except ValueError as error:
        raise Broken(0, str(error)) from None
    found = (topics.find(tag) for tag in item.tags)
    return Article(
        key=_key(item.guid, url),
        slug=canonical(url).rpartition("/")[2],
        title=title,
        url=url,
        source=feed,
        where=where,
        summary=one_line(_words(item.summary), SUMMARY),
        authors=item.authors,
        date=date,
        updated=updated if updated != date else None,
        topic=next((topic for topic in found if topic), None),
        tags=item.tags,
    )


def _key(guid: str, url: str) -> str:
    """The guid; the address where there is none or it is the same, so that an article keeps its
    key when its file is read instead of the feed.
    """
    address = canonical(url)
    guid = storable(guid)
    is_address = "?" not in guid and guid.startswith("http") and canonical(guid) == address
    return address if is_address or not 0 < len(guid) <= MAX_GUID else guid


def _words(text: str) -> str:
    """The words of HTML, entities read. Linear in its length, whatever was left open: a regular
    expression for it took 0.5 s for 16,000 characters of ``<script``.
    """
    text = text[: 4 * SUMMARY]
    lower, kept, at = text.lower(), [], 0
    while (start := text.find("<", at)) >= 0:
        kept.append(text[at:start])
        at = _after_tag(lower, start)
        kept.append(" " if at > start + 1 else "<")
    kept.append(text[at:])
    return html.unescape("".join(kept))


def _after_tag(lower: str, start: int) -> int:
    """Where the tag, comment or script at ``start`` is over; right after the sign if it is none."""
    for opening, closing in HIDDEN:
        if lower.startswith(opening, start):
            end = lower.find(closing, start)
            return len(lower) if end < 0 else (lower.find(">", end) + 1 or len(lower))
    named = lower[start + 1 : start + 2]
    if not (named.isalpha() or named in ("/", "!", "?")) or not named:
        return start + 1
    return lower.find(">", start) + 1 or len(lower)


def _xml_items(content: bytes, content_type: str) -> tuple[list[Item], list[tuple[int, str]]]:
    """Entries of RSS or Atom. feedparser is given bytes only: a text it takes for a path or an
    address, and reads that. Of a broken feed it leaves entities as they are: so they are read
    here once more, or one missing tag would change every guid with an ampersand.
    """
    import feedparser

    if content.count(b"<") > MAX_TAGS:
        raise Broken(0, f"The feed has more than {MAX_TAGS:,} tags.")
    # No content-location: it would make addresses of guids too, which change with the host.
    read = feedparser.parse(
        content.lstrip(b" \t\r\n"),
        response_headers={"content-type": content_type} if content_type else {},
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    items = [_xml_item(place, entry) for place, entry in enumerate(read.entries, start=1)]
    if not items and not read.get("version"):
        raise Broken(0, "What it sends is no RSS, Atom or JSON feed.")
    error = read.get("bozo_exception")
    if not read.get("bozo") or not hasattr(error, "getLineNumber"):
        return items, []  # a charset that differs from the header's, a media type: no harm
    line = error.getLineNumber() or 0
    return items, [(line, f"The feed is not well-formed XML: {error.getMessage()}.")]


def _xml_item(place: int, entry: Mapping[str, Any]) -> Item:
    content = next((str(part.get("value", "")) for part in entry.get("content", ())), "")
    authors = (person.get("name", "") for person in entry.get("authors", ()))
    tags = (tag.get("label") or tag.get("term") or "" for tag in entry.get("tags", ()))
    return Item(
        place=place,
        guid=html.unescape(str(entry.get("id", ""))).strip(),
        link=html.unescape(str(entry.get("link", ""))).strip(),
        title=str(entry.get("title", "")),
        summary=str(entry.get("summary", "")) if "summary" in entry else _lead(content),
        date=_stamp(entry, "published"),
        updated=_stamp(entry, "updated"),
        authors=names([html.unescape(str(author)) for author in authors]),
        tags=names([html.unescape(str(tag)) for tag in tags]),
    )


def _stamp(entry: Mapping[str, Any], name: str) -> str:
    """feedparser reads many forms of date; what it cannot read stays as written."""
    if name not in entry:  # asking for "updated" would give "published"
        return ""
    parsed = entry.get(f"{name}_parsed")
    written = str(entry.get(name, "")).strip()
    if parsed is None:
        return written
    year, month, day, hour, minute, second = parsed[:6]
    try:
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).isoformat()
    except ValueError:  # a year below 1
        return written


def _lead(text: str) -> str:
    """The beginning of a full text, as a summary where none is given."""
    words = one_line(_words(text), 10**6)
    end = next((m.end() for m in re.finditer(r"[.!?](?=\s|$)", words[:300]) if m.end() > 80), 0)
    return words[:end] if end else one_line(words, 300)


def _json_items(content: bytes) -> Iterator[Item]:
    """Entries of a JSON Feed (jsonfeed.org, 1.0 and 1.1). Raises ``Broken``."""
    try:
        if b"[" * DEEP in content:
            raise ValueError("nested too deeply")
        feed = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 0)
        raise Broken(line, f"The JSON cannot be read: {getattr(error, 'msg', error)}.") from None
    if not isinstance(feed, dict) or not str(feed.get("version", "")).startswith(JSON_FEED):
        raise Broken(0, "What it sends is no RSS, Atom or JSON feed.")
    if not isinstance(feed.get("items"), list):
        raise Broken(0, "The JSON feed has no list of items.")
    for place, item in enumerate(feed["items"], start=1):
        yield _json_item(place, item if isinstance(item, dict) else {}, feed)


def _json_item(place: int, item: Mapping[str, Any], feed: Mapping[str, Any]) -> Item:
    people = _people(item) or _people(feed)
    tags = item.get("tags")
    text = _text(item.get("content_text")) or _text(item.get("content_html"))
    return Item(
        place=place,
        guid=_text(item.get("id")),
        link=_text(item.get("url")) or _text(item.get("external_url")),
        title=_text(item.get("title")),
        summary=_text(item.get("summary")) or _lead(text),
        date=_text(item.get("date_published")),
        updated=_text(item.get("date_modified")),
        authors=names([_text(p.get("name")) for p in people]),
        tags=names(_texts(tags)),
    )


def _people(given: Mapping[str, Any]) -> list[Any]:
    """Authors as version 1.1 lists them and 1.0 names one."""
    several = given.get("authors")
    people = several if isinstance(several, list) and several else [given.get("author")]
    return [person for person in people if isinstance(person, dict)]


def _text(value: Any) -> str:
    """A text or a number as text; "" for anything else."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value.strip() if isinstance(value, str) else str(value) if number else ""


def _texts(value: Any) -> list[Any]:
    items: Iterable[Any] = value if isinstance(value, list) else ()
    return [_text(item) for item in items]
