"""An article as its maintainers describe it, whatever form it came in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

State = Literal["published", "draft", "future"]

SHORT = 22  # characters of a short key: 132 bits, and what fits a button's id


class Article(BaseModel):
    """What is known of an article; nothing that was not given is filled in.

    ``key`` names it for good: its address without query and fragment, or ``repo:path``, or a
    feed's guid. ``topic`` is one of the site's topic ids. ``source`` is where it was read (one
    entry of K2C_ARTICLES) and ``where`` the file or entry in it. ``date`` and ``updated`` are as
    given, day or instant; ``not_before`` is the instant a future one is due.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    slug: str
    title: str
    url: str
    source: str
    where: str
    summary: str = ""
    authors: tuple[str, ...] = ()
    date: datetime | None = None
    updated: datetime | None = None
    read_min: int | None = None
    topic: str | None = None
    tags: tuple[str, ...] = ()
    featured: bool = False
    state: State = "published"

    @property
    def short_key(self) -> str:
        """The key as 22 characters of ``[A-Za-z0-9_-]``."""
        return short_key(self.key)

    def shows(self, now: datetime | None = None) -> bool:
        """Whether readers may see it: published, and its day has come."""
        at = now or datetime.now(UTC)
        return self.state != "draft" and (self.date is None or self.date <= at)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what an announcement shows; another one means that it must be edited."""
        shown = self.model_dump_json(exclude={"source", "where", "featured", "updated", "state"})
        return hashlib.sha256(shown.encode()).hexdigest()


def short_key(key: str) -> str:
    """``key`` as 22 characters that fit a button's id and a link's fragment."""
    import base64

    digest = hashlib.sha256(key.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()[:SHORT]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one file, feed or entry; ``line`` 0 where there is none to name."""

    source: str
    where: str
    line: int
    sentence: str

    def __str__(self) -> str:
        place = f"{self.where}:{self.line}" if self.line else self.where
        return f"{place}: {self.sentence}"
