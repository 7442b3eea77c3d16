"""The chance that a request waits (Erlang C) and how much load slots carry below a given chance.

A replica's slots are the requests it holds in flight within its targets. Arrivals burstier than
Poisson have a peakedness z > 1 (variance over mean of the requests in the system); Hayward's
approximation serves them as slots / z servers under load / z (Fredericks 1980).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache
from statistics import NormalDist

EXACT_SERVERS = 200  # the closed form is within 0.5 % of the exact load there
HALVINGS = 45


def wait_probability(servers: float, load: float) -> float:
    """P(wait) of M/M/c under ``load`` Erlangs; log-linear between whole ``servers``."""
    if load <= 0:
        return 0.0
    if servers <= load:
        return 1.0
    if servers > EXACT_SERVERS:
        return _many_servers(servers, load)
    below = math.floor(servers)
    low, high = _erlang_c(below, load)
    return float(low ** (1 - (servers - below)) * high ** (servers - below))


def _erlang_c(servers: int, load: float) -> tuple[float, float]:
    """P(wait) with ``servers`` and with one more, by the recursion of Erlang B."""
    blocked = 1.0
    waits = [1.0, 1.0]
    for count in range(1, servers + 2):
        blocked = load * blocked / (count + load * blocked)
        busy = load / count
        waits = [waits[1], 1.0 if busy >= 1 else blocked / (1 - busy * (1 - blocked))]
    return waits[0], waits[1]


def _many_servers(servers: float, load: float) -> float:
    """Halfin and Whitt 1981: exact in the limit of many servers."""
    beta = (servers - load) / math.sqrt(load)
    return _halfin_whitt(beta)


def _halfin_whitt(beta: float) -> float:
    normal = NormalDist()
    density = normal.pdf(beta)
    if density <= 1e-300:
        return 0.0
    return 1.0 / (1.0 + beta * normal.cdf(beta) / density)


@lru_cache(maxsize=64)
def _beta(chance: float) -> float:
    """The spare servers in units of sqrt(load) at which P(wait) = ``chance``."""
    low, high = 0.0, 40.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _halfin_whitt(middle) > chance else (low, middle)
    return high


@lru_cache(maxsize=16_384)
def most_load(servers: float, chance: float) -> float:
    """The Erlangs that ``servers`` carry with P(wait) <= ``chance``."""
    if servers > EXACT_SERVERS:
        beta = _beta(chance)
        return ((math.sqrt(beta * beta + 4 * servers) - beta) / 2) ** 2
    low, high = 0.0, servers
    while high - low > 1e-5 * servers:
        middle = (low + high) / 2
        low, high = (middle, high) if wait_probability(servers, middle) <= chance else (low, middle)
    return low


class Headroom:
    """How many whole replicas a load needs, for replicas of ``slots`` requests in flight."""

    def __init__(self, slots: int, chance: float, peakedness: float) -> None:
        self._servers = slots / peakedness  # of one replica
        self._chance = chance
        self._beta = _beta(chance)
        self._carried = [0.0]  # the load in replicas that 0, 1, 2 ... replicas carry

    def replicas(self, load: float) -> int:
        """The fewest whole replicas that carry ``load`` (in replicas) within the chance."""
        if load <= self._carried[-1]:
            return bisect_left(self._carried, load)
        if load * self._servers > EXACT_SERVERS:
            return self._many(load)
        while len(self._carried) * self._servers <= EXACT_SERVERS:
            carried = most_load(len(self._carried) * self._servers, self._chance)
            self._carried.append(carried / self._servers)
            if load <= self._carried[-1]:
                return len(self._carried) - 1
        return self._many(load)

    def _many(self, load: float) -> int:
        erlangs = load * self._servers
        needed = math.ceil((erlangs + self._beta * math.sqrt(erlangs)) / self._servers)
        return max(needed, math.floor(EXACT_SERVERS / self._servers) + 1)

    def wait(self, replicas: int, load: float) -> float:
        """P(wait) of ``load`` (in replicas) on ``replicas``."""
        return wait_probability(replicas * self._servers, load * self._servers)
