"""The pages' own port, the address the world knows them by, and the model hub."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket

import aiohttp

from bot.doctor.finding import Finding, place
from bot.lock import is_held
from config.settings import Settings

HUB_S = 4.0
LOOK_S = 2.0


async def examine_pages(settings: Settings) -> list[Finding]:
    """Whether the port is free, or the pages of this data directory's bot answer there."""
    host, port = settings.http_host, settings.http_port
    if port == 0:
        return [Finding("pages", "ok", f"Any free port of {host} is taken at start.")]
    where = f"port {port} of {host}"
    reason = await asyncio.to_thread(_why_not_bound, host, port)
    if reason is None:
        return [Finding("pages", "ok", f"{where.capitalize()} is free.")]
    if reason != errno.EADDRINUSE:
        sentence = f"{where.capitalize()} cannot be used ({os.strerror(reason)})."
        fix = "Set K2C_HTTP_HOST to an address of this machine, K2C_HTTP_PORT above 1023."
        return [Finding("pages", "problem", sentence, fix)]
    if await _answers(host, port) and await asyncio.to_thread(_bot_runs, settings):
        return [Finding("pages", "ok", f"The bot's pages answer on {where}.")]
    fix = "Stop the other program, or set K2C_HTTP_PORT (0 = any free port)."
    return [Finding("pages", "problem", f"Another program uses {where}.", fix)]


def _why_not_bound(host: str, port: int) -> int | None:
    """The errno of trying to listen there, or None when that works."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            trial.listen(1)
    except (socket.gaierror, UnicodeError):
        return errno.EADDRNOTAVAIL
    except OSError as error:
        return error.errno or errno.EIO
    return None


async def _answers(host: str, port: int) -> bool:
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    url = f"http://{f'[{near}]' if ':' in near else near}:{port}/healthz"
    timeout = aiohttp.ClientTimeout(total=LOOK_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as reply:
            return reply.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def _bot_runs(settings: Settings) -> bool:
    try:
        return is_held(settings.data_dir)[0]
    except OSError:
        return False


async def examine_public_url(settings: Settings) -> list[Finding]:
    """Whether links in answers lead anywhere for someone who is not at this machine."""
    if settings.public_url:
        return [Finding("public address", "ok", f"Links begin with {place(settings.public_url)}.")]
    if settings.discord_token is None and _is_loopback(settings.http_host):
        return [Finding("public address", "off", "Pages are for this machine only.")]
    sentence = "Links in answers lead to this machine, where others cannot follow them."
    fix = "Set K2C_PUBLIC_URL to the address at which the world reaches the pages."
    return [Finding("public address", "off", sentence, fix)]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def examine_hub(settings: Settings) -> list[Finding]:
    """Whether models outside the catalogue can be looked up. Without it all else works."""
    hub = place(settings.hf_endpoint)
    fix = "Models of the catalogue work without it; check HF_ENDPOINT and the network."
    timeout = aiohttp.ClientTimeout(total=HUB_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.head(settings.hf_endpoint, allow_redirects=False) as reply,
        ):
            status = reply.status
    except TimeoutError:
        return [Finding("hugging face", "off", f"{hub} did not answer in {HUB_S:g} s.", fix)]
    except aiohttp.ClientError as error:
        kind = type(error).__name__
        return [Finding("hugging face", "off", f"{hub} cannot be reached ({kind}).", fix)]
    if status >= 500:
        return [Finding("hugging face", "off", f"{hub} answered {status}.", fix)]
    return [Finding("hugging face", "ok", f"{hub} answers.")]
