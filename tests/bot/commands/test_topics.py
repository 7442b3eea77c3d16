from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.command import answer
from bot.commands.topics import COMMAND, TopicsRequest, live, run
from bot.house import House
from bot.render.discord import Shown, payload
from bot.runner import Asker, Outcome
from bot.view import Heading, Note, Text, View, plain
from content.library import Library
from content.site import load_site
from content.sources.article import Article
from tests.sample import PlainContext


def article(slug: str, topic: str | None) -> Article:
    url = f"https://mlsystems.dev/blog/{slug}"
    day = datetime(2026, 1, 1, tzinfo=UTC)
    return Article(
        key=url, slug=slug, title=slug, url=url, source="s", where="w", topic=topic, date=day
    )


async def shown(*articles: Article) -> View:
    library = Library()
    library.replace(articles)
    result = await live(House(library=library), TopicsRequest(), Asker("web"))
    return answer(COMMAND, Outcome("a" * 22, COMMAND.tool, {}, TopicsRequest(), result, None))


async def test_the_ten_topics_stand_in_the_sites_order_with_their_counts() -> None:
    view = await shown(article("a", "rag"), article("b", "rag"), article("c", "evals"))
    lines = [plain(block.words) for block in view.blocks if isinstance(block, Text)]
    counts = {"Retrieval & RAG": "2 articles", "Evaluation": "1 article"}
    assert lines == [
        *(f"{t.name} \u00b7 {counts.get(t.name, 'none yet')}" for t in load_site().topics),
        "Read them with /articles topic:rag",
    ]
    assert isinstance(view.blocks[0], Heading)
    assert plain(view.blocks[0].words) == "10 topics, 3 articles"


async def test_articles_without_a_topic_are_not_lost() -> None:
    view = await shown(article("a", None))
    notes = [plain(block.words) for block in view.blocks if isinstance(block, Note)]
    assert notes[-1] == "1 article without a topic"


async def test_all_topics_fit_into_a_message() -> None:
    assert "does not fit" not in str(payload(await shown(), Shown("a" * 22)))


async def test_the_terminal_counts_the_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K2C_ARTICLES", "content/articles,https://x.example/feed")
    result = await run(TopicsRequest(), PlainContext())
    counts = {topic.id: topic.articles for topic in result.topics}
    assert counts["inference"] == 2 and counts["architecture"] == 1
    assert result.left_out == ("https://x.example/feed",)
