"""Two mends of the library: a request given up while it waits for a rate limit must not end the
others. discord.py 2.7.1; both were met in tests, and both last until the process ends.
"""

from __future__ import annotations

import asyncio
from typing import Any

import discord
from discord.http import Route


def mend_rate_limits(client: discord.Client) -> None:
    """After login, before the first request.

    The gate: discord.py closes it for all requests while it sleeps through a global limit; where
    that sleep is cancelled, as our own time limits do after 2 to 20 s, it stays closed for good.
    The bucket: whoever used the last token of a route sleeps and then hands out new ones; where
    that is cancelled nobody does, and each later request waits 30 s before it looks by itself,
    which is longer than we let one wait. Opening either early costs at most another 429.
    """
    http = client.http
    request = http.request

    async def mended(route: Route, **what: Any) -> Any:
        try:
            return await request(route, **what)
        except asyncio.CancelledError:
            http._global_over.set()
            _refill(http)
            raise

    http.request = mended  # type: ignore[method-assign]


def _refill(http: discord.http.HTTPClient) -> None:
    """New tokens for buckets that have none and nobody who would see to it."""
    for bucket in http._buckets.values():
        forsaken = bucket.outgoing == 0 and not bucket._sleeping.locked()
        if forsaken and bucket.remaining <= 0 and bucket.expires is None:
            bucket.reset()  # type: ignore[no-untyped-call]
            bucket._wake(bucket.remaining)
