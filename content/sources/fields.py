"""Front matter as an article: the names that Hugo, Jekyll, Astro, MkDocs and others give things."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import TypeVar

from content.sources.address import blog_address, canonical, web_address
from content.sources.article import Article, State
from content.sources.front_matter import FrontMatter
from content.sources.topics import Topics
from content.sources.values import instant, names, one_line, truth
from content.sources.yaml_texts import Broken, Value

TITLE, SUMMARY = 500, 4_000  # characters
MAX_READ_MIN = 24 * 60

# The first that is given counts. A key is compared without case, dashes and underscores.
SUMMARIES = ("summary", "description", "excerpt")
DATES = ("publishdate", "pubdate", "date", "publishedat", "published", "created", "createdat")
UPDATES = ("updated", "updateddate", "lastmod", "lastmodifiedat", "lastupdated", "modified")
ADDRESSES = ("url", "permalink", "canonicalurl", "canonical")
MINUTES = ("readmin", "readingtime", "readtime", "readminutes", "minutes")
SLUG_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})-(.+)")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where front matter was found: the source, the file in it, and the community's site."""

    source: str
    where: str
    site_url: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An article as it will be for good; its state depends on the time. ``hidden``: a draft."""

    article: Article
    hidden: bool = False
    expires: datetime | None = None

    def at(self, now: datetime) -> Article:
        """The article as it stands at ``now``."""
        state: State = "published"
        if self.hidden or (self.expires is not None and self.expires <= now):
            state = "draft"
        elif self.article.date is not None and self.article.date > now:
            state = "future"
        same = state == self.article.state
        return self.article if same else self.article.model_copy(update={"state": state})


@dataclass
class _Given:
    """Front matter by bare keys, and what was wrong with it so far."""

    front: FrontMatter
    values: Mapping[str, tuple[str, Value]]
    complaints: list[tuple[int, str]] = field(default_factory=list)

    def first(self, keys: tuple[str, ...]) -> tuple[str, Value]:
        """The key as written and its value; ("", "") where none is given."""
        found = (self.values[key] for key in keys if key in self.values)
        return next(((key, value) for key, value in found if value not in ("", [], {})), ("", ""))

    def text(self, keys: tuple[str, ...]) -> str:
        """A text, or "" for anything else."""
        value = self.first(keys)[1]
        return value if isinstance(value, str) else ""

    def line(self, key: str) -> int:
        """The line of a key as written."""
        return self.front.lines.get(key, 1)

    def read(self, keys: tuple[str, ...], reader: Callable[[str], T]) -> T | None:
        """What ``reader`` makes of the text. Raises ``Broken`` where it cannot."""
        key, value = self.first(keys)
        if not key:
            return None
        try:
            return reader(value if isinstance(value, str) else repr(value))
        except ValueError as error:
            raise Broken(self.line(key), f"{key}: {error}") from None


def article_of(
    front: FrontMatter, place: Place, topics: Topics
) -> tuple[Entry, list[tuple[int, str]]]:
    """The article, and (line, sentence) of what is wrong with it but can be lived with.

    Raises ``Broken`` for what must be right before it may be announced.
    """
    bare = {_bare(key): (key, value) for key, value in reversed(list(front.values.items()))}
    given = _Given(front, _unfolded(bare), list(front.complaints))
    title = one_line(given.text(("title",)) or front.heading, TITLE)
    if not title:
        raise Broken(1, "There is no title.")
    slug, day = _slug(given, place.where)
    url = _address(given, slug, place.site_url)
    article = Article(
        key=canonical(url),
        slug=slug,
        title=title,
        url=url,
        source=place.source,
        where=place.where,
        summary=one_line(given.text(SUMMARIES), SUMMARY),
        authors=_authors(given),
        date=given.read(_dates(given), instant) or day,
        updated=given.read(UPDATES, instant),
        read_min=_minutes(given),
        topic=_topic(given, topics),
        tags=_tags(given),
        featured=bool(given.read(("featured",), truth)),
    )
    return Entry(article, _hidden(given), given.read(("expirydate",), instant)), given.complaints


def _bare(key: str) -> str:
    return re.sub(r"[-_\s]", "", key).lower()


def _unfolded(bare: dict[str, tuple[str, Value]]) -> dict[str, tuple[str, Value]]:
    """With ``date: {created: ...}`` of MkDocs and ``last_update: {date: ...}`` of Docusaurus."""
    key, value = bare.get("date", ("", ""))
    if isinstance(value, dict):
        inner = {_bare(name): (key, one) for name, one in value.items()}
        bare.pop("date")
        bare = {**inner, **bare}
    key, value = bare.get("lastupdate", ("", ""))
    if isinstance(value, dict):
        bare = {"updated": (key, value.get("date", "")), **bare}
    return bare


def _dates(given: _Given) -> tuple[str, ...]:
    """``published`` is a date with some and a yes or no with others."""
    word = given.text(("published",)).strip().lower()
    flag = word in ("true", "false", "yes", "no", "on", "off")
    return tuple(key for key in DATES if not (flag and key == "published"))


def _hidden(given: _Given) -> bool:
    published = given.text(("published",))
    flag = "published" not in _dates(given)
    return (
        bool(given.read(("draft",), truth))
        or bool(given.read(("unlisted",), truth))
        or (flag and published != "" and not truth(published))
    )


def _slug(given: _Given, where: str) -> tuple[str, datetime | None]:
    """The slug and the day that the file's name gives: ``2026-11-12-moe.md``."""
    path = PurePosixPath(where)
    name = path.parent.name if path.stem == "index" and path.parent.name else path.stem
    dated = SLUG_DATE.fullmatch(name)
    try:
        day = instant(dated[1]) if dated else None
    except ValueError:
        dated, day = None, None
    own = given.text(("slug",)).strip().strip("/")
    return own or (dated[2] if dated else name), day


def _address(given: _Given, slug: str, site_url: str) -> str:
    key, value = given.first(ADDRESSES)
    placeholders = isinstance(value, str) and re.search(r"(^|/):[a-z]", value)  # of Jekyll
    try:
        if key and isinstance(value, str) and not placeholders:
            return web_address(value, site_url.rstrip("/") + "/")
        key = "slug"
        return blog_address(slug, site_url)
    except ValueError as error:
        raise Broken(given.line(key), f"{key}: {error}") from None


def _authors(given: _Given) -> tuple[str, ...]:
    several = given.first(("authors",))[1]
    return names(several) if several else names(given.first(("author",))[1], split="$")


def _minutes(given: _Given) -> int | None:
    key, value = given.first(MINUTES)
    if not key:
        return None
    number = re.search(r"\d+(\.\d+)?", value) if isinstance(value, str) else None
    minutes = round(float(number[0])) if number and len(number[0]) < 9 else 0
    if not 1 <= minutes <= MAX_READ_MIN:
        given.complaints.append((given.line(key), f"{key} is no number of minutes."))
        return None
    return minutes


def _topic(given: _Given, topics: Topics) -> str | None:
    """The topic that is named, which must be one; else the first category that is one."""
    key, value = given.first(("topicid", "topic"))
    if key:
        text = value if isinstance(value, str) else ", ".join(names(value))
        topic = topics.find(text)
        if topic is None:
            near = topics.nearest(text) or sorted(set(topics.by_spelling.values()))
            raise Broken(
                given.line(key),
                f"{key}: there is no topic {text[:60]!r}. Closest: {', '.join(near)}.",
            )
        return topic
    categories = names(given.first(("categories", "category"))[1])
    return next((found for name in categories if (found := topics.find(name))), None)


def _tags(given: _Given) -> tuple[str, ...]:
    value = given.first(("tags", "tag"))[1]
    commas = not isinstance(value, str) or "," in value
    return names(value, split="," if commas else r"\s+")
