"""Public feeds of GPU prices as rows of our snapshot; what cannot be read is left out, not guessed.

A feed is a file or an https address; its form is recognised: gpu-price-feed's prices.json,
gpu-pricing's offerings.json, or our own CSV.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
import re
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from content.gpu_prices import COLUMNS, FILE
from content.gpus import Gpu, GpuCatalogue
from content.validate import MEMORY_APART

MAX_BYTES = 20_000_000
FETCH_S = 30
CHEAPEST, DEAREST = 0.005, 60.0  # USD per GPU-hour that anybody asks
FORMS = ("SXM", "PCIe", "NVL")
FORM = re.compile(r"\b(SXM|PCIe|NVL)(?!ink)", re.I)  # NVLink joins both kinds: it says nothing
NOISE = re.compile(
    r"\b(NVIDIA|GeForce|SXM\d?|PCIe|NVL(ink)?|HGX|\d+ ?GB|SE|WE|CC|Server|Workstation|Edition)\b",
    re.I,
)
PROVIDERS = {"vastai": "vast-ai", "lambdalabs": "lambda"}
FEED, LIST = "toolshedlabs-hash/gpu-price-feed", "tardellirs/gpu-pricing"
Row = dict[str, str]


class FeedError(Exception):
    """A feed cannot be used; the sentence says which and why."""


def read_feed(place: str, gpus: GpuCatalogue, commit: str = "") -> list[Row]:
    """The rows of one feed. Raises ``FeedError``."""
    data = load(place)
    if place.endswith(".csv"):
        return csv_rows(place, data)
    try:
        feed = json.loads(data)
    except ValueError as error:
        raise FeedError(f"{place} is not JSON: {error}") from None
    if isinstance(feed, dict) and isinstance(feed.get("offers"), list):
        day = str(feed.get("collected_at", ""))[:10]
        offers = [_feed_row(offer, day) for offer in feed["offers"] if _is_offer(offer)]
    elif isinstance(feed, list):
        offers = [_list_row(offer) for offer in feed if isinstance(offer, dict)]
    else:
        raise FeedError(f"{place} is neither of the feeds known here")
    rows = [row | {"commit": commit, "gpu_key": gpu_key(row, gpus)} for row in offers if row]
    if not rows or not all(_is_day(row["date"]) for row in rows):
        raise FeedError(f"{place} has no dated offers")
    return lowest(rows)


def load(place: str) -> bytes:
    """The bytes of a file or an https address. Raises ``FeedError``."""
    try:
        if place.startswith("https://"):
            with urllib.request.urlopen(place, timeout=FETCH_S) as answer:
                data: bytes = answer.read(MAX_BYTES + 1)
        else:
            with Path(place).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FeedError(f"{place} cannot be read: {error}") from None
    if len(data) > MAX_BYTES:
        raise FeedError(f"{place} is larger than {MAX_BYTES // 1_000_000} MB")
    return data


def _is_offer(offer: object) -> bool:
    """Whole GPUs that the feed recognised and that can be had."""
    if not isinstance(offer, dict) or offer.get("available") is False:
        return False
    return bool(offer.get("gpu_recognised")) and not offer.get("gpu_partition")


def _feed_row(offer: Mapping[str, Any], day: str) -> Row:
    spot = offer.get("pricing_type") == "spot"
    provider = PROVIDERS.get(str(offer.get("provider")), str(offer.get("provider")))
    tier = "spot" if spot else "marketplace" if provider == "vast-ai" else "on-demand"
    form = str(offer.get("gpu_form") or "")
    return _row(
        provider=provider,
        gpu=f"{offer.get('gpu_family')} {form}".strip(),
        vram_gb=offer.get("vram_gb"),
        interconnect=form,
        gpu_count=offer.get("gpu_count"),
        pricing="spot" if spot else "on-demand",
        tier=tier,
        price=offer.get("price_per_gpu_hr_usd"),
        date=day,
        source=FEED,
        url=offer.get("listing_url"),
    )


def _list_row(offer: Mapping[str, Any]) -> Row:
    return _row(
        provider=offer.get("provider_id"),
        instance=offer.get("id"),
        gpu=offer.get("gpu_model"),
        vram_gb=offer.get("vram_gb"),
        interconnect=offer.get("interconnect"),
        gpu_count=1,
        pricing="spot" if offer.get("is_spot") else "on-demand",
        tier=offer.get("tier"),
        price=offer.get("price_usd_hour"),
        date=offer.get("collected_at"),
        source=LIST,
        url=offer.get("source_url"),
    )


def _row(*, price: object, source: str, **cells: object) -> Row:
    """A whole row, or an empty one where the offer says too little or asks what nobody asks."""
    named = ("provider", "gpu", "vram_gb", "gpu_count", "date")
    usd = float(price) if isinstance(price, int | float) and not isinstance(price, bool) else 0.0
    if not math.isfinite(usd) or not CHEAPEST <= usd <= DEAREST:
        return {}
    if not all(cells.get(name) for name in named):
        return {}
    texts = {name: "" if value is None else _cell(value) for name, value in cells.items()}
    vendor = "amd" if re.match(r"(AMD|Instinct|MI\d|Radeon)", texts["gpu"], re.I) else "nvidia"
    blank = dict.fromkeys(COLUMNS, "")
    known = {"price_usd_per_gpu_hour": f"{usd:.4g}", "source": source, "licence": "MIT"}
    return blank | texts | known | {"vendor": vendor, "tier": texts["tier"] or texts["pricing"]}


def _cell(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return "".join(char for char in text if char.isprintable())[:200].lstrip("=+@")


def csv_rows(place: str, data: bytes) -> list[Row]:
    """The rows of a snapshot. Raises ``FeedError``."""
    rows = list(csv.DictReader(data.decode("utf-8", "replace").splitlines()))
    if not rows or set(rows[0]) != set(COLUMNS):
        raise FeedError(f"{place} has other columns than {FILE}")
    return [{str(name): str(value or "") for name, value in row.items()} for row in rows]


def gpu_key(row: Row, gpus: GpuCatalogue) -> str:
    """The catalogue's key of what is sold: with ``?`` where SXM or PCIe is not said, or empty."""
    said = FORM.search(row["gpu"]) or FORM.search(row["interconnect"])
    form = said.group(1).casefold() if said else "?"
    name = " ".join(NOISE.sub(" ", row["gpu"]).split())
    vram = float(row["vram_gb"])
    fitting = [gpu for gpu in _named(name, vram, gpus) if _memory_fits(gpu, vram)]
    stated = [gpu for gpu in fitting if form in gpu.key.casefold()]
    if len(stated) == 1:
        return stated[0].key
    plain = [gpu for gpu in fitting if not any(form in gpu.key for form in FORMS)]
    if len(fitting) == 1 and (plain or len(_named(name, 0.0, gpus)) == 1):
        return fitting[0].key
    return f"{fitting[0].key}?" if fitting else ""


def _named(name: str, vram: float, gpus: GpuCatalogue) -> list[Gpu]:
    """The GPUs of that name in every form and with that memory, each once."""
    tails = ("", *FORMS)
    sizes = ("", f" {vram:g}GB", "-40GB", "-80GB", "-96GB", "-144GB")
    found = [gpus.find(f"{name} {tail}{size}".strip()) for tail in tails for size in sizes]
    return list({gpu.key: gpu for gpu in found if gpu is not None}.values())


def _memory_fits(gpu: Gpu, vram: float) -> bool:
    return abs(vram / gpu.mem_gb - 1.0) <= MEMORY_APART


def lowest(rows: Iterable[Row]) -> list[Row]:
    """The cheapest of a provider's listings per GPU, size, kind and tier: a market has hundreds."""
    best: dict[tuple[str, ...], Row] = {}
    for row in rows:
        what = ("provider", "gpu_key", "gpu", "vram_gb", "pricing", "tier", "source")
        key = tuple(row[name] for name in what)
        if key not in best or usd_of(row) < usd_of(best[key]):
            best[key] = row
    return list(best.values())


def usd_of(row: Row) -> float:
    """USD per GPU-hour."""
    return float(row["price_usd_per_gpu_hour"])


def _is_day(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True
