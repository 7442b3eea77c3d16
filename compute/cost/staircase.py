"""Costs over volume: where the cheaper side changes, and the lines a chart draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

Cost = Callable[[float], float]  # requests per day -> USD a month

HALVINGS = 26  # of a break-even that is told
DRAWN_HALVINGS = 14  # of a step that is drawn: 1/16,000 of the way between two volumes
MOST_EDGES = 8  # steps drawn exactly between two neighbouring volumes; beyond that it is a slope


def log_grid(low: float, high: float, points: int) -> list[float]:
    """``points`` volumes from ``low`` to ``high``, each the same factor above the last."""
    ratio = (high / low) ** (1.0 / (points - 1))
    return [low * ratio**place for place in range(points - 1)] + [high]


def crossings(ours: Cost, theirs: Cost, grid: Sequence[float]) -> list[float]:
    """The volumes at which the cheaper side changes, in order; equal costs count as theirs."""
    found = []
    wins = [ours(volume) < theirs(volume) for volume in grid]
    for place in range(1, len(grid)):
        if wins[place] != wins[place - 1]:
            found.append(_edge(ours, theirs, grid[place - 1], grid[place], wins[place]))
    return found


def _edge(ours: Cost, theirs: Cost, low: float, high: float, after: bool) -> float:
    """The volume between ``low`` and ``high`` from which the winner is that of ``high``."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if (ours(middle) < theirs(middle)) == after:
            high = middle
        else:
            low = middle
    return high


def staircase(cost: Cost, grid: Sequence[float], exact: bool = True) -> list[float]:
    """The volumes to draw: the grid, and where ``exact`` both sides of every step."""
    if not exact:
        return list(grid)
    volumes = [grid[0]]
    for low, high in pairwise(grid):
        volumes += _steps(cost, low, high)
        volumes.append(high)
    return volumes


def _steps(cost: Cost, low: float, high: float) -> list[float]:
    """Pairs just before and just after each step between two volumes."""
    found: list[float] = []
    while cost(low) != cost(high) and len(found) < 2 * MOST_EDGES:
        level, below, above = cost(low), low, high
        for _ in range(DRAWN_HALVINGS):
            middle = (below + above) / 2
            below, above = (middle, above) if cost(middle) == level else (below, middle)
        found += [below, above]
        low = above
    return found
