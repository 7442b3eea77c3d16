"""What the pages need of the rest, handed in by whoever puts the program together."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from bot.command import Command
from bot.jobs.words import File, Runs
from bot.limits import Limiter
from bot.pulse import Pulse
from bot.results import Results
from bot.runner import Runner
from bot.view import Chart, Theme
from bot.web.webhooks import Webhooks
from config.settings import Settings
from content.site import Site


class Charts(Protocol):
    """Draws charts; raises ``ChartBusy`` or ``ChartFailed`` of bot.render.chart."""

    async def png(self, chart: Chart, theme: Theme = "dark") -> bytes:
        """The picture, for a dark or a light page."""


class Jobs(Runs, Protocol):
    """Runs on workers; ``bot.jobs.service.Jobs`` is the one in use."""

    async def files(self, result_id: str) -> list[File]:
        """The files that belong to a result, by name."""

    def path_of(self, sha256: str) -> Path:
        """Where the content of a file is."""

    def counters(self) -> Mapping[str, Any]:
        """Figures since the start."""


@dataclass(frozen=True)
class Services:
    """``base_url`` starts absolute links; empty means the address that the visitor used.

    ``operator_key`` is what the operator's own commands show; "" where there is none. Without
    ``webhooks`` nothing is taken from GitHub.
    """

    settings: Settings
    commands: Mapping[str, Command]
    runner: Runner
    results: Results
    charts: Charts
    limiter: Limiter
    site: Site
    base_url: str = ""
    pulse: Pulse | None = None
    jobs: Jobs | None = None
    operator_key: str = ""
    webhooks: Webhooks | None = None


SERVICES = web.AppKey("services", Services)


def base_of(request: web.Request) -> str:
    """Where absolute links begin; the guard has checked the Host by now."""
    return request.app[SERVICES].base_url.rstrip("/") or f"{request.scheme}://{request.host}"


def visitor_of(request: web.Request) -> str:
    """Who is counted: the address, an IPv6 one by its /64, since a household has a whole one.

    A proxy in front (``public_url`` is set and the peer is on our own network) names the visitor
    last in X-Forwarded-For; what a visitor wrote there themselves stands before that.
    """
    address = _ip(request.remote or "")
    if address is None:
        return "unknown"
    forwarded = request.headers.getall("X-Forwarded-For", [])
    if forwarded and address.is_private and request.app[SERVICES].settings.public_url:
        address = _ip(forwarded[-1].rpartition(",")[2]) or address
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
