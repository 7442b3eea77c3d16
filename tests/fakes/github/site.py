"""The pages of the site that links lead to: a discussion, and a file's bytes."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from tests.fakes.github.server import FakeGitHub


def add_routes(app: web.Application, github: FakeGitHub) -> None:
    """Serve ``/OWNER/NAME/discussions/N`` and ``/raw/OWNER/NAME/BRANCH/PATH``."""

    async def discussion(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        found = next((d for d in github.discussions if d.number == number), None)
        if found is None or request.match_info["repo"] != github.repository:
            return web.Response(status=404)
        return web.Response(text=f"<h1>{html.escape(found.title)}</h1>", content_type="text/html")

    async def raw(request: web.Request) -> web.Response:
        if request.match_info["repo"] != github.repository or github.private:
            return web.Response(status=404)
        files = github.branches.get(request.match_info["branch"], {})
        content = files.get(request.match_info["path"])
        if content is None:
            return web.Response(status=404)
        return web.Response(body=content, content_type="application/octet-stream")

    app.router.add_get(r"/{repo:[^/]+/[^/]+}/discussions/{number:\d+}", discussion)
    app.router.add_get(r"/raw/{repo:[^/]+/[^/]+}/{branch}/{path:.+}", raw)
