"""What the rest of the bot is told of GitHub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Node = dict[str, Any]  # an object as GraphQL gives it


@dataclass(frozen=True, slots=True)
class Adopted:
    """A post of ours that GitHub holds: ``key_short`` is what its marker says (posting.marker).

    ``id`` is its node id, ``number``, ``title`` and ``category`` its Discussion's;
    ``created_at`` in Unix seconds. ``body`` as it stands, marker and all.
    """

    key_short: str
    kind: Literal["discussion", "comment"]
    id: str
    number: int
    url: str
    title: str
    category: str
    created_at: float
    body: str = ""


@dataclass(frozen=True, slots=True)
class Tree:
    """The files under a path: where each is (from the repository's root) and its blob's SHA.

    ``unchanged``: nothing was sent because the ``etag`` that was given still holds.
    """

    etag: str
    unchanged: bool = False
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Status:
    """How GitHub stands. ``waiting``: requests that wait for their turn; instants in Unix seconds,
    0 for none; ``rate_left`` -1 before the first answer.
    """

    repository: str
    login: str
    problem: str
    waiting: int
    last_error: str
    last_error_at: float
    rate_left: int
    rate_limit: int
    rate_reset_at: float
    quiet_until: float


class GitHubUnread(Exception):
    """Something could not be read now; the message is a sentence for maintainers."""
