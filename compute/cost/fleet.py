"""How many whole replicas a traffic profile needs, and what share of them it uses.

Utilization is an output: D / mean N, D the mean demand in replicas, N whole replicas.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from compute.cost.hours import weights_of
from compute.cost.sums import Number
from content.traffic import PEAKS, TrafficProfile

Scaling = Literal["static", "autoscaled"]


@dataclass(frozen=True)
class FleetSize:
    """Replicas over the profile's hours; ``utilization`` = mean demand / mean_replicas."""

    mean_replicas: float
    max_replicas: int
    utilization: float


def size_fleet(
    profile: Mapping[str, Any],
    mean_demand: Number,
    min_replicas: int = 1,
    scaling: Scaling = "static",
    lag_h: float = 1,
    headroom: Number = 1.0,
) -> FleetSize:
    """The fleet for ``mean_demand`` replicas of mean load; exact, in fractions of what is written.

    ``profile`` is a record of traffic_profiles.json. Static: the smallest whole number that holds
    the peak (1-minute figure, else 10-minute), times ``headroom``. Autoscaled: each hour as many
    as the busiest minute of that hour and of the ``lag_h`` after it needs; hours are cyclic.
    Raises ``ValueError`` for figures that make no fleet.
    """
    demand, spare = _fraction(mean_demand), _fraction(headroom)
    weights_of(profile)  # refuses what is no profile, whichever of its figures is used
    if demand < 0 or spare <= 0 or min_replicas < 0 or lag_h < 0:
        raise ValueError("mean_demand, min_replicas, lag_h >= 0 and headroom > 0 make a fleet")
    if scaling == "static":
        peaks = [_peak(profile)]
    elif scaling == "autoscaled":
        peaks = _looking_ahead(_busiest(profile), math.ceil(lag_h))
    else:
        raise ValueError(f"scaling is static or autoscaled, not {str(scaling)[:40]!r}")
    counts = [max(min_replicas, math.ceil(demand * peak * spare)) for peak in peaks]
    mean = Fraction(sum(counts), len(counts))
    used = demand / mean if mean else Fraction(0)
    return FleetSize(float(mean), max(counts), float(used))


def _peak(profile: Mapping[str, Any]) -> Fraction:
    """The finest published peak over the mean."""
    for field, _ in PEAKS:
        if profile.get(field) is not None:
            return _fraction(profile[field])
    if profile.get("peak_nodes") and profile.get("mean_nodes"):
        return _fraction(profile["peak_nodes"]) / _fraction(profile["mean_nodes"])
    return max(_weights(profile))


def _busiest(profile: Mapping[str, Any]) -> list[Fraction]:
    """Each hour's busiest minute over the profile's mean, or the best that is known of it."""
    minutes = profile.get("hourly_max_minute_over_mean")
    if minutes:
        return [_fraction(minute) for minute in minutes]
    weights = _weights(profile)
    inside = max(Fraction(1), _peak(profile) / max(weights))
    return [weight * inside for weight in weights]


def _weights(profile: Mapping[str, Any]) -> list[Fraction]:
    """One number an hour; one 1 where no hours are published."""
    return [_fraction(weight) for weight in weights_of(profile)]


def _looking_ahead(peaks: Sequence[Fraction], lag: int) -> list[Fraction]:
    hours = len(peaks)
    window = min(lag, hours - 1)
    return [
        max(peaks[(hour + ahead) % hours] for ahead in range(window + 1)) for hour in range(hours)
    ]


def _fraction(value: Number) -> Fraction:
    """The number as it is written: 0.55 is 55/100, so that 100 x 0.55 needs 55 and not 56."""
    return Fraction(str(value))


@dataclass(frozen=True)
class Shape:
    """What a fleet must hold: (share of the time, busiest load over the mean), largest first."""

    steps: tuple[tuple[float, float], ...]

    @property
    def peak(self) -> float:
        """The busiest load over the mean."""
        return self.steps[0][1]


def fleet_shape(profile: TrafficProfile, scaling: Scaling, lag_h: int) -> Shape:
    """The loads that a fleet of this kind is provisioned for, equal hours together."""
    if scaling == "static":
        return Shape(((1.0, profile.peak_over_mean),))
    inside = max(1.0, profile.peak_over_mean / max(profile.weights))
    minutes = profile.max_minutes or tuple(weight * inside for weight in profile.weights)
    hours = len(minutes)
    window = range(min(lag_h, hours - 1) + 1)
    ahead = [max(minutes[(hour + step) % hours] for step in window) for hour in range(hours)]
    return Shape(tuple((ahead.count(load) / hours, load) for load in sorted(set(ahead))[::-1]))
