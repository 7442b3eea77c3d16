"""The traffic of a request in numbers: rate, shape over the hours, lengths, burstiness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from compute.cost.request import LEAST, MAX_REQUESTS_PER_DAY, MAX_TOKENS, CostRequest
from compute.cost.result import Traffic
from compute.cost.sums import HOURS_PER_MONTH, Usage
from compute.cost.trace import profile_of_csv
from compute.tool import Refused
from content.errors import CatalogueError
from content.traffic import QUANTILES, Lengths, TrafficCatalogue, TrafficProfile, read_profile

SECONDS_PER_DAY = 86_400
# Where neither the person nor the profile says.
USUAL_ISL, USUAL_OSL = 1024, 256
USUAL_REQUESTS_PER_DAY = 100_000
UNKNOWN_PEAKEDNESS = 4.0  # published clients are at 5 to 800; more is in the peak already
Bucket = tuple[float, float]  # share of the requests, prompt tokens


@dataclass(frozen=True)
class Load:
    """Requests per day and what they look like; ``buckets`` are (share, prompt tokens)."""

    profile: TrafficProfile
    requests_per_day: float
    isl: float
    osl: float
    cached_share: float
    buckets: tuple[Bucket, ...]
    peakedness: float
    utc_offset_h: float

    @property
    def mean_rps(self) -> float:
        """Requests per second."""
        return self.requests_per_day / SECONDS_PER_DAY

    @property
    def requests_per_month(self) -> float:
        """Requests in 730 hours."""
        return self.requests_per_day * HOURS_PER_MONTH / 24

    @property
    def mtok_per_month(self) -> float:
        """Million tokens a month, prompt and output."""
        return self.requests_per_month * (self.isl + self.osl) / 1e6

    def usages(self, cached_share: float) -> list[tuple[float, Usage]]:
        """(share, usage) of each length, ``cached_share`` of its prompt read from a cache."""
        return [
            (share, Usage(isl, self.osl, cache_read_tokens=isl * cached_share))
            for share, isl in self.buckets
        ]

    def times(self, factor: float) -> Load:
        """The same traffic, ``factor`` times as much."""
        return replace(self, requests_per_day=self.requests_per_day * factor)


def load_of(request: CostRequest, profiles: TrafficCatalogue) -> Load:
    """The traffic that the request means. Raises ``Refused``."""
    profile = find_profile(request, profiles)
    isl = float(request.isl) if request.isl is not None else _mean(profile.inputs, USUAL_ISL)
    osl = float(request.osl) if request.osl is not None else _mean(profile.outputs, USUAL_OSL)
    whole = request.isl is not None or profile.inputs is None
    if max(isl, osl) > MAX_TOKENS:
        raise Refused(
            f"Your traffic's mean lengths must be at most {MAX_TOKENS:,} tokens.",
            field="trace_csv" if request.trace_csv is not None else "profile",
            given=f"{max(isl, osl):,.0f}",
        )
    cached = request.cached_share
    if cached is None:
        cached = profile.cache_share or 0.0
    return Load(
        profile=profile,
        requests_per_day=_requests_per_day(request, profile),
        isl=isl,
        osl=osl,
        cached_share=cached,
        buckets=((1.0, isl),) if whole else length_buckets(profile.inputs),
        peakedness=request.peakedness or _peakedness(profile),
        utc_offset_h=request.utc_offset_h,
    )


def find_profile(request: CostRequest, profiles: TrafficCatalogue) -> TrafficProfile:
    """The member's own profile where there is one, else the named one. Raises ``Refused``."""
    if request.trace_csv is not None:
        return profile_of_csv(request.trace_csv.encode())
    if request.profile is not None:
        return own_profile(request.profile)
    found = profiles.find(request.traffic)
    if found is None:
        near = tuple(one.name for one in profiles.nearest(request.traffic))
        raise Refused(
            "I don't know that traffic profile.",
            field="traffic",
            given=request.traffic,
            nearest=near or tuple(one.name for one in profiles)[:3],
            example="azure-2024-conversation",
        )
    return found


def own_profile(record: Mapping[str, object]) -> TrafficProfile:
    """A stranger's profile, checked. Raises ``Refused``."""
    try:
        return read_profile(str(record.get("name") or "your profile"), record, "profile")
    except CatalogueError as error:
        raise Refused(
            f"Your profile's {error.column.rpartition('.')[2]} is {error.found};"
            f" it must be {error.allowed}.",
            field="profile",
            given=error.found,
        ) from None


def length_buckets(lengths: Lengths | None) -> tuple[Bucket, ...]:
    """(share, tokens) between the published quantiles, scaled so that their mean is the mean.

    Tiers bill by single lengths, so the tail must stay a tail.
    """
    if lengths is None or not lengths.quantiles:
        return ((1.0, _mean(lengths, USUAL_ISL)),)
    points = [(float(q[1:]) / 100, v) for q, v in lengths.quantiles.items() if q in QUANTILES]
    first, last = points[0], points[-1]
    found = [(first[0], first[1])]
    for (low, a), (high, b) in pairwise(points):
        found.append((high - low, (a + b) / 2))
    found.append((1.0 - last[0], last[1]))
    mean = sum(share * tokens for share, tokens in found)
    if mean <= 0:
        return ((1.0, lengths.mean),)
    return tuple((share, tokens * lengths.mean / mean) for share, tokens in found if share > 0)


def _mean(lengths: Lengths | None, usual: float) -> float:
    return usual if lengths is None else lengths.mean


def _requests_per_day(request: CostRequest, profile: TrafficProfile) -> float:
    """As typed; else what one's own traffic has; else a usual figure."""
    if request.requests_per_day is not None:
        return request.requests_per_day
    own = request.trace_csv is not None or request.profile is not None
    if own and profile.mean_rps:
        return max(LEAST, min(profile.mean_rps * SECONDS_PER_DAY, MAX_REQUESTS_PER_DAY))
    return USUAL_REQUESTS_PER_DAY


def _peakedness(profile: TrafficProfile) -> float:
    """(1 + CV^2) / 2 of a renewal stream, at most what is assumed where no CV is published."""
    if profile.interarrival_cv is None:
        return UNKNOWN_PEAKEDNESS
    return min(UNKNOWN_PEAKEDNESS, max(1.0, (1.0 + profile.interarrival_cv**2) / 2))


def traffic_of(load: Load) -> Traffic:
    """The load as the answer shows it."""
    profile, requests = load.profile, load.requests_per_month
    return Traffic(
        name=profile.name,
        description=profile.description,
        source=profile.source,
        requests_per_day=load.requests_per_day,
        mean_rps=load.mean_rps,
        isl=load.isl,
        osl=load.osl,
        cached_share=load.cached_share,
        tokens_per_month=load.mtok_per_month * 1e6,
        input_tokens_per_month=requests * load.isl,
        cached_tokens_per_month=requests * load.isl * load.cached_share,
        output_tokens_per_month=requests * load.osl,
        hourly_weights=list(profile.weights),
        period_hours=len(profile.weights),
        peak_over_mean=profile.peak_over_mean,
        peak_bin_s=profile.peak_bin_s,
        peakedness=load.peakedness,
        length_buckets=len(load.buckets),
        utc_offset_h=load.utc_offset_h,
    )
