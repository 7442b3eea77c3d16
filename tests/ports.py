"""Ports for servers that must be told one before they start."""

from __future__ import annotations

import itertools
import os
import random
import socket

# Below 32768, where no outgoing connection and no "any free port" lands: one that was only looked
# at and let go was taken by another test process before the server under test came to it.
LOWEST, EACH, PROCESSES = 20_000, 1_500, 8


def _mine() -> itertools.count[int]:
    """This process's own range, entered at a random place: other runs may be under way."""
    name = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    first = LOWEST + EACH * (int(name) % PROCESSES)
    return itertools.count(first + random.SystemRandom().randrange(EACH // 2))


_NEXT = _mine()


def free_port() -> int:
    """A TCP port of this machine that nothing listens on; each is given once."""
    for port in _NEXT:
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable: the count has no end")
