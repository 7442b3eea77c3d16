"""The forms a broken answer takes, before the change was made or after it."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import struct
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from tests.fakes.github.calls import Call
from tests.fakes.github.errors import Json
from tests.fakes.github.faults import Fault
from tests.fakes.github.limits import Limits

HTML = b"<!DOCTYPE html><html><body><p>This page is taking too long to load.</p></body></html>"
SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
)
LIMITED = "API rate limit exceeded for user ID 1."
HEAVY = "Resource limits for this query exceeded."


class Cut(web.Response):
    """Stands for an answer that never arrives, because the connection is gone."""


def cut(request: web.Request) -> Cut:
    """Make the client see ECONNRESET, not a polite end."""
    transport = request.transport
    if isinstance(transport, asyncio.Transport):
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return Cut(status=500)


def gone(request: web.Request) -> bool:
    """Say whether the client no longer waits."""
    return request.transport is None or request.transport.is_closing()


async def spoil(
    request: web.Request, call: Call, fault: Fault, good: bytes | None, limits: Limits,
    hang: Callable[[], Awaitable[None]],
) -> web.StreamResponse:  # fmt: skip
    """Answer a call that meets a fault; ``good`` is the true answer where the change was made."""
    if fault.kind == "timeout":
        await hang()
        return cut(request)
    if fault.kind == "slow":
        await asyncio.sleep(fault.delay_s)
        return _json(200, good or b"")
    if fault.kind == "reset":
        return cut(request)
    if fault.kind == "truncated":
        return await _truncated(request, good or json.dumps({"data": None}).encode())
    if fault.kind == "html":
        return web.Response(status=200, body=HTML, content_type="text/html")
    if fault.kind == "partial":
        return _json(200, json.dumps(_partial(call, good)).encode())
    return _refusal(fault, limits, rest=call.kind == "rest")


def _refusal(fault: Fault, limits: Limits, *, rest: bool) -> web.Response:
    if fault.kind == "502":
        return _json(502, b'{"message": "Server Error"}')
    if fault.kind == "401":
        return _json(401, b'{"message": "Bad credentials", "status": "401"}')
    if fault.kind == "rate_limited_200":
        reset = str(math.ceil(time.time() + fault.retry_after_s))
        headers = limits.headers("core" if rest else "graphql")
        headers |= {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
        if rest:
            return _json(403, json.dumps({"message": LIMITED}).encode(), headers)
        return _json(200, json.dumps(rate_limited()).encode(), headers)
    wait = {"Retry-After": f"{fault.retry_after_s:g}"}
    return _json(int(fault.kind[:3]), json.dumps({"message": SECONDARY}).encode(), wait)


def rate_limited() -> Json:
    """Return how GraphQL says that no points are left."""
    return {"errors": [{"type": "RATE_LIMITED", "message": LIMITED}]}


def _partial(call: Call, good: bytes | None) -> Json:
    """Return data beside an error: the result, or null where nothing was changed."""
    error = {"type": "RESOURCE_LIMITS_EXCEEDED", "message": HEAVY, "path": [call.name]}
    found: Json = json.loads(good) if good else {"data": {call.name: None}}
    return found | {"errors": [error]}


def _json(status: int, raw: bytes, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=raw, content_type="application/json", headers=headers)


async def _truncated(request: web.Request, raw: bytes) -> web.StreamResponse:
    """Promise the whole body and send half of it."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(raw)
    await response.prepare(request)
    await response.write(raw[: len(raw) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
