from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from bot.command import answer, repaired, suggestions
from bot.commands.articles import COMMAND, SHOWN, ArticlesRequest, live, run
from bot.house import House
from bot.line import command_line, parse_options
from bot.render.discord import Shown, payload
from bot.runner import Asker, Outcome
from bot.terminal import run_tool
from bot.view import Anchor, Button, Heading, Note, Text, View, plain
from compute.inputs import check_inputs
from compute.tool import Refused
from content.library import Library
from content.sources.article import Article
from tests.sample import PlainContext

NOW = datetime.now(UTC)
ASKER = Asker("discord", user_id="7")


def article(number: int, **more: Any) -> Article:
    given: dict[str, Any] = {
        "key": f"k{number}",
        "slug": f"a{number}",
        "title": f"Article {number}",
        "url": f"https://mlsystems.dev/blog/a{number}",
        "source": "s",
        "where": "w",
        "date": NOW - timedelta(days=number),
        "topic": "inference",
    }
    return Article(**(given | more))


def house(*articles: Article) -> House:
    library = Library()
    library.replace(articles)
    return House(library=library)


async def asked(at: House, **inputs: Any) -> Outcome:
    request = check_inputs(COMMAND.tool, inputs)
    assert isinstance(request, ArticlesRequest)
    result = await live(at, request, ASKER)
    return Outcome("a" * 22, COMMAND.tool, inputs, request, result, None)


def head(view: View) -> str:
    assert isinstance(view.blocks[0], Heading)
    return plain(view.blocks[0].words)


def links(view: View) -> list[Anchor]:
    texts = (block for block in view.blocks if isinstance(block, Text))
    return [span for text in texts for span in text.words if isinstance(span, Anchor)]


def labels(view: View) -> list[str]:
    return [block.label for block in view.blocks if isinstance(block, Button)]


async def test_an_article_is_shown_with_what_is_known_of_it_and_no_more() -> None:
    whole = article(1, title="A", summary="S.", authors=("x", "y"), read_min=14,
                    date=datetime(2026, 11, 12, tzinfo=UTC))  # fmt: skip
    bare = article(2, title="B", date=None, topic=None)
    view = answer(COMMAND, await asked(house(whole, bare)))
    assert head(view) == "2 articles, newest first"
    assert links(view) == [Anchor("A", whole.url), Anchor("B", bare.url)]
    notes = [plain(block.words) for block in view.blocks if isinstance(block, Note)]
    assert notes == ["x, y \u00b7 14 min \u00b7 Inference & Serving \u00b7 12 Nov 2026"]


async def test_pages_are_turned_with_buttons() -> None:
    at = house(*(article(number) for number in range(12)))
    first = await asked(at)
    view = answer(COMMAND, first)
    assert head(view) == "12 articles, newest first \u00b7 page 1 of 3"
    assert len(links(view)) == SHOWN and labels(view)[0] == "Next"
    second = await asked(at, **repaired(first, 0))
    view = answer(COMMAND, second)
    assert links(view)[0].text == "Article 5" and labels(view)[:2] == ["Previous", "Next"]
    last = await asked(at, **repaired(second, 1))
    assert len(links(answer(COMMAND, last))) == 2
    assert labels(answer(COMMAND, last))[0] == "Previous"
    assert await asked(at, page=99) and "page 3 of 3" in head(
        answer(COMMAND, await asked(at, page=99))
    )


async def test_turning_keeps_what_was_asked_for() -> None:
    at = house(*(article(number, topic="rag") for number in range(6)), article(7))
    first = await asked(at, topic="Retrieval & RAG", search="article")
    second = await asked(at, **repaired(first, 0))
    assert second.request == ArticlesRequest(topic="Retrieval & RAG", search="article", page=2)
    assert head(answer(COMMAND, second)).startswith('6 articles on Retrieval & RAG with "article"')


async def test_the_slash_command_lists_topic_and_search_alone() -> None:
    assert [option.name for option in COMMAND.options] == ["topic", "search"]
    inputs: dict[str, JsonValue] = {"topic": "rag", "search": "index", "page": 2}
    line = command_line(COMMAND, inputs)
    assert line == "/articles topic:rag search:index page:2"
    typed = parse_options(COMMAND, line.removeprefix("/articles "))
    assert check_inputs(COMMAND.tool, typed) == ArticlesRequest(topic="rag", search="index", page=2)


async def test_the_ten_topics_are_offered_and_older_ids_taken() -> None:
    option = COMMAND.options[0]
    assert len(suggestions(option, "")) == 10
    assert suggestions(option, "eval")[0] == ("Evaluation", "evals")
    at = house(article(1, topic="models"))
    for topic in ("models", "multimodal", "Models", "MODELS "):
        assert "1 article on Models" in head(answer(COMMAND, await asked(at, topic=topic)))


async def test_a_topic_that_is_none_names_the_nearest() -> None:
    with pytest.raises(Refused) as error:
        await asked(house(), topic="inferense")
    assert error.value.refusal.nearest == ("inference",)
    with pytest.raises(Refused) as error:
        await asked(house(), topic="zzz")
    assert error.value.refusal.example == "inference"


async def test_words_that_nothing_has_are_refused_with_a_way_on() -> None:
    at = house(article(1, topic="rag"))
    with pytest.raises(Refused) as error:
        await asked(at, search="zebra", topic="rag")
    refusal = error.value.refusal
    outcome = Outcome(
        "a" * 22, COMMAND.tool, {"search": "zebra", "topic": "rag"}, None, None, refusal
    )
    assert labels(answer(COMMAND, outcome))[:2] == ["Search all topics", "Show the newest"]
    assert (await asked(at, **repaired(outcome, 1))).result is not None
    with pytest.raises(Refused):
        await asked(at, **repaired(outcome, 0))


async def test_a_topic_without_articles_says_so() -> None:
    view = answer(COMMAND, await asked(house(), topic="mlops"))
    assert head(view) == "No article yet on MLOps & Deployment"


async def test_drafts_and_the_future_are_not_shown() -> None:
    at = house(article(1, state="draft"), article(-1, state="future"), article(2))
    assert len(links(answer(COMMAND, await asked(at)))) == 1


async def test_the_longest_page_fits_into_a_message() -> None:
    long = {"title": "t " * 250, "summary": "s " * 2_000, "authors": ("n" * 80,) * 20}
    at = house(*(article(number, **long) for number in range(11)))
    view = answer(COMMAND, await asked(at, page=2))
    text = str(payload(view, Shown("a" * 22, "https://k2c.example", public=True)))
    assert "does not fit" not in text and text.count("https://mlsystems.dev/blog") == SHOWN


async def test_hostile_titles_stay_text() -> None:
    at = house(article(1, title="[x](https://evil.example) @everyone **b**"))
    text = str(payload(answer(COMMAND, await asked(at)), Shown("a" * 22)))
    assert "](https://evil" not in text and "**b**" not in text


async def test_the_terminal_reads_the_directories_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "moe.md").write_text("---\ntitle: MoE routing\n---\n")
    feed = "https://blog.example.org/feed.xml"
    monkeypatch.setenv("K2C_ARTICLES", f"{tmp_path},{feed}")
    result = await run(ArticlesRequest(search="rout"), PlainContext())
    assert [line.title for line in result.articles] == ["MoE routing"]
    assert result.left_out == (feed,)
    monkeypatch.setenv("K2C_POLL_S", "never")
    with pytest.raises(Refused, match="K2C_POLL_S"):
        await run(ArticlesRequest(), PlainContext())


def test_the_terminal_prints_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("K2C_ARTICLES", raising=False)
    assert run_tool(COMMAND, ["--search", "moe"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith('1 article with "moe"\n\nWhat we\'ve been getting wrong')
