"""The articles that are published, in memory: by topic, and found by words."""

from __future__ import annotations

from collections.abc import Iterable

from content.sources.article import Article


class Library:
    """One for the process; whoever reads the sources replaces what it holds."""

    def __init__(self) -> None:
        self._articles: tuple[Article, ...] = ()

    def replace(self, articles: Iterable[Article]) -> None:
        """Hold these from now on."""
        self._articles = tuple(articles)

    def all(self) -> tuple[Article, ...]:
        """Every article, drafts too, as the sources have them."""
        return self._articles
