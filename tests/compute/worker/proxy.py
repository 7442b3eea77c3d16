"""A TCP proxy before the broker whose network can be cut: bytes vanish, connections stay open."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from compute.broker.access import Access


class Proxy:
    """``cut`` swallows everything in both directions until ``mend``, which drops the connections:
    what was swallowed would leave a hole in the stream.
    """

    def __init__(self, access: Access) -> None:
        parts = urlsplit(access.urls[0])
        self._target = (parts.hostname or "", parts.port or 0)
        self._whole = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    def cut(self) -> None:
        """From now on nothing arrives, and nobody is told."""
        self._whole = False

    def mend(self) -> None:
        """Let new connections through; the old ones are gone."""
        self._whole = True
        for writer in self._writers:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        there, back = await asyncio.open_connection(*self._target)
        self._writers |= {writer, back}
        ways = [self._pass(reader, back), self._pass(there, writer)]
        await asyncio.gather(*ways)
        self._writers -= {writer, back}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if self._whole:
                    writer.write(data)
        writer.close()


@asynccontextmanager
async def proxied(access: Access) -> AsyncIterator[tuple[Proxy, Access]]:
    """A proxy, and ``access`` by way of it."""
    proxy = Proxy(access)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    scheme = urlsplit(access.urls[0]).scheme
    try:
        yield proxy, dataclasses.replace(access, urls=(f"{scheme}://127.0.0.1:{port}",))
    finally:
        server.close()
        proxy.mend()
        await asyncio.sleep(0.05)
