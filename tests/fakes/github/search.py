"""The search index: qualifiers and words, and how far it lags behind what is stored."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

from tests.fakes.github.errors import Json
from tests.fakes.github.paging import connection
from tests.fakes.github.world import Discussion

if TYPE_CHECKING:
    from tests.fakes.github.server import FakeGitHub

COUNTS = ("codeCount", "issueCount", "repositoryCount", "userCount", "wikiCount")


def find(github: FakeGitHub, given: Json) -> Json:
    """Return a page of the discussions the index knows and the query fits, newest first."""
    indexed = time.monotonic() - github.search_lag_s
    words = _words(given["query"])
    wanted = given["type"] == "DISCUSSION"
    known = [d for d in github.discussions if wanted and d.made_s <= indexed]
    found = [d for d in known if all(_fits(github, d, w) for w in words)]
    counts = dict.fromkeys(COUNTS, 0) | {"discussionCount": len(found)}
    return connection(found[::-1], given, **counts)


def _words(query: str) -> list[str]:
    try:
        return shlex.split(query)
    except ValueError:
        return query.split()


def _fits(github: FakeGitHub, discussion: Discussion, word: str) -> bool:
    key, colon, value = word.partition(":")
    if not colon or key not in ("repo", "author", "category", "label", "in", "is", "sort"):
        return word.lower() in f"{discussion.title}\n{discussion.body}".lower()
    if key == "repo":
        return value.lower() == github.repository.lower()
    if key == "author":
        return value.lower() == discussion.author.lower()
    if key == "category":
        return value.lower() == discussion.category.name.lower()
    return value in discussion.labels if key == "label" else True
