"""``k2c worker check``: asks the running bot for a run of the self-check and waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from bot.operator_key import HEADER, read_key

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from config.settings import Settings

ASK_EVERY_S = 0.2
PATIENCE_S = 180.0
CANCEL_S = 3.0
STEPS = {"seconds": 1.0, "steps": 4, "file_kib": 1024}


class CheckFailed(Exception):
    """Why there was no answer, as one sentence."""


def check_worker(settings: Settings, *, cuda: bool) -> int:
    """Print how far it is and what came back; 0 when a worker answered."""
    if not settings.http_port:
        sys.stderr.write("k2c: Set K2C_HTTP_PORT to the port of the pages that k2c up printed.\n")
        return 1
    try:
        asyncio.run(_check(settings, "cuda" if cuda else "any"))
    except CheckFailed as failed:
        sys.stderr.write(f"k2c: {failed}\n")
        return 1
    return 0


async def _check(settings: Settings, where: str) -> None:
    import aiohttp

    base_url = f"http://{_host(settings)}:{settings.http_port}"
    headers = {"X-Delete-Key": secrets.token_urlsafe(24), HEADER: read_key(settings.data_dir)}
    began = time.monotonic()
    try:
        async with aiohttp.ClientSession(base_url, headers=headers) as http:
            result_id = await _ask(http, where)
            async with _cancelling(http, result_id):
                await _follow(http, result_id)
            async with http.get(f"/r/{result_id}.json") as reply:
                _print(await reply.json(), time.monotonic() - began)
    except (aiohttp.ClientConnectionError, TimeoutError):
        raise CheckFailed(f"No bot answers on {base_url}: start it with k2c up.") from None
    except (aiohttp.ClientError, ValueError, LookupError, TypeError):
        raise CheckFailed(f"What answers on {base_url} is no bot of this version.") from None


async def _ask(http: ClientSession, where: str) -> str:
    """The id of the run. Raises ``CheckFailed`` with the bot's own sentence where it has none."""
    body = {"where": where, **STEPS}
    async with http.post("/api/tools/selfcheck", json=body) as reply:
        told = await reply.json()
        if reply.status != 202:
            raise CheckFailed(told["error"]["message"])
        result_id: str = told["id"]
        return result_id


@asynccontextmanager
async def _cancelling(http: ClientSession, result_id: str) -> AsyncIterator[None]:
    """Leave no run behind that nobody waits for: its time is over, or Ctrl-C."""
    import aiohttp

    try:
        yield
    except BaseException:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(CANCEL_S), http.post(f"/r/{result_id}/cancel"):
                pass
        raise


async def _follow(http: ClientSession, result_id: str) -> None:
    """Say each change until it is over."""
    said = ""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        async with http.get(f"/r/{result_id}/progress") as reply:
            told = await reply.json()
        words = _words(told)
        if words != said:
            said = words
            sys.stdout.write(f"{words}\n")
            sys.stdout.flush()
        if told["ended"]:
            return
        await asyncio.sleep(ASK_EVERY_S)
    raise CheckFailed(f"No worker was done with it within {PATIENCE_S:.0f} s ({said}).")


def _words(told: dict[str, Any]) -> str:
    where = f" on {told['worker']}" if told["worker"] else ""
    waits = told["why"] or "waiting for its turn" if told["state"] == "queued" else ""
    words = told["words"] or waits
    return f"{told['state']}{where}{': ' if words else ''}{words}"


def _print(kept: dict[str, Any], seconds: float) -> None:
    result = kept["result"]
    if result is None:
        refusal = kept["refusal"] or {"message": "There was no answer."}
        raise CheckFailed(refusal["message"])
    gpu = result["gpu"] or "no GPU"
    torch = result["torch"] or "not installed"
    sys.stdout.write(f"A worker answers: {gpu}, {result['cores']} cores, torch {torch}, ")
    sys.stdout.write(f"{STEPS['file_kib']} KiB back, {seconds:.1f} s in all.\n")
    if result["secrets"]:
        raise CheckFailed(f"Its jobs can see secrets: {', '.join(result['secrets'])}.")


def _host(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.http_host, settings.http_host)
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
