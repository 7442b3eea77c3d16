"""The chance that a request waits (Erlang C) and how much load slots carry below a given chance.

A replica's slots are the requests it holds in flight within its targets. Arrivals burstier than
Poisson have a peakedness z > 1 (variance over mean of the requests in the system); Hayward's
approximation serves them as slots / z servers under load / z (Fredericks 1980).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

EXACT_SERVERS = 200  # the closed form is 0.7 % above the exact load there
HALVINGS = 45
Step = tuple[float, float]


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


@lru_cache(maxsize=64)
def _table(chance: float) -> tuple[float, ...]:
    """The Erlangs that 0, 1, 2 ... ``EXACT_SERVERS`` servers carry; 40 ms, once for each chance."""
    return (0.0, *(most_load(float(count), chance) for count in range(1, EXACT_SERVERS + 1)))


class Headroom:
    """How many whole replicas a load needs, for replicas of ``slots`` requests in flight."""

    def __init__(self, slots: int, chance: float, peakedness: float) -> None:
        self._servers = slots / peakedness  # of one replica
        self._chance = chance
        self._beta = _beta(chance)
        self._carried = _table(chance)

    def replicas(self, load: float) -> int:
        """The fewest whole replicas that carry ``load`` (in replicas) within the chance.

        Straight between whole servers, so half the load never needs less than half of them.
        """
        erlangs = load * self._servers
        carried = self._carried
        if erlangs <= carried[-1]:
            above = bisect_left(carried, erlangs)
            if above == 0:
                return 0
            below = carried[above - 1]
            servers = above - 1 + (erlangs - below) / (carried[above] - below)
        else:
            servers = max(EXACT_SERVERS, erlangs + self._beta * math.sqrt(erlangs))
        return math.ceil(servers / self._servers - 1e-9)

    def over(self, demand: float, steps: Sequence[Step], least: int) -> tuple[int, float]:
        """Replicas at the busiest time and their mean; at least ``least``.

        ``steps``: (share of the time, load over the mean), largest load first.
        """
        most, mean, left = 0, 0.0, 1.0
        for share, load in steps:
            count = self.replicas(demand * load)
            if count <= least:  # so do all that follow
                return most or least, mean + left * least
            most = most or count
            mean += share * count
            left -= share
        return most, mean

    def wait(self, replicas: int, load: float) -> float:
        """P(wait) of ``load`` (in replicas), at most the chance where ``replicas`` suffice."""
        found = wait_probability(replicas * self._servers, load * self._servers)
        return min(found, self._chance) if replicas >= self.replicas(load) else found
