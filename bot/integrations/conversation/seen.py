"""What one webhook or one look at the list tells of a discussion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

State = Literal["open", "answered", "closed", "locked", "deleted", "transferred"]


class Remark(BaseModel):
    """A comment or the accepted answer; ``at`` in Unix seconds, ``excerpt`` plain words."""

    model_config = ConfigDict(frozen=True)

    id: str
    url: str
    author: str
    own: bool
    excerpt: str
    at: float


@dataclass(frozen=True, slots=True)
class Seen:
    """A discussion as it was at ``updated_at`` (Unix seconds). ``own``: a post of ours.

    ``remark`` is its newest comment or the one an event is about. ``answer`` None says that there
    is none; ``knows_answer`` is False where nothing was said of it.
    """

    number: int
    node_id: str
    title: str
    url: str
    category: str
    author: str
    own: bool
    excerpt: str
    state: State
    comments: int
    created_at: float
    updated_at: float
    answer: Remark | None = None
    knows_answer: bool = False
    remark: Remark | None = None
