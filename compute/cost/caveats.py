"""What the reader must know beside the answer: warnings, assumptions with sources, next steps."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from compute.cost.load import Load
from compute.cost.prices import STANDARD
from compute.cost.request import DEFAULT_SLO, CostRequest
from compute.cost.result import Assumption, GpuChoice, GpuPrice, PriceChange, ProviderCost
from compute.cost.sums import HOURS_PER_MONTH
from compute.cost.words import percent
from compute.tool import Fix

MOST_FIXES = 4
SIXTEEN_BITS = ("bf16", "fp16")


def warnings(
    request: CostRequest,
    load: Load,
    gpu: GpuChoice | None,
    changes: Sequence[PriceChange],
    compared: int,
) -> list[str]:
    """What the reader must not miss; ``compared`` is the number of GPUs."""
    found = []
    if request.utilization is not None and gpu is not None:
        found.append(
            f"You typed a utilization of {percent(request.utilization)}; this traffic gives"
            f" {percent(gpu.utilization)} on {gpu.gpu_name}. The answer uses the derived one."
        )
    if gpu is not None and gpu.price is not None and gpu.price.stale:
        found.append(
            f"The {gpu.gpu_name} prices are older than 30 days ({_days(gpu.price)}): check one and"
            " give it as gpu_price."
        )
    if (request.gpu_usd_per_hour or request.capex_usd_per_gpu) and compared > 1:
        found.append(f"Your price is taken for each of the {compared} GPUs compared: name one.")
    if load.profile.peak_bin_s >= 3600:
        found.append("This profile publishes no peak within the hour: real peaks are higher.")
    found += [change.sentence for change in changes[:3]]
    return found


def _days(price: GpuPrice) -> str:
    """``2026-05-24 to 2026-08-23``: when the listings were read."""
    days = dict.fromkeys(day for day in (price.oldest, price.newest) if day)
    return " to ".join(days) or "without a date"


def assumptions(
    request: CostRequest,
    load: Load,
    provider: ProviderCost | None,
    gpu: GpuChoice | None,
    source: str,
) -> list[Assumption]:
    """What the answer takes for granted, each with its source and date."""
    found = _traffic_assumptions(request, load)
    if provider is not None:
        found.append(
            Assumption(
                text="Provider prices are list prices: no discount, no tax, no failed requests."
                " The range of a provider is the same traffic with no cache hit.",
                source=provider.price_source,
                date=provider.price_date,
            )
        )
    if gpu is not None and gpu.price is not None:
        found += _gpu_assumptions(request, load, gpu, source)
    if request.capex_usd_per_gpu is not None:
        found.append(
            Assumption(
                text="Bought GPUs draw their full power while they run, at"
                f" ${request.power_usd_per_kwh:g} per kWh and a PUE of {request.pue:g}; TDP leaves"
                " out the rest of the server (give power_w), and no interest, resale or repair is"
                " counted."
            )
        )
    return found


def _traffic_assumptions(request: CostRequest, load: Load) -> list[Assumption]:
    profile = load.profile
    found = [
        Assumption(
            text=f"A month is {HOURS_PER_MONTH} hours (8,760 / 12): {load.requests_per_month:,.0f}"
            f" requests of {load.isl:,.0f} prompt and {load.osl:,.0f} output tokens,"
            f" {percent(load.cached_share)} of the prompt read from a cache."
        ),
        Assumption(
            text=f"Traffic {profile.name}: {profile.description}; peak"
            f" {profile.peak_over_mean:.2f}x the mean{_bin(profile.peak_bin_s)},"
            f" first hour at UTC{load.utc_offset_h:+g}.",
            source=profile.source,
        ),
    ]
    if request.cached_share is None and profile.cache_share:
        found.append(
            Assumption(
                text=f"The profile publishes that {percent(profile.cache_share)} of its prompt"
                " tokens were seen before, with a cache that never forgets: an upper bound.",
                source=profile.source,
            )
        )
    return found


def _bin(seconds: int) -> str:
    names = {60: " (1 minute)", 600: " (10 minutes)", 3600: " (1 hour)"}
    return names.get(seconds, "")


def _gpu_assumptions(
    request: CostRequest, load: Load, gpu: GpuChoice, source: str
) -> list[Assumption]:
    price = gpu.price
    assert price is not None
    rent = f"${price.low:,.2f} to ${price.high:,.2f} per GPU-hour, median ${price.median:,.2f}"
    listed = f"{rent} ({price.offers} {price.pricing} offers of {price.providers} sellers)"
    return [
        Assumption(
            text=f"{gpu.gpu_name}: {listed if price.offers else _own_text(request, price.median)}.",
            source=price.source,
            date=_days(price) if price.oldest else "",
        ),
        Assumption(
            text=f"One replica ({gpu.n_gpus_per_replica}x {gpu.gpu_name}, {gpu.weight_dtype},"
            f" {gpu.engine}) serves {gpu.replica_rps:,.3g} requests/s,"
            f" {gpu.slots_per_replica:,} in flight, within {request.slo or DEFAULT_SLO}.",
            source=f"Throughput Calculator; {source}",
        ),
        Assumption(
            text=f"At the busiest time at most {percent(request.wait_probability)} of requests"
            f" wait: Erlang C, burstiness {load.peakedness:.3g} (1 = Poisson).",
            source="Hayward's approximation, Fredericks 1980",
        ),
        Assumption(
            text=f"At least {request.min_replicas} replicas run, "
            + (
                "so that one may fail"
                if request.min_replicas > 1
                else "so a failure is an outage until it is replaced"
            )
            + f"; the fleet is {request.scaling}"
            + (f" with {request.lag_h} h of lag." if request.scaling == "autoscaled" else "."),
        ),
        Assumption(
            text="GPU prices leave out storage, egress, tax and commitments; add them with storage,"
            " people and hosting."
        ),
    ]


def _own_text(request: CostRequest, usd_per_hour: float) -> str:
    if request.capex_usd_per_gpu is None:
        return f"your price of ${usd_per_hour:,.2f} per GPU-hour"
    return (
        f"bought for ${request.capex_usd_per_gpu:,.0f} each, written off over {request.years:g}"
        f" years: ${usd_per_hour:,.2f} per GPU-hour with power and hosting"
    )


def fixes(
    request: CostRequest, gpu: GpuChoice | None, batch: bool, hub_id: str | None, priced: bool
) -> list[Fix]:
    """Changes worth a press; ``hub_id`` is where the weights may be, if they were not found.

    ``priced``: some provider's price is known.
    """
    found = []
    listed = request.model.partition(":")[0]
    if not priced and gpu is None and listed and listed != request.model:
        found.append(Fix(label=f"Use {listed}"[:80], changes={"model": listed}))
    if hub_id is not None:
        changes: dict[str, JsonValue] = {"model": hub_id}
        found.append(Fix(label=f"Self-host {hub_id}"[:80], changes=changes, optional=priced))
    found += _fleet_fixes(request, gpu) if gpu is not None else []
    words = request.pricing.casefold().split()
    if batch and all(word in ("spot", "on-demand", STANDARD) for word in words):
        kept = " ".join(word for word in words if word != STANDARD)
        found.append(_offered("Batch API", pricing=f"{kept} batch".strip()))
    return found[:MOST_FIXES]


def _fleet_fixes(request: CostRequest, gpu: GpuChoice) -> list[Fix]:
    """Other ways to run the fleet."""
    found = []
    own = request.gpu_usd_per_hour is not None or request.capex_usd_per_gpu is not None
    least = gpu.replicas == request.min_replicas
    if request.scaling == "static" and not least:  # at its least there is nothing to scale
        found.append(_offered("Autoscale", scaling="autoscaled"))
    if request.min_replicas > 1 and least:
        found.append(_offered("One replica, no spare", min_replicas=1))
    if request.weight_dtype == "auto" and gpu.weight_dtype in SIXTEEN_BITS:
        found.append(_offered("fp8 weights", weight_dtype="fp8"))
    if "spot" not in request.pricing.casefold() and not own:
        found.append(_offered("Spot GPUs", pricing=f"{request.pricing} spot".strip()))
    return found


def _offered(label: str, **changes: JsonValue) -> Fix:
    return Fix(label=label, changes=changes, optional=True)
