"""What happens to every REST request: read, log, spoil, authorise, validate, do, answer."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import BodyPartReader, web

from tests.fakes.discord.errors import FORM_CODES, ApiError
from tests.fakes.discord.faults import Fault
from tests.fakes.discord.messages import Upload

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord

API = "/api/v10"
JSON = {"Content-Type": "application/json"}  # the library compares it letter by letter
Answer = tuple[int, Any]


@dataclass
class Call:
    """One request as the routes see it; ``status`` and ``code`` are filled in afterwards."""

    method: str
    path: str
    template: str
    at_s: float
    params: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    uploads: dict[int, Upload] = field(default_factory=dict)
    token: str = ""
    status: int = 0
    code: int = 0


@dataclass(frozen=True)
class Violation:
    """A request that Discord would refuse because the bot built it wrongly."""

    method: str
    path: str
    problem: str


Handler = Callable[["FakeDiscord", Call], Awaitable[Answer]]
Route = tuple[str, str, Handler]
"""Method, path exactly as Discord's OpenAPI file writes it, and what to do."""


def add_routes(app: web.Application, fake: FakeDiscord, routes: Iterable[Route]) -> None:
    """Serve ``routes``; anything else is a 404 that is also a violation."""
    for method, template, handler in routes:
        app.router.add_route(method, API + template, _bound(fake, template, handler))
    app.router.add_route("*", API + "/{rest:.*}", _bound(fake, "", _unknown))


def _bound(
    fake: FakeDiscord, template: str, handler: Handler
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        return await _serve(fake, request, template, handler)

    return serve


async def _unknown(fake: FakeDiscord, call: Call) -> Answer:
    fake.violations.append(Violation(call.method, call.path, "the fake has no such route"))
    raise ApiError(0, status=404)


async def _serve(
    fake: FakeDiscord, request: web.Request, template: str, handler: Handler
) -> web.StreamResponse:
    path = request.path.removeprefix(API)
    call = Call(request.method, path, template, fake.now(), dict(request.match_info))
    call.query, call.token = dict(request.query), request.headers.get("Authorization", "")
    fake.requests.append(call)
    await _read_body(request, call)
    fault = fake.faults.meet(call.method, path)
    early = await _spoil_before(request, call, fault)
    if early is not None:
        return early
    call.status, answer = await _do(fake, call, handler)
    fake.changed()
    if fault is not None:
        await asyncio.sleep(fault.late_s)
        if fault.reset == "after":
            return _reset(request)
        if fault.after and fault.status:
            return _refused(fault)
    if answer is None:
        return web.Response(status=call.status)
    headers = JSON | (_wait_headers(answer) if call.status == 429 else {})
    return web.Response(status=call.status, body=json.dumps(answer).encode(), headers=headers)


def _wait_headers(answer: dict[str, Any]) -> dict[str, str]:
    """Without ``Via`` the library takes a 429 for a ban."""
    return {"Retry-After": str(answer["retry_after"]), "Via": "1.1 google"}


async def _do(fake: FakeDiscord, call: Call, handler: Handler) -> Answer:
    try:
        _authorise(fake, call)
        if fake.spec is not None and call.template:
            found = fake.spec.problems(call.method, call.template, call.body, call.query)
            if found:
                raise ApiError(50035, found)
        return await handler(fake, call)
    except ApiError as error:
        call.code = error.code
        if error.code in FORM_CODES:
            problem = f"{error.code} {error.words()}"
            fake.violations.append(Violation(call.method, call.path, problem))
        return error.status, error.body()


def _authorise(fake: FakeDiscord, call: Call) -> None:
    by_token_in_path = call.template.startswith(("/interactions/", "/webhooks/"))
    if not by_token_in_path and call.token != f"Bot {fake.token}":
        raise ApiError(0, status=401)


async def _spoil_before(
    request: web.Request, call: Call, fault: Fault | None
) -> web.StreamResponse | None:
    if fault is None:
        return None
    await asyncio.sleep(fault.delay_s)
    if fault.reset == "before":
        return _reset(request)
    if not fault.status or fault.after:
        return None
    call.status, call.code = fault.status, fault.code
    return _refused(fault)


def _refused(fault: Fault) -> web.Response:
    body = json.dumps(fault.body()).encode()
    return web.Response(status=fault.status, body=body, headers=JSON | fault.headers())


def _reset(request: web.Request) -> web.Response:
    """Make the client see ECONNRESET, not a polite end."""
    transport = request.transport
    if isinstance(transport, asyncio.Transport):
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=500)


async def _read_body(request: web.Request, call: Call) -> None:
    if request.content_type == "multipart/form-data":
        await _read_form(request, call)
    elif raw := await request.read():
        try:
            call.body = json.loads(raw)
        except ValueError:
            call.body = raw.decode(errors="replace")


async def _read_form(request: web.Request, call: Call) -> None:
    reader = await request.multipart()
    async for part in reader:
        assert isinstance(part, BodyPartReader)
        data = bytes(await part.read(decode=False))
        if part.name == "payload_json":
            call.body = json.loads(data)
        elif number := re.fullmatch(r"files\[(\d+)\]", part.name or ""):
            kind = part.headers.get("Content-Type", "application/octet-stream")
            call.uploads[int(number[1])] = Upload(part.filename or "file", data, kind)
