"""GitHub's webhooks: the signature is checked over the raw bytes, the news are a row on disk, and
then it is answered; whatever follows from them happens later.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from bot.web.body import BROKEN_OFF
from bot.web.errors import Problem, json_response

log = logging.getLogger(__name__)

MAX_BYTES = 26 * 2**20  # GitHub's own limit for a payload is 25 MB
LARGE = 64 * 1024  # parsed in a thread from here: 5 MB take 50 ms
READ_S = 15.0
MAX_WORDS = 100  # characters of a header that names something

MOST_HELD = 80 * 2**20  # bytes of all deliveries that are being read: anybody may send some

Take = Callable[[str, str, Mapping[str, Any], str], Awaitable[object]]
Held = Callable[[int], None]  # takes room for so many more bytes; raises ``Problem``


@dataclass(slots=True)
class Room:
    """How many bytes of deliveries are in memory."""

    taken: int = 0

    @contextmanager
    def held(self) -> Iterator[Held]:
        """What one delivery takes is given back at its end."""
        mine = 0

        def take(size: int) -> None:
            nonlocal mine
            if self.taken + size > MOST_HELD:
                raise Problem(503, "Too many large deliveries come at once; send it again.")
            self.taken += size
            mine += size

        try:
            yield take
        finally:
            self.taken -= mine


@dataclass(frozen=True, slots=True)
class Webhooks:
    """What the door needs: the shared ``secret``, the ``repository`` (owner/name) whose events
    count, who keeps an event (event, action, payload, delivery id) and who hears of a push.
    """

    secret: str
    repository: str
    take: Take
    pushed: Callable[[], object] = lambda: None
    room: Room = field(default_factory=Room)


WEBHOOKS: web.AppKey[Webhooks] = web.AppKey("webhooks", Webhooks)


async def github(request: web.Request) -> web.Response:
    """One delivery: 202 once it is kept, 401 unless GitHub signed it."""
    hooks = request.app.get(WEBHOOKS)
    if hooks is None:
        raise Problem(404, "No webhook is set up here: set GITHUB_WEBHOOK_SECRET.")
    with hooks.room.held() as held:
        body = await _read(request, held)
        return await _taken(hooks, request, body)


async def _taken(hooks: Webhooks, request: web.Request, body: bytes) -> web.Response:
    header = request.headers.get("X-Hub-Signature-256", "")
    large = len(body) > LARGE  # 26 MB of anybody's are hashed in 20 to 50 ms
    signed = (
        await asyncio.to_thread(is_signed, hooks.secret, body, header)
        if large
        else is_signed(hooks.secret, body, header)
    )
    if not signed:
        raise Problem(401, "The signature is missing or does not fit; check the secret.")
    event = request.headers.get("X-GitHub-Event", "")[:MAX_WORDS]
    guid = request.headers.get("X-GitHub-Delivery", "")[:MAX_WORDS]
    payload = await _parsed(body, request.content_type)
    if _repository(payload) != hooks.repository.casefold():
        return json_response({"ignored": "another repository"}, 202)
    if event == "push":
        hooks.pushed()
    elif event in ("discussion", "discussion_comment"):
        await hooks.take(event, str(payload.get("action", ""))[:MAX_WORDS], payload, guid)
    return json_response({"taken": event}, 202)


def is_signed(secret: str, body: bytes, header: str) -> bool:
    """Whether ``header`` is ``sha256=`` and the HMAC of ``body``; anything else is a no.

    Bytes are compared: on a text that is not ASCII the comparison itself would fail.
    """
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), header.encode("utf-8", "surrogateescape"))


async def _read(request: web.Request, held: Held) -> bytes:
    """The raw body; the pages' own limit is for people, a push can be 25 MB."""
    if (request.content_length or 0) > MAX_BYTES:
        raise Problem(413, "That is larger than any delivery of GitHub's.")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(READ_S):
            async for part in request.content.iter_chunked(2**18):
                size += len(part)
                if size > MAX_BYTES:
                    raise Problem(413, "That is larger than any delivery of GitHub's.")
                held(len(part))
                parts.append(part)
    except TimeoutError:
        raise Problem(408, f"The delivery did not arrive within {READ_S:.0f} s.") from None
    except BROKEN_OFF:
        raise Problem(400, "The delivery did not arrive whole.") from None
    return b"".join(parts)


async def _parsed(body: bytes, content_type: str) -> dict[str, Any]:
    form = content_type == "application/x-www-form-urlencoded"
    try:
        if len(body) > LARGE:
            found = await asyncio.to_thread(_parse, body, form)
        else:
            found = _parse(body, form)
    except (ValueError, RecursionError):
        raise Problem(400, "The delivery is not JSON.") from None
    if not isinstance(found, dict):
        raise Problem(400, "The delivery is not a JSON object.")
    return found


def _parse(body: bytes, form: bool) -> Any:
    if form:
        body = parse_qs(body.decode(), max_num_fields=10).get("payload", [""])[0].encode()
    return json.loads(body)


def _repository(payload: Mapping[str, Any]) -> str:
    repository = payload.get("repository")
    name = repository.get("full_name") if isinstance(repository, dict) else ""
    return name.casefold() if isinstance(name, str) else ""
