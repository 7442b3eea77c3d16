"""One request to Discord, done once, its answer told as it is.

The library repeats what failed and sleeps as long as Discord asks. It posts a forum's post again
after a 502 that came after the work (there is no nonce for those), sits through an hour's limit of
crossposts, and stops for good where a global limit's sleep is cancelled. So lasting effects are
requested here, over the library's own connections, and the outbox says what is tried again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import aiohttp
from discord.http import Route

if TYPE_CHECKING:
    from bot.integrations.discord_client.client import K2CClient

log = logging.getLogger(__name__)

TRIES_S = (7.0, 7.0)  # of a request that may be repeated: same nonce, same state afterwards
ONE_TRY_S = 15.0
BETWEEN_S = 0.5
DEFAULT_WAIT_S = 5.0  # a 429 that does not say how long


class Refusal(Exception):
    """Discord certainly did not do it; ``code`` is its own number for why."""

    def __init__(self, status: int, code: int, words: str) -> None:
        super().__init__(f"{status} (error code: {code}): {words}")
        self.status = status
        self.code = code


class Busy(Exception):
    """A rate limit: certainly not done; again after ``after_s``, ``whole``: anything at all."""

    def __init__(self, after_s: float, *, whole: bool) -> None:
        super().__init__(f"Discord asks us to wait {after_s:.0f} s")
        self.after_s = after_s
        self.whole = whole


class Unsure(Exception):
    """Whether it was done cannot be told."""


async def repeat(client: K2CClient, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
    """A request that does no more when it is made twice. Raises ``Refusal``, ``Busy``, ``Unsure``.

    After a try of unknown outcome a refusal of the next one says nothing of the first.
    """
    unsure: Exception | None = None
    for limit_s in TRIES_S:
        try:
            return await once(client, method, path, body, limit_s)
        except Unsure as error:
            log.info("%s %s again: %s", method, path, error)
            unsure = error
            await asyncio.sleep(BETWEEN_S)
        except (Refusal, Busy) as error:
            if unsure is not None:
                raise Unsure(f"{unsure}, then {error}") from error
            raise
    raise Unsure(str(unsure))


async def once(
    client: K2CClient,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    limit_s: float = ONE_TRY_S,
) -> Any:
    """The answer to one request. Raises ``Refusal``, ``Busy``, ``Unsure``."""
    http = client.http
    headers = {"Authorization": f"Bot {http.token}", "User-Agent": http.user_agent}
    try:
        async with (
            aiohttp.ClientSession(
                connector=http.connector,
                connector_owner=False,
                timeout=aiohttp.ClientTimeout(total=limit_s),
            ) as session,
            session.request(
                method, Route.BASE + path, json=body, headers=headers, proxy=http.proxy,
                proxy_auth=http.proxy_auth, allow_redirects=False,
            ) as answer,
        ):  # fmt: skip
            return _told(answer, await answer.read())
    except (OSError, aiohttp.ClientError, TimeoutError, RuntimeError) as error:
        raise Unsure(f"{method} {path} broke off: {error!r}") from error


def _told(answer: aiohttp.ClientResponse, content: bytes) -> Any:
    try:
        said = json.loads(content) if content else None
    except ValueError:
        said = None
    words = said if isinstance(said, dict) else {}
    if 200 <= answer.status < 300:
        return said
    if answer.status == 429:
        raise _busy(answer, words)
    if 400 <= answer.status < 500 and answer.status != 408:
        message = str(words.get("message") or "no reason given")[:200]
        raise Refusal(answer.status, _whole(words.get("code")), message)
    raise Unsure(f"Discord answered {answer.status}")


def _busy(answer: aiohttp.ClientResponse, words: Mapping[str, Any]) -> Busy:
    """A 429 of Discord, or of what stands before it, which has the header alone."""
    told = words.get("retry_after", answer.headers.get("Retry-After"))
    try:
        after_s = max(float(told), 0.05) if told is not None else DEFAULT_WAIT_S
    except (TypeError, ValueError):
        after_s = DEFAULT_WAIT_S
    return Busy(after_s, whole=bool(words.get("global")) or "message" not in words)


def _whole(code: object) -> int:
    return code if isinstance(code, int) else 0
