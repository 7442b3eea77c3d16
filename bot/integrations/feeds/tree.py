"""A path of a GitHub repository as an article source, and what must be given to read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

PREFIX = "github:"
FORM = "github:owner/repo@branch:path, such as github:mlsystems/site@main:src/content/posts"
PLACE = re.compile(
    r"github:(?P<repo>[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100})"
    r"(?:@(?P<branch>[A-Za-z0-9][A-Za-z0-9._/-]{0,200}))?"
    r"(?::(?P<path>[^:]{0,400}))?"
)


@dataclass(frozen=True, slots=True)
class RepoPlace:
    """``branch`` "" is the repository's default one; ``path`` "" its root."""

    repo: str
    branch: str
    path: str


class Tree(Protocol):
    """The files under a path: where each is (from the repository's root) and its blob's SHA.

    ``unchanged``: nothing was sent because the ``etag`` that was given still holds.
    """

    @property
    def etag(self) -> str:
        """What to give next time."""

    @property
    def unchanged(self) -> bool:
        """Whether ``files`` was left out, being the same as before."""

    @property
    def files(self) -> Mapping[str, str]:
        """Path -> SHA."""


class Repositories(Protocol):
    """What reads GitHub. Both raise an exception whose text is a sentence for maintainers."""

    async def tree(self, repo: str, branch: str, path: str, etag: str) -> Tree:
        """The files under ``path``, or that nothing changed since ``etag``."""

    async def blob(self, repo: str, sha: str) -> bytes:
        """The content of one file."""


def parse_place(source: str) -> RepoPlace:
    """The place that ``source`` names. Raises ``ValueError`` with a sentence."""
    match = PLACE.fullmatch(source)
    path = (match["path"] or "").strip("/") if match else ""
    if match is None or ".." in path.split("/") or ".." in (match["branch"] or ""):
        raise ValueError(f"{source!r} is no repository path; write {FORM}.")
    return RepoPlace(match["repo"], match["branch"] or "", path)
