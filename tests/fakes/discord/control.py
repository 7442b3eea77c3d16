"""The fake's own endpoints, for a benchmark that keeps it in a process of its own."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from aiohttp import web

from tests.fakes.discord.calls import JSON
from tests.fakes.discord.load import LoadPlan, Shot, run_load
from tests.fakes.discord.place import Where
from tests.fakes.discord.world import Json

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord


def urls(fake: FakeDiscord) -> Json:
    """Return what a bot and a benchmark need to reach the fake."""
    return {
        "api_base": fake.api_base,
        "gateway_url": fake.gateway_url,
        "cdn_base": fake.cdn_base,
        "control": fake.cdn_base + "/_control",
        "token": fake.token,
        "home": fake.home.id,
    }


def add_routes(app: web.Application, fake: FakeDiscord) -> None:
    """Serve ``/_control/state``, ``ready``, ``slash``, ``load``, ``fault``."""

    async def state(request: web.Request) -> web.Response:
        return _json(_state(fake))

    async def ready(request: web.Request) -> web.Response:
        wanted = set(request.query.get("commands", "").split(",")) - {""}
        timeout_s = float(request.query.get("timeout_s", "30"))
        await fake.ready(timeout_s)
        await fake.wait_for(lambda: wanted <= {c["name"] for c in fake.commands}, timeout_s)
        return _json(_state(fake))

    async def slash(request: web.Request) -> web.Response:
        return _json(await _slash(fake, await request.json()))

    async def load(request: web.Request) -> web.Response:
        body = await request.json()
        shots = tuple(Shot(**shot) for shot in body.pop("shots"))
        result = await run_load(fake, LoadPlan(shots=shots, **body))
        return _json(result.as_json())

    async def fault(request: web.Request) -> web.Response:
        body = await request.json()
        planned = fake.fault(body.pop("method"), body.pop("path"), **body)
        return _json(dataclasses.asdict(planned))

    app.router.add_get("/_control/state", state)
    app.router.add_get("/_control/ready", ready)
    app.router.add_post("/_control/slash", slash)
    app.router.add_post("/_control/load", load)
    app.router.add_post("/_control/fault", fault)


def _json(answer: Json) -> web.Response:
    return web.Response(body=json.dumps(answer).encode(), headers=JSON)


def _state(fake: FakeDiscord) -> Json:
    return urls(fake) | {
        "connected": len(fake.gateway.sockets),
        "identifies": len(fake.identifies),
        "commands": [c["name"] for c in fake.commands],
        "syncs": fake.syncs,
        "requests": len(fake.requests),
        "interactions": len(fake.interactions.by_id),
        "violations": [dataclasses.asdict(v) for v in fake.violations],
    }


async def _slash(fake: FakeDiscord, body: Json) -> Json:
    """Run one command; ``guild`` names a server, ``edited`` also waits for an edit."""
    user = fake.user(body.get("user", "alice"))
    where: Where = {"dm": bool(body.get("dm")), "user_install": bool(body.get("user_install"))}
    if name := body.get("guild"):
        where["guild"] = fake.guild(name)
    reply = await user.slash(body["command"], body.get("options") or {}, **where)
    if body.get("edited"):
        await reply.edited(timeout=float(body["edited"]))
    message = reply.interaction.response and reply.interaction.response.json
    return {"ack_ms": reply.ack_ms, "type": reply.type, "message": message}
