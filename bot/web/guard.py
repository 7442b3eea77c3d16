"""Who may talk to these pages: our own host names, our own origin, and the community's site.

A browser on the operator's machine can be made to call a loopback address by any page it shows;
the Host check stops a rebound name, the Origin check stops forms and scripts of other sites.
"""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from bot.web.errors import Handler, Problem
from bot.web.services import SERVICES
from config.settings import Settings

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
EVERYWHERE = frozenset({"0.0.0.0", "::"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CORS_METHODS = "GET, POST, OPTIONS"
CORS_SECONDS = "600"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A downloaded file is somebody's content: it may do nothing at all in our origin.
FILE_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses foreign hosts and origins; answers the site's preflight requests."""
    settings = request.app[SERVICES].settings
    if not _known_host(request, settings):
        raise Problem(403, "This server does not answer under that host name.")
    origin = request.headers.get("Origin", "")
    api = request.path.startswith("/api/")
    shared = api and request.method != "DELETE" and _is_site(origin, settings)
    if request.method == "OPTIONS" and api:
        if not shared:
            raise Problem(403, "Only the community's site may call this from another page.")
        return web.Response(status=204)
    ours = _is_ours(request, origin, settings)
    if request.method not in SAFE_METHODS and not (shared or ours):
        raise Problem(403, "Another website tried to use this page in your name; it was refused.")
    response: web.StreamResponse = await handler(request)
    return response


async def secure(request: web.Request, response: web.StreamResponse) -> None:
    """The headers of every response, errors included; a handler's own stay as they are."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    # Not no-referrer: under that, browsers send "Origin: null" with our own forms.
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cache-Control", "no-store")
    headers["Server"] = "k2c"  # aiohttp would tell its version and Python's
    if request.path.startswith("/api/"):
        headers.add("Vary", "Origin")
        origin = request.headers.get("Origin", "")
        if _is_site(origin, request.app[SERVICES].settings):
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Allow-Methods"] = CORS_METHODS
            headers["Access-Control-Allow-Headers"] = "Content-Type"
            headers["Access-Control-Expose-Headers"] = "Retry-After"
            headers["Access-Control-Max-Age"] = CORS_SECONDS


def _known_host(request: web.Request, settings: Settings) -> bool:
    name = _host_name(request.headers.get("Host", ""))
    bound = settings.http_host.strip("[]").casefold()
    if name in LOOPBACK or name in (bound, _host_name(_netloc(settings.public_url))):
        return bool(name)
    # Bound everywhere, every address of this machine is ours, and an address cannot be rebound.
    return bound in EVERYWHERE and _is_address(name)


def _is_ours(request: web.Request, origin: str, settings: Settings) -> bool:
    """No Origin: not a browser. "null": a form of a page without referrer, if it says so."""
    fetched = request.headers.get("Sec-Fetch-Site", "")
    if not origin:
        return fetched in ("", "same-origin", "none")
    if origin == "null":
        return fetched == "same-origin"
    netloc = _netloc(origin)
    return bool(netloc) and netloc in (request.host.casefold(), _netloc(settings.public_url))


def _is_site(origin: str, settings: Settings) -> bool:
    site = urlsplit(settings.site_url)
    return bool(site.netloc) and origin.casefold() == f"{site.scheme}://{site.netloc}".casefold()


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc.casefold()
    except ValueError:
        return ""


def _host_name(host: str) -> str:
    """The name without its port: ``[::1]:8080`` becomes ``::1``."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def unlisted(headers: Any) -> None:
    """For pages whose address is their key: no index, and no word of it to other sites."""
    headers["X-Robots-Tag"] = "noindex"
    headers["Referrer-Policy"] = "no-referrer"
