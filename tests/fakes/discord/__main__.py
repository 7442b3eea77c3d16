"""Run the fake in a process of its own: ``python -m tests.fakes.discord --port 0``.

Prints one JSON line with its addresses and token, then serves until it is interrupted or its
standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from tests.fakes.discord.control import urls
from tests.fakes.discord.server import FakeDiscord


async def serve(port: int, *, validate: bool) -> None:
    """Serve until standard input ends, so that the fake cannot outlive who started it."""
    async with FakeDiscord(port=port, validate=validate) as fake:
        sys.stdout.write(json.dumps(urls(fake)) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.discord", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--no-validate", action="store_true", help="skip the OpenAPI file")
    given = parser.parse_args()
    asyncio.run(serve(given.port, validate=not given.no_validate))


if __name__ == "__main__":
    main()
