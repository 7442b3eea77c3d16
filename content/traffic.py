"""Published traffic: how requests spread over the hours, how bursty, how long they are.

A record is one entry of traffic_profiles.json. Weight 1 is the profile's own mean rate. Two peaks
are never averaged: the finest published one counts (1 minute before 10 minutes before the hour).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from content.errors import CatalogueError
from content.names import Entry, entry, nearest, suggest
from content.tables import CATALOGUE

FILE = "traffic_profiles.json"
PEAKS = (("peak_1min_over_mean", 60), ("peak_10min_over_mean", 600), ("peak_hour_over_mean", 3600))
MOST_HOURS = 24 * 7 * 8
MOST_NAME = 200
MOST_NUMBER = 1e12  # sums of more may end in infinity
ROUNDED = 0.01  # published figures have two or three digits
QUANTILES = ("p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "p99.9")
TEXTS = ("description", "source", "licence", "method", "first_hour")
NUMBERS = (
    "peak_hour_over_mean", "peak_10min_over_mean", "peak_1min_over_mean", "mean_rps",
    "interarrival_cv", "prefix_cache_hit_share", "bin_s", "requests", "duration_s",
)  # fmt: skip
LISTS = ("hourly_weights", "hourly_max_minute_over_mean")
LENGTHS = ("input_tokens", "output_tokens")
PERIODS = "a whole number of days in hours: 24, 48, ... 168"
# What people call them.
ALIASES = {
    "azure-2024-conversation": ("chat", "conversation", "azure"),
    "azure-2023-code": ("code", "completion"),
    "mooncake-conversation": ("long context", "rag", "kimi"),
    "servegen-deepseek-r1": ("reasoning", "r1"),
    "servegen-mm-image": ("image", "multimodal"),
    "flat": ("steady", "constant", "batch job"),
}


@dataclass(frozen=True)
class Lengths:
    """Tokens per request: ``quantiles`` by name (p50 ...), the mean of all requests."""

    quantiles: Mapping[str, float]
    mean: float


@dataclass(frozen=True)
class TrafficProfile:
    """One checked profile. ``weights`` has mean 1, one entry an hour, a single 1.0 where no hours
    are known; ``max_minutes`` is each hour's busiest minute over the mean, or nothing."""

    name: str
    description: str
    source: str
    licence: str
    weights: tuple[float, ...]
    max_minutes: tuple[float, ...]
    peak_over_mean: float
    peak_bin_s: int
    mean_rps: float | None
    interarrival_cv: float | None
    cache_share: float | None
    inputs: Lengths | None
    outputs: Lengths | None

    @property
    def has_hours(self) -> bool:
        """Whether anything is known of the hours."""
        return len(self.weights) > 1


FLAT = TrafficProfile(
    name="flat",
    description="the same rate at every hour, no bursts beyond chance",
    source="by definition",
    licence="",
    weights=(1.0,),
    max_minutes=(),
    peak_over_mean=1.0,
    peak_bin_s=0,
    mean_rps=None,
    interarrival_cv=1.0,
    cache_share=None,
    inputs=None,
    outputs=None,
)


class TrafficCatalogue:
    """The profiles in the file's order and ``flat``, with look-up, nearest names, completion."""

    def __init__(self, profiles: Sequence[TrafficProfile]) -> None:
        self._profiles = {profile.name: profile for profile in (*profiles, FLAT)}
        self._entries = tuple(_entry(profile) for profile in self._profiles.values())
        self._names = {name: e.value for e in self._entries for name in e.spellings}

    def __iter__(self) -> Iterator[TrafficProfile]:
        return iter(self._profiles.values())

    def find(self, text: str) -> TrafficProfile | None:
        """The profile of that name or alias, or nothing."""
        spelled = entry(text, text).spellings[0]
        return self._profiles.get(self._names.get(spelled, ""))

    def nearest(self, text: str, limit: int = 3) -> list[TrafficProfile]:
        """The profiles whose names are closest to ``text``, best first."""
        return [self._profiles[item.value] for item in nearest(text, self._entries, limit)]

    def suggest(self, text: str, limit: int = 25) -> list[tuple[str, str]]:
        """(label, value) for completion."""
        return suggest(text, self._entries, limit)


def load_traffic(path: Path = CATALOGUE / FILE) -> TrafficCatalogue:
    """Every profile. Raises ``CatalogueError`` for the first entry that is wrong."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogueError(path.name, 0, "-", str(error), "a readable JSON file") from error
    records = read.get("profiles") if isinstance(read, dict) else None
    if not isinstance(records, dict) or not records:
        raise CatalogueError(path.name, 0, "profiles", type(records).__name__, "an object of them")
    return TrafficCatalogue([read_profile(name, one, path.name) for name, one in records.items()])


def cut_record(value: object) -> object:
    """A stranger's record with only what a profile may hold, short enough to keep."""
    if not isinstance(value, Mapping):
        return value
    kept: dict[str, Any] = {}
    for name in (*TEXTS, *NUMBERS, "period_hours", "peak_nodes", "mean_nodes", "name"):
        if name in value and isinstance(value[name], str | int | float | None):
            one = value[name]
            kept[name] = one[:MOST_NAME] if isinstance(one, str) else one
    for name in LISTS:
        if isinstance(value.get(name), list):
            kept[name] = [
                v for v in value[name][: MOST_HOURS + 1] if not isinstance(v, dict | list)
            ]
    for name in LENGTHS:
        if isinstance(value.get(name), Mapping):
            kept[name] = {k: value[name][k] for k in (*QUANTILES, "mean") if k in value[name]}
    return kept


def read_profile(name: str, record: object, file: str = FILE) -> TrafficProfile:
    """A checked profile. Raises ``CatalogueError`` naming the field that is wrong."""
    if not isinstance(record, Mapping):
        raise CatalogueError(file, 0, name, type(record).__name__, "a JSON object")
    reader = _Reader(name, record, file)
    weights = reader.hours("hourly_weights")
    minutes = reader.hours("hourly_max_minute_over_mean")
    scale = sum(weights) / len(weights) if weights else 1.0
    if abs(scale - 1.0) <= 1e-3:
        scale = 1.0  # the rounding of four digits; dividing would only blur them
    if minutes and len(minutes) != len(weights):
        raise reader.wrong("hourly_max_minute_over_mean", f"{len(weights)} numbers, one an hour")
    if any(m < w - ROUNDED for m, w in zip(minutes, weights, strict=bool(minutes))):
        raise reader.wrong("hourly_max_minute_over_mean", "at least each hour's own weight")
    shape = tuple(weight / scale for weight in weights) or (1.0,)
    peak, bin_s = _peak(reader, shape)
    return TrafficProfile(
        name=name[:80],
        description=reader.text("description"),
        source=reader.text("source"),
        licence=reader.text("licence"),
        weights=shape,
        max_minutes=tuple(minute / scale for minute in minutes),
        peak_over_mean=peak,
        peak_bin_s=bin_s,
        mean_rps=reader.number("mean_rps"),
        interarrival_cv=reader.number("interarrival_cv"),
        cache_share=reader.number("prefix_cache_hit_share", most=1.0),
        inputs=reader.lengths("input_tokens"),
        outputs=reader.lengths("output_tokens"),
    )


def _peak(reader: _Reader, weights: Sequence[float]) -> tuple[float, int]:
    """The finest published peak over the mean and its bin in seconds."""
    for field, bin_s in PEAKS:
        peak = reader.number(field)
        if peak is None:
            continue
        if peak < max(weights) - ROUNDED:
            raise reader.wrong(field, f"at least the busiest hour's weight, {max(weights):.3g}")
        return peak, bin_s
    nodes, mean = reader.number("peak_nodes"), reader.number("mean_nodes")
    if nodes and mean:
        return nodes / mean, 3600
    return max(weights), 3600 if len(weights) > 1 else 0


@dataclass(frozen=True)
class _Reader:
    """One record; every getter raises ``CatalogueError`` with the profile's and field's name."""

    name: str
    record: Mapping[str, Any]
    file: str

    def wrong(self, field: str, allowed: str) -> CatalogueError:
        """The error for ``field``."""
        found = repr(self.record.get(field))[:60]
        return CatalogueError(self.file, 0, f"{self.name[:60]}.{field}", found, allowed)

    def text(self, field: str) -> str:
        """A text, or an empty one."""
        value = self.record.get(field) or ""
        if not isinstance(value, str):
            raise self.wrong(field, "a text")
        return value[:MOST_NAME]

    def number(self, field: str, most: float = MOST_NUMBER) -> float | None:
        """A number from 0 to ``most``, or nothing."""
        value = self.record.get(field)
        if value is None:
            return None
        if not _is_number(value) or not 0 <= value <= most:
            raise self.wrong(field, f"a number from 0 to {most:g}")
        return float(value)

    def hours(self, field: str) -> tuple[float, ...]:
        """One number of at least 0 for each hour of whole days, not all 0; or none at all."""
        value = self.record.get(field)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(_is_number(v) and v >= 0 for v in value):
            raise self.wrong(field, "a list of numbers of at least 0, one an hour")
        if not value or len(value) % 24 or len(value) > MOST_HOURS or sum(value) <= 0:
            raise self.wrong(field, PERIODS + ", not all 0")
        if self.record.get("period_hours") not in (None, len(value)):
            raise self.wrong("period_hours", f"{len(value)}, the number of {field}")
        return tuple(float(v) for v in value)

    def lengths(self, field: str) -> Lengths | None:
        """Quantiles that do not fall, and a mean above 0."""
        value = self.record.get(field)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.wrong(field, "an object with mean and quantiles")
        known = {q: value[q] for q in QUANTILES if q in value}
        figures = [*known.values(), value.get("mean")]
        if not all(_is_number(v) and 0 <= v <= 1e9 for v in figures) or value["mean"] <= 0:
            raise self.wrong(field, "a mean above 0 and quantiles of at least 0")
        if list(known.values()) != sorted(known.values()):
            raise self.wrong(field, "quantiles that do not fall")
        return Lengths({q: float(v) for q, v in known.items()}, float(value["mean"]))


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= MOST_NUMBER  # and not NaN


def _entry(profile: TrafficProfile) -> Entry:
    return entry(profile.name, profile.name, ALIASES.get(profile.name, ()))
