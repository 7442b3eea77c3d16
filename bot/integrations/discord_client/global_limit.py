"""A mend of the library: a request given up during a global rate limit must not end them all."""

from __future__ import annotations

import asyncio
from typing import Any

import discord
from discord.http import Route


def mend_global_limit(client: discord.Client) -> None:
    """After login, before the first request. discord.py (2.7.1) closes a gate for all requests
    while it sleeps through a global limit; where that sleep is cancelled, as our own time limits
    do after 2 to 20 s, the gate stays closed for good and nothing is answered any more. Opening it
    early costs at most another 429.
    """
    request = client.http.request

    async def mended(route: Route, **what: Any) -> Any:
        try:
            return await request(route, **what)
        except asyncio.CancelledError:
            client.http._global_over.set()
            raise

    client.http.request = mended  # type: ignore[method-assign]
