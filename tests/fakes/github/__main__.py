"""Run the fake in a process of its own: ``python -m tests.fakes.github --port 0``.

Prints one JSON line with its addresses and token, then serves until its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from tests.fakes.github.control import urls
from tests.fakes.github.server import FakeGitHub


async def serve(port: int) -> None:
    """Serve until standard input ends, so that the fake cannot outlive who started it."""
    async with FakeGitHub(port=port) as github:
        sys.stdout.write(json.dumps(urls(github)) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.github", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 = any free port")
    asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
