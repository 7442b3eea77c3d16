"""/articles: what is published, by topic or by words, five a page."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bot.command import Choice, Command, options_of
from bot.house import House
from bot.render.markup import cut_at_word
from bot.runner import Asker
from bot.view import Anchor, Block, Bold, Heading, Note, Text, View
from compute.tool import Context, Fix, Refused, Request, Result, Tool
from config.settings import SettingsError
from content.library import Library
from content.names import Entry, entry, nearest, suggest
from content.site import Site, load_site
from content.sources.article import Article
from content.sources.here import read_here
from content.sources.read import site_topics

SHOWN = 5  # articles a page: on a phone they fill the screen once
TITLE, SUMMARY, NAME = 200, 120, 40  # characters that are shown of each
AUTHORS = 3


class ArticlesRequest(Request):
    """Which articles are asked for."""

    topic: Annotated[str, Field(max_length=80)] = Field(
        default="", description="one of the community's topics", examples=["inference"]
    )
    search: Annotated[str, Field(max_length=100)] = Field(
        default="", description="words of the title, the tags or the summary", examples=["moe"]
    )
    page: Annotated[int, Field(ge=1, le=10_000)] = Field(default=1, description="five a page")


class ArticleLine(BaseModel):
    """One article; what is not known of it stays empty."""

    model_config = ConfigDict(frozen=True)

    title: str
    url: str
    summary: str
    authors: tuple[str, ...]
    date: date | None
    read_min: int | None
    topic: str | None


class ArticlesResult(Result):
    """One page of ``total`` articles. ``left_out``: sources that only the running bot reads."""

    total: int
    page: int
    pages: int
    articles: tuple[ArticleLine, ...]
    left_out: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()


async def run(request: ArticlesRequest, ctx: Context) -> ArticlesResult:
    """From the directories of K2C_ARTICLES: a terminal has no running bot. Raises ``Refused``."""
    try:
        library, left_out = await asyncio.to_thread(read_here)
    except SettingsError as error:
        raise Refused(error.problems[0]) from None
    return _page(library, request).model_copy(update={"left_out": left_out})


async def live(house: House, request: ArticlesRequest, asker: Asker) -> ArticlesResult:
    """From memory. Raises ``Refused`` for a topic that is none and words that nothing has."""
    return _page(house.library, request)


def _page(library: Library, request: ArticlesRequest) -> ArticlesResult:
    topic = _topic_id(request.topic)
    found = library.find(request.search, topic)
    if request.search and not found:
        raise Refused(
            "No article has all of these words" + (" in that topic." if topic else "."),
            field="search",
            given=request.search,
            fixes=_wider(request, topic),
        )
    pages = max(-(-len(found) // SHOWN), 1)
    page = min(request.page, pages)
    return ArticlesResult(
        total=len(found),
        page=page,
        pages=pages,
        articles=tuple(_line(article) for article in found[(page - 1) * SHOWN : page * SHOWN]),
        fixes=_turns(page, pages),
    )


def _wider(request: ArticlesRequest, topic: str | None) -> tuple[Fix, ...]:
    everywhere = Fix(label="Search all topics", changes={"topic": "", "page": 1})
    newest = Fix(label="Show the newest", changes={"search": "", "page": 1})
    return (everywhere, newest) if topic else (newest,)


def _turns(page: int, pages: int) -> tuple[Fix, ...]:
    """Buttons that turn the page where it lies."""
    wanted = [("Previous", page - 1), ("Next", page + 1)]
    return tuple(
        Fix(label=label, changes={"page": to}, optional=True, in_place=True)
        for label, to in wanted
        if 1 <= to <= pages
    )


def _line(article: Article) -> ArticleLine:
    return ArticleLine(
        title=cut_at_word(article.title, TITLE),
        url=article.url,
        summary=cut_at_word(article.summary, SUMMARY),
        authors=article.authors,
        date=article.date.date() if article.date else None,
        read_min=article.read_min,
        topic=article.topic,
    )


@cache
def _site() -> Site:
    return load_site()


@cache
def _topics() -> tuple[Entry, ...]:
    return tuple(entry(topic.name, topic.id, topic.older_ids) for topic in _site().topics)


def _topic_id(text: str) -> str | None:
    """The topic's current id; None where none is asked for. Raises ``Refused``."""
    if not text:
        return None
    found = site_topics().find(text)
    if found is None:
        near = [one.value for one in nearest(text, _topics())]
        raise Refused(
            "That is none of the topics.",
            field="topic",
            given=text,
            nearest=tuple(near),
            example=None if near else _site().topics[0].id,
        )
    return found


def _suggest(text: str) -> Sequence[Choice]:
    return suggest(text, _topics())


def show(request: ArticlesRequest, result: ArticlesResult) -> View:
    """How many there are, then each with its link."""
    blocks: list[Block] = [_head(request, result)]
    named = not request.topic
    for line in result.articles:
        blocks.append(Text(("\n", Anchor(line.title, line.url))))  # a blank line between articles
        blocks += [Text((line.summary,))] if line.summary else []
        known = _known(line, named)
        blocks += [Note((known,))] if known else []
    if result.left_out:
        blocks.append(Note((f"Only the running bot reads {', '.join(result.left_out)}.",)))
    return View(tuple(blocks), tone="answer" if result.articles else "notice")


def _head(request: ArticlesRequest, result: ArticlesResult) -> Heading:
    total = result.total
    many = f"{total:,} article{'' if total == 1 else 's'}" if total else "No article yet"
    topic = _name(_topic_id(request.topic)) if request.topic else ""
    about = f" on {topic}" if topic else ""
    found = f' with "{request.search}"' if request.search else ""
    order = ", newest first" if total > 1 and not request.search else ""
    page = f" \u00b7 page {result.page} of {result.pages}" if result.pages > 1 else ""
    return Heading((Bold(many), f"{about}{found}{order}{page}"))


def _name(topic: str | None) -> str:
    found = _site().topic(topic) if topic else None
    return found.name if found else ""


def _known(line: ArticleLine, named: bool) -> str:
    """Who, how long, on what, when: as far as it is known."""
    more = len(line.authors) - AUTHORS
    who = ", ".join(cut_at_word(name, NAME) for name in line.authors[:AUTHORS]) + (
        f" and {more} more" if more > 0 else ""
    )
    minutes = f"{line.read_min} min" if line.read_min else ""
    topic = _name(line.topic) if named else ""
    day = f"{line.date.day} {line.date:%b %Y}" if line.date else ""
    return " \u00b7 ".join(part for part in (who, minutes, topic, day) if part)


COMMAND = Command(
    tool=Tool(
        name="articles",
        title="Articles",
        summary="The community's articles: newest first, by topic, or by words.",
        request=ArticlesRequest,
        result=ArticlesResult,
        run=run,
    ),
    options=options_of(ArticlesRequest, ("topic", "search"), {"topic": _suggest}),
    more=options_of(ArticlesRequest, ("page",)),
    show=show,
    live=live,
)
