"""What one look at all article sources found."""

from __future__ import annotations

from dataclasses import dataclass

from content.sources.article import Article, Problem


@dataclass(frozen=True, slots=True)
class Polled:
    """Articles of all sources, one an address, in the order of the sources.

    ``problems`` are all that stand now, ``problems_new`` those that were not reported yet.
    ``failed`` are the sources that could not be read now: what was known of them is in
    ``articles`` still. ``broken`` are (source, where) of single files and entries that could not
    be used now: that an article of theirs is missing does not mean that it was withdrawn.
    ``feeds`` are the sources of which only the newest entries can be seen.
    """

    articles: tuple[Article, ...] = ()
    problems: tuple[Problem, ...] = ()
    problems_new: tuple[Problem, ...] = ()
    failed: frozenset[str] = frozenset()
    broken: frozenset[tuple[str, str]] = frozenset()
    feeds: frozenset[str] = frozenset()

    def may_be_hidden(self, source: str, where: str) -> bool:
        """Whether an article of there may exist though it is not among ``articles``."""
        return source in self.failed or source in self.feeds or (source, where) in self.broken


def problem_id(problem: Problem) -> str:
    """What makes two problems the same one; the line moves with every edit above it."""
    return "\n".join((problem.source, problem.where, problem.sentence))
