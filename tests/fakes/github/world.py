"""What lives in the repository: categories, discussions, comments; and who may see them when."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

SITE = Path(__file__).resolve().parents[3] / "content" / "site.json"
TOPIC_EMOJI = ":bulb:"
# What an installation was granted, and under "repository" the account's role.
PERMISSIONS = {
    "discussions": "write", "contents": "write", "metadata": "read", "repository": "write",
}  # fmt: skip
LABELS = ("documentation", "question", "kernels", "inference", "attention")


@dataclass
class Category:
    """A category of Discussions; ``announcement``: only writers may start a discussion there."""

    id: str
    name: str
    slug: str
    emoji: str
    answerable: bool
    announcement: bool = False
    description: str = ""
    number: int = 0


@dataclass(eq=False)
class Comment:
    """A comment, or a reply to one (then ``reply_to`` is set and ``replies`` stays empty)."""

    id: str
    body: str
    author: str
    replies: list[Comment]
    is_answer: bool
    url: str
    number: int
    created_at: datetime
    updated_at: datetime
    discussion: Discussion = field(repr=False)
    reply_to: Comment | None = field(default=None, repr=False)
    by_app: bool = False
    made_s: float = field(default_factory=time.monotonic)


@dataclass(eq=False)
class Discussion:
    """A discussion; ``by_app``: an installation wrote it, so REST calls its author k2c-bot[bot]."""

    id: str
    number: int
    title: str
    body: str
    author: str
    category: Category
    url: str
    created_at: datetime
    updated_at: datetime
    labels: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list, repr=False)
    locked: bool = False
    closed: bool = False
    closed_at: datetime | None = None
    answer_chosen_at: datetime | None = None
    answer_chosen_by: str | None = None
    by_app: bool = False
    made_s: float = field(default_factory=time.monotonic)

    @property
    def answer(self) -> Comment | None:
        """The comment chosen as the answer."""
        return next((c for c in self.all_comments() if c.is_answer), None)

    def all_comments(self) -> Iterator[Comment]:
        """Yield the comments, each followed by its replies."""
        for comment in self.comments:
            yield comment
            yield from comment.replies


def slug(name: str) -> str:
    """Return a category's part of an address: ``Inference & Serving`` -> inference-serving."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def default_categories() -> list[Category]:
    """Return one category for each topic of content/site.json, and three of GitHub's own."""
    topics = [t["name"] for t in json.loads(SITE.read_text(encoding="utf-8"))["topics"]]
    made = [make_category(name, 101 + n, TOPIC_EMOJI) for n, name in enumerate(topics)]
    made.append(make_category("General", 201, ":speech_balloon:"))
    made.append(make_category("Announcements", 202, ":mega:", announcement=True))
    made.append(make_category("Q&A", 203, ":pray:", answerable=True))
    return made


def make_category(
    name: str, number: int, emoji: str = ":bulb:", *, answerable: bool = False,
    announcement: bool = False,
) -> Category:  # fmt: skip
    """Return a category with a node id made of its number."""
    node_id = f"DIC_kwDOFake{number}"
    return Category(node_id, name, slug(name), emoji, answerable, announcement, number=number)


def utc_now() -> datetime:
    """Return the time as GitHub stores it: UTC, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def stamp(at: datetime | None) -> str | None:
    """Return a time as GitHub writes it."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def label_id(name: str) -> str:
    """Return the node id of a label, which holds its name."""
    return "LA_kwDOFake" + name.encode().hex()


def label_name(node_id: str, known: Sequence[str]) -> str | None:
    """Return which of the ``known`` labels has this id."""
    return next((name for name in known if label_id(name) == node_id), None)
