"""The fake's own endpoints, for a benchmark that keeps it in a process of its own."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from aiohttp import web

from tests.fakes.github.errors import Json

if TYPE_CHECKING:
    from tests.fakes.github.server import FakeGitHub


def urls(github: FakeGitHub) -> Json:
    """Return what a bot and a benchmark need to reach the fake."""
    return {
        "api_base": github.api_base, "control": github.api_base + "/_control",
        "token": github.token, "login": github.login, "repository": github.repository,
    }  # fmt: skip


def add_routes(app: web.Application, github: FakeGitHub) -> None:
    """Serve ``/_control/state``, ``discussion`` and ``fault``."""

    async def state(request: web.Request) -> web.Response:
        return web.json_response(_state(github))

    async def discussion(request: web.Request) -> web.Response:
        made = github.add_discussion(**await request.json())
        return web.json_response({"id": made.id, "number": made.number, "url": made.url})

    async def fault(request: web.Request) -> web.Response:
        return web.json_response(dataclasses.asdict(github.faults.add(**await request.json())))

    app.router.add_get("/_control/state", state)
    app.router.add_post("/_control/discussion", discussion)
    app.router.add_post("/_control/fault", fault)


def _state(github: FakeGitHub) -> Json:
    posts = [{"number": d.number, "title": d.title, "body": d.body, "labels": d.labels,
              "comments": len(list(d.all_comments()))} for d in github.discussions]  # fmt: skip
    return urls(github) | {
        "discussions": posts, "calls": len(github.calls), "mutations": len(github.mutations),
        "gaps_s": github.gaps_s, "most_in_flight_mutations": github.most_in_flight_mutations,
        "violations": [dataclasses.asdict(v) for v in github.violations],
    }  # fmt: skip
