"""The pages as one aiohttp application, and how it is served."""

from __future__ import annotations

import logging
from typing import Any

from aiohttp import web

from bot.web import api, forms, kept, metrics, pages, pictures, runs, webhooks
from bot.web.assets import TEMPLATES, Templates, static_file
from bot.web.body import BROKEN_OFF, MAX_JSON
from bot.web.errors import errors
from bot.web.guard import guard, secure
from bot.web.services import SERVICES, Services

log = logging.getLogger(__name__)

ID = "{id:[A-Za-z0-9_-]{16,64}}"
TOOL = "{tool:[a-z][a-z0-9_-]{0,31}}"
PLACE = "{place:[0-9]{1,3}}"
FILE = "{name:[A-Za-z0-9][A-Za-z0-9._-]{0,79}}"

# A line of 8,000 characters in "Change inputs", each at worst 12 bytes once percent-encoded.
MAX_ADDRESS = 128 * 1024
SHUTDOWN_S = 3.0


class ServerLog(logging.LoggerAdapter[logging.Logger]):
    """What aiohttp's server logs. Bytes that are no HTTP are one line, not a traceback of ours:
    strangers send them all day, and could bury the log.
    """

    def exception(self, msg: object, *args: Any, exc_info: Any = True, **rest: Any) -> None:
        """As the base class, but for what its sender alone can mend."""
        if isinstance(exc_info, BROKEN_OFF):
            self.info("a request could not be read: %s", type(exc_info).__name__)
        else:
            super().exception(msg, *args, exc_info=exc_info, **rest)


def create_app(services: Services) -> web.Application:
    """The application: pages, JSON API and static files over ``services``."""
    app = web.Application(middlewares=[errors, guard], client_max_size=MAX_JSON)
    app[SERVICES] = services
    app[TEMPLATES] = Templates(services.site)
    app[pictures.PREVIEWED] = pictures.Previews()
    if services.webhooks is not None:
        app[webhooks.WEBHOOKS] = services.webhooks
    app[api.DOCUMENTS] = api.make_documents(services.commands)
    app.on_response_prepare.append(secure)
    app.add_routes(_routes())
    return app


def _routes() -> list[web.RouteDef]:
    return [
        web.get("/", pages.home),
        web.post("/", pages.run_line),
        web.get(f"/tools/{TOOL}", forms.tool_form),
        web.post(f"/tools/{TOOL}", forms.run_form),
        web.post(f"/tools/{TOOL}/preview", forms.preview),
        web.get("/preview/{key:[0-9a-f]{32}}.png", pictures.preview_picture),
        web.get(f"/r/{ID}", kept.result_page),
        web.get(f"/r/{ID}.json", kept.result_json),
        web.get(f"/r/{ID}/chart.png", kept.chart_picture),
        web.get(f"/r/{ID}/files/{PLACE}", kept.result_file),
        web.get(f"/r/{ID}/progress", runs.progress),
        web.post(f"/r/{ID}/cancel", runs.cancel),
        web.get(f"/r/{ID}/artefacts/{FILE}", runs.file),
        web.post(f"/r/{ID}/fix/{PLACE}", pages.press_fix),
        web.get("/api/tools", api.list_tools),
        web.post(f"/api/tools/{TOOL}", api.run_tool),
        web.get("/api/commands", api.list_commands),
        web.get("/api/suggest", api.suggest),
        web.get("/api/openapi.json", api.describe),
        web.delete(f"/api/results/{ID}", api.delete_result),
        web.get("/static/{version}/{name}", static_file),
        web.post("/webhooks/github", webhooks.github),
        web.get("/healthz", api.healthz),
        web.get("/metrics", metrics.metrics),
    ]


async def start_pages(app: web.Application, host: str, port: int) -> tuple[web.AppRunner, str]:
    """Serve ``app``; returns the runner, to clean up, and the address to open.

    Port 0 takes any free port. Raises ``OSError`` when the address cannot be had.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        max_line_size=MAX_ADDRESS,
        shutdown_timeout=SHUTDOWN_S,
        auto_decompress=False,  # compressed bodies are refused: a small one can become huge
        logger=ServerLog(log, {}),
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host.strip("[]"), port).start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner, _address(host, runner.addresses)


def _address(host: str, addresses: list[Any]) -> str:
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))
    shown = f"[{name}]" if ":" in name else name
    return f"http://{shown}:{addresses[0][1]}"
