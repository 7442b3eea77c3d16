"""The answer over volume: break-even and the lines of the chart."""

from __future__ import annotations

from collections.abc import Sequence

from compute.cost.choices import Choice
from compute.cost.load import SECONDS_PER_DAY, Load
from compute.cost.offers import Offer
from compute.cost.result import Breakeven, Curve, GpuChoice
from compute.cost.staircase import crossings, log_grid, staircase
from compute.cost.words import seller, sentence

SMALLEST, LARGEST = 1.0, 1e9  # requests a day between which the two sides are compared
GRID = 91  # a factor of 1.26 between neighbours
DRAWN = 20.0  # times the smallest and largest volume of interest
POINTS = 41
MOST_REPLICAS = 50_000  # beyond it both sides are straight lines
MOST_GPUS, MOST_PROVIDERS = 3, 2
CLEARLY = 0.9  # of a break-even: below it another GPU's is worth a sentence
FLOAT_ROOM = 1 - 1e-6  # what whole replicas leave to rounding


def search_grid(load: Load, choice: Choice) -> list[float]:
    """The volumes at which both sides are compared, up to ``MOST_REPLICAS`` replicas."""
    today = load.requests_per_day
    fastest = max(served.rps for served in choice.machine.served)
    highest = max(today * 10, min(LARGEST, MOST_REPLICAS * fastest * SECONDS_PER_DAY))
    return log_grid(min(SMALLEST, today / 10), highest, GRID)


def all_crossings(load: Load, offer: Offer | None, choice: Choice) -> tuple[list[float], bool]:
    """Where the cheaper side changes, and whether self-hosting wins at the highest volume."""
    if offer is None or offer.each is None or choice.hosting is None:
        return [], False
    each = float(offer.each) * load.requests_per_month / load.requests_per_day
    if choice.hosting.least_usd_each() * FLOAT_ROOM >= each:
        return [], False  # dearer even when full: no volume has to be tried

    def api(volume: float) -> float:
        return each * volume

    grid = search_grid(load, choice)
    wins = choice.usd(grid[-1]) < api(grid[-1])
    return crossings(choice.usd, api, grid), wins


def breakeven_at(load: Load, offer: Offer | None, choice: Choice) -> float | None:
    """Requests per day from which self-hosting stays cheaper; None = not up to what is checked."""
    found, wins = all_crossings(load, offer, choice)
    if not wins:
        return None
    return found[-1] if found else search_grid(load, choice)[0]


def breakeven_of(
    load: Load, offer: Offer | None, choice: Choice | None, gpus: Sequence[GpuChoice] = ()
) -> Breakeven | None:
    """The cheapest provider against the best GPU at today's volume; None where one is missing.

    ``gpus``: all that were compared; one of them may win from fewer requests on.
    """
    if offer is None or offer.each is None or choice is None or choice.hosting is None:
        return None
    found, wins = all_crossings(load, offer, choice)
    grid = search_grid(load, choice)
    stays = (found[-1] if found else grid[0]) if wins else None
    first = found[0] if found else stays
    mtok = None if stays is None else stays * load.mtok_per_month / load.requests_per_day
    return Breakeven(
        provider=offer.name,
        gpu=choice.machine.name,
        requests_per_day=stays,
        first_requests_per_day=first,
        crossings=found,
        highest_checked=grid[-1],
        mtok_per_month=mtok,
        sentence=_sentence(offer, choice, stays, found, grid) + _earlier(stays, gpus),
    )


def _earlier(stays: float | None, gpus: Sequence[GpuChoice]) -> str:
    """The GPU that wins from clearly fewer requests on than the best of today's volume."""
    known = [(g.breakeven_requests_per_day, g.gpu_name) for g in gpus if g.feasible]
    first = min(((at, name) for at, name in known if at is not None), default=None)
    if first is None or (stays is not None and first[0] > stays * CLEARLY):
        return ""
    return f" On {first[1]}, self-hosting wins from {first[0]:,.0f} on."


def _sentence(
    offer: Offer,
    choice: Choice,
    stays: float | None,
    found: Sequence[float],
    grid: Sequence[float],
) -> str:
    gpu, name = choice.machine.name, seller(offer.name)
    highest = f"{grid[-1]:,.0f} requests a day"
    if stays is None and not found:
        return sentence(f"{name} stays cheaper than {gpu} at every volume up to {highest}.")
    if stays is None:
        return (
            f"{gpu} is cheaper than {name} only between {found[0]:,.0f} and"
            f" {found[-1]:,.0f} requests a day."
        )
    if not found:
        return f"{gpu} is cheaper than {name} at every volume from {grid[0]:,.3g} requests a day."
    text = f"Self-hosting on {gpu} wins above {stays:,.0f} requests a day."
    if found[0] < stays * 0.99:
        text += f" From {found[0]:,.0f} on, the two take turns: replicas are whole."
    return text


def curves_of(
    load: Load, offers: Sequence[Offer], choices: Sequence[Choice], breakeven: Breakeven | None
) -> list[Curve]:
    """The lines of the cheapest providers and GPUs around today's volume and the break-even."""
    grid = _drawn(load, breakeven)
    known = [offer for offer in offers if offer.each is not None][:MOST_PROVIDERS]
    lines = [_api_curve(load, offer, grid) for offer in known]
    possible = [choice for choice in choices if choice.hosting is not None][:MOST_GPUS]
    return lines + [_gpu_curve(choice, grid) for choice in possible]


def _drawn(load: Load, breakeven: Breakeven | None) -> list[float]:
    points = [load.requests_per_day]
    if breakeven is not None and breakeven.requests_per_day is not None:
        nearest = min(max(breakeven.requests_per_day, points[0] / 1e3), points[0] * 1e3)
        points.append(nearest)
    return log_grid(min(points) / DRAWN, max(points) * DRAWN, POINTS)


def _api_curve(load: Load, offer: Offer, grid: Sequence[float]) -> Curve:
    each = float(offer.each or 0) * load.requests_per_month / load.requests_per_day
    return Curve(
        name=offer.name,
        kind="api",
        key=offer.provider,
        xs=list(grid),
        ys=[each * volume for volume in grid],
    )


def _gpu_curve(choice: Choice, grid: Sequence[float]) -> Curve:
    assert choice.hosting is not None
    exact = len(choice.hosting.terms.shape.steps) == 1
    volumes = staircase(choice.usd, grid, exact)
    return Curve(
        name=choice.machine.name,
        kind="selfhost",
        key=choice.machine.gpu,
        xs=volumes,
        ys=[choice.usd(volume) for volume in volumes],
        low=[choice.usd(volume, "low") for volume in volumes],
        high=[choice.usd(volume, "high") for volume in volumes],
    )
