"""Reading what strangers send: sizes, types and nesting are checked before anything is made."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic_core import from_json

from bot.web.errors import Problem

# 256 KiB holds every config.json of the catalogue several times; parsed in about 3 ms.
MAX_JSON = 256 * 1024
# A line of 8,000 characters, each at worst 12 bytes once percent-encoded.
MAX_FORM = 128 * 1024
MAX_FIELDS = 100
# 256 KiB at 140 kbit/s; who is slower only holds a connection that others need.
READ_S = 15.0
# Only such spellings can overflow to infinity; looking closer at every body would cost 1 ms each.
MAYBE_INFINITE = re.compile(rb"[eE]\+?\d{3}|\d{308}")

# What reading a body raises when its sender goes away or sends it malformed.
BROKEN_OFF = (ConnectionError, web.RequestPayloadError, HttpProcessingError)


async def read_json(request: web.Request) -> dict[str, Any]:
    """The JSON object of the body. Raises ``Problem`` with 400, 413 or 415."""
    if request.content_type != "application/json":
        raise Problem(415, "Send JSON, with the header Content-Type: application/json.")
    body = await _read(request, MAX_JSON)
    try:
        parsed = from_json(body, allow_inf_nan=False, cache_strings="none")
        if MAYBE_INFINITE.search(body):
            json.dumps(parsed, allow_nan=False)
    except ValueError as error:
        raise Problem(400, f"That is not JSON that can be used: {_reason(error)}.") from None
    if not isinstance(parsed, dict):
        raise Problem(400, 'The body must be a JSON object, such as {"gpu": "h100"}.')
    return parsed


async def read_form(request: web.Request) -> dict[str, str]:
    """The fields of a plain form. Raises ``Problem`` with 400, 413 or 415."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Problem(415, "Send a plain form (application/x-www-form-urlencoded).")
    text = (await _read(request, MAX_FORM)).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise Problem(400, f"A form of more than {MAX_FIELDS} fields is not read.") from None


async def _read(request: web.Request, limit: int) -> bytes:
    message = f"That is larger than the {limit // 1024} KiB that are read here."
    if (request.content_length or 0) > limit:
        raise Problem(413, message)
    if request.headers.get("Content-Encoding", "identity").casefold() != "identity":
        raise Problem(415, "Send it uncompressed, without Content-Encoding.")
    try:
        async with asyncio.timeout(READ_S):
            body = await request.read()
    except TimeoutError:
        raise Problem(408, f"The request did not arrive within {READ_S:.0f} s.") from None
    except BROKEN_OFF:
        raise Problem(400, "The request did not arrive whole.") from None
    if len(body) > limit:
        raise Problem(413, message)
    return body


def _reason(error: ValueError) -> str:
    reason = str(error)
    if "recursion" in reason:
        return "it is nested too deeply"
    if "Out of range float" in reason or "out of range" in reason:
        return "it holds a number that is too large"
    return re.sub(r"[^\x20-\x7e]", "?", reason)[:120]
