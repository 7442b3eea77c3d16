"""A small GitHub on loopback for tests: GraphQL, the REST routes PyGithub calls, webhooks.

Start with ``async with FakeGitHub() as github`` and point a client at ``github.api_base`` with
``github.token`` or ``github.app``. ``github.add_discussion(...)`` is what people do on the site,
``github.faults`` and ``github.hold`` make things go wrong, ``github.violations`` must be empty at
the end.
"""

from __future__ import annotations

from tests.fakes.github.calls import Call, Violation
from tests.fakes.github.faults import KINDS, Fault, Hold
from tests.fakes.github.files import Commit
from tests.fakes.github.hooks import signature
from tests.fakes.github.schema import real_problems, real_schema
from tests.fakes.github.server import FakeGitHub
from tests.fakes.github.world import Category, Comment, Discussion

__all__ = [
    "KINDS",
    "Call",
    "Category",
    "Comment",
    "Commit",
    "Discussion",
    "FakeGitHub",
    "Fault",
    "Hold",
    "Violation",
    "real_problems",
    "real_schema",
    "signature",
]
