"""/topics: what the community writes about, and how much there is on each."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, ConfigDict

from bot.command import Command
from bot.house import House
from bot.runner import Asker
from bot.view import Block, Bold, Code, Heading, Note, Text, View
from compute.tool import Context, Refused, Request, Result, Tool
from config.settings import SettingsError
from content.library import Library
from content.site import load_site
from content.sources.here import read_here


class TopicsRequest(Request):
    """Nothing to ask."""


class TopicLine(BaseModel):
    """One topic with how many published articles it has."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    desc: str
    articles: int


class TopicsResult(Result):
    """All topics in the site's order; ``others``: articles that name no topic. ``left_out``:
    sources that only the running bot reads.
    """

    topics: tuple[TopicLine, ...]
    others: int = 0
    left_out: tuple[str, ...] = ()


async def run(request: TopicsRequest, ctx: Context) -> TopicsResult:
    """From the directories of K2C_ARTICLES: a terminal has no running bot. Raises ``Refused``."""
    try:
        library, left_out = await asyncio.to_thread(read_here)
    except SettingsError as error:
        raise Refused(error.problems[0]) from None
    return counted(library).model_copy(update={"left_out": left_out})


async def live(house: House, request: TopicsRequest, asker: Asker) -> TopicsResult:
    """From memory."""
    return counted(house.library)


def counted(library: Library) -> TopicsResult:
    """The topics with the articles that ``library`` has now."""
    counts = library.counts()
    lines = (
        TopicLine(id=t.id, name=t.name, desc=t.desc, articles=counts.get(t.id, 0))
        for t in load_site().topics
    )
    return TopicsResult(topics=tuple(lines), others=counts.get(None, 0))


def show(request: TopicsRequest, result: TopicsResult) -> View:
    """One topic a line, with what it is about."""
    total = sum(topic.articles for topic in result.topics) + result.others
    head = f"{len(result.topics)} topics"
    blocks: list[Block] = [Heading((Bold(head), f", {_many(total)}"))]
    for topic in result.topics:
        count = _many(topic.articles) if topic.articles else "none yet"
        blocks.append(Text((Bold(topic.name), f" \u00b7 {count}")))
        blocks.append(Note((topic.desc,)))
    if result.others:
        blocks.append(Note((f"{_many(result.others)} without a topic",)))
    if result.left_out:
        blocks.append(Note((f"Only the running bot reads {', '.join(result.left_out)}.",)))
    busiest = max(result.topics, key=lambda topic: topic.articles)
    blocks.append(Text(("Read them with ", Code(f"/articles topic:{busiest.id}"))))
    return View(tuple(blocks))


def _many(count: int) -> str:
    return f"{count:,} article{'' if count == 1 else 's'}"


COMMAND = Command(
    tool=Tool(
        name="topics",
        title="Topics",
        summary="The community's topics, and how many articles each has.",
        request=TopicsRequest,
        result=TopicsResult,
        run=run,
    ),
    options=(),
    show=show,
    live=live,
)
