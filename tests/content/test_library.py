from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from content.library import Library
from content.sources.article import Article

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def article(slug: str, title: str = "T", days: int | None = 1, **more: Any) -> Article:
    url = f"https://mlsystems.dev/blog/{slug}"
    date = None if days is None else NOW - timedelta(days=days)
    return Article(
        key=url, slug=slug, title=title, url=url, source="s", where=slug, date=date, **more
    )


def library(*articles: Article) -> Library:
    made = Library()
    made.replace(articles)
    return made


def slugs(made: Library, search: str = "", topic: str | None = None) -> list[str]:
    return [one.slug for one in made.find(search, topic, NOW)]


def test_the_newest_comes_first_and_what_has_no_date_last() -> None:
    made = library(article("old", days=9), article("none", days=None), article("new", days=1))
    assert slugs(made) == ["new", "old", "none"]


def test_drafts_and_what_is_not_due_are_not_shown_nor_counted() -> None:
    made = library(
        article("draft", state="draft", topic="rag"),
        article("future", days=-1, state="future", topic="rag"),
        article("shown", topic="rag"),
    )
    assert slugs(made) == slugs(made, topic="rag") == slugs(made, "t") == ["shown"]
    assert made.counts(NOW) == {"rag": 1}
    later = NOW + timedelta(days=2)
    assert [a.slug for a in made.find("", None, later)] == ["future", "shown"]
    assert made.counts(later) == {"rag": 2} and len(made.all()) == 3


def test_a_word_in_the_title_counts_more_than_in_tags_and_summary() -> None:
    made = library(
        article("summary", "B", 1, summary="about routing"),
        article("tag", "B", 2, tags=("routing",)),
        article("title", "Routing", 9),
    )
    assert slugs(made, "routing") == ["title", "tag", "summary"]


def test_words_are_found_by_their_beginning_and_without_accents() -> None:
    made = library(article("a", "Größe des Cafés: MoE-routing"), article("b", "moebius"))
    assert slugs(made, "GROSSE") == slugs(made, "cafe rout") == slugs(made, "größe") == ["a"]
    assert slugs(made, "moe") == ["a", "b"], "a whole word before a beginning"
    assert slugs(made, "afe") == slugs(made, "moe nothing") == slugs(made, "...") == []


def test_authors_and_the_topic_are_found_too() -> None:
    made = library(article("a", authors=("lchen",), topic="inference"))
    assert slugs(made, "lchen") == slugs(made, "inference") == ["a"]


def test_topics_are_counted_and_searched_apart() -> None:
    made = library(
        article("a", topic="rag"), article("b", topic="rag", days=2), article("c", days=3)
    )
    assert made.counts(NOW) == {"rag": 2, None: 1}
    assert slugs(made, topic="rag") == ["a", "b"] and slugs(made, topic="evals") == []
    assert slugs(made, "t", "rag") == ["a", "b"]


def test_an_empty_library_has_nothing() -> None:
    assert slugs(Library()) == [] and Library().counts() == {}
