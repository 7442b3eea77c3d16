"""The log of every request, what the bot did wrong, and how many changes were under way at once."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.github.errors import Json


@dataclass(eq=False)
class Call:
    """One request; ``status`` stays 0 until it is answered, and when its connection is cut.

    ``name`` is the first field of a GraphQL document (``createDiscussion``) or the REST verb and
    path; ``names`` are all that a fault or a hold may call it. Times are of ``time.monotonic``.
    """

    at: float
    kind: str
    name: str
    names: frozenset[str] = frozenset()
    variables: Json = field(default_factory=dict)
    body: Any = None
    document: str = ""
    token: str = ""
    user_agent: str = ""
    status: int = 0
    applied: bool = False
    ended: float = 0.0
    login: str = ""
    by_app: bool = False

    @property
    def input(self) -> Json:
        """The mutation's input as a dict."""
        given = self.variables.get("input", {})
        return given if isinstance(given, dict) else {}

    @property
    def changes(self) -> bool:
        """Whether it is a mutation, or a REST call that writes to the repository."""
        verb = self.name.partition(" ")[0]
        writes = self.kind == "rest" and verb in ("PUT", "POST", "PATCH", "DELETE")
        return self.kind == "mutation" or (writes and "access_tokens" not in self.name)

    @property
    def took_s(self) -> float:
        """How long the answer took, in seconds."""
        return (self.ended or time.monotonic()) - self.at


@dataclass(frozen=True)
class Violation:
    """A request that GitHub would refuse because the bot built it wrongly."""

    name: str
    problem: str
    document: str = field(default="", repr=False)
