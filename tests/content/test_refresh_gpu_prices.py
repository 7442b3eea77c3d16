"""A new snapshot comes from feeds handed over: checked, marked, nothing repeated or guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from content.gpu_prices import load_gpu_prices
from content.gpus import load_gpus
from content.refresh_feeds import FeedError, gpu_key, read_feed
from content.refresh_gpu_prices import main, mark_suspects, merge, read_snapshot
from content.tables import CATALOGUE

GPUS = load_gpus()


def listed(**changes: Any) -> dict[str, Any]:
    """One offer of a daily feed."""
    return {
        "available": True, "gpu_count": 8, "gpu_family": "H100", "gpu_form": "SXM",
        "gpu_partition": None, "gpu_recognised": True, "listing_url": "https://example.org",
        "price_per_gpu_hr_usd": 2.5, "pricing_type": "on-demand", "provider": "lambdalabs",
        "vram_gb": 80,
    } | changes  # fmt: skip


def feed(tmp_path: Path, *offers: dict[str, Any], day: str = "2026-11-20") -> str:
    path = tmp_path / f"feed-{day}-{len(offers)}.json"
    path.write_text(json.dumps({"collected_at": f"{day}T07:00:00+00:00", "offers": offers}))
    return str(path)


def test_a_daily_feed_becomes_rows_with_source_date_and_key(tmp_path: Path) -> None:
    (row,) = read_feed(feed(tmp_path, listed()), GPUS, commit="abc")
    assert row["gpu_key"] == "H100-SXM"
    assert row["provider"] == "lambda"
    assert row["price_usd_per_gpu_hour"] == "2.5"
    assert (row["date"], row["commit"]) == ("2026-11-20", "abc")
    assert row["source"] == "toolshedlabs-hash/gpu-price-feed"


def test_a_curated_list_becomes_rows_too(tmp_path: Path) -> None:
    path = tmp_path / "offerings.json"
    one = {
        "id": "seller-h200-spot", "provider_id": "seller", "gpu_model": "H200 SXM5",
        "gpu_brand": "NVIDIA", "vram_gb": 141, "interconnect": "SXM", "tier": "spot",
        "is_spot": True, "price_usd_hour": 1.4, "source_url": "https://example.org",
        "collected_at": "2026-11-01",
    }  # fmt: skip
    path.write_text(json.dumps([one]))
    (row,) = read_feed(str(path), GPUS)
    assert (row["gpu_key"], row["pricing"], row["date"]) == ("H200-SXM", "spot", "2026-11-01")


@pytest.mark.parametrize(
    "changes",
    [
        {"available": False},
        {"gpu_recognised": False},
        {"gpu_partition": "1g.10gb"},
        {"price_per_gpu_hr_usd": 0},
        {"price_per_gpu_hr_usd": 1e9},
        {"price_per_gpu_hr_usd": float("nan")},
        {"price_per_gpu_hr_usd": "2.5"},
        {"price_per_gpu_hr_usd": True},
        {"vram_gb": None},
        {"provider": ""},
    ],
)
def test_what_cannot_be_an_offer_is_left_out(tmp_path: Path, changes: dict[str, Any]) -> None:
    rows = read_feed(feed(tmp_path, listed(), listed(provider="x") | changes), GPUS)
    assert [row["provider"] for row in rows] == ["lambda"]


def test_of_a_markets_many_listings_the_cheapest_is_kept(tmp_path: Path) -> None:
    offers = [listed(provider="vastai", price_per_gpu_hr_usd=usd) for usd in (2.2, 1.9, 2.4)]
    (row,) = read_feed(feed(tmp_path, *offers), GPUS)
    assert (row["price_usd_per_gpu_hour"], row["tier"]) == ("1.9", "marketplace")


@pytest.mark.parametrize(
    ("gpu", "vram", "form", "key"),
    [
        ("H100 SXM", "80", "SXM", "H100-SXM"),
        ("H100", "80", "PCIe", "H100-PCIe"),
        ("H100", "80", "", "H100-SXM?"),
        ("H100 NVLink", "80", "NVLink", "H100-SXM?"),
        ("A100 SXM4", "40", "SXM", "A100-SXM-40GB"),
        ("A100 80GB PCIe", "80", "PCIe", "A100-PCIe-80GB"),
        ("B200", "180", "", "B200-SXM"),
        ("L40S", "48", "PCIe", "L40S"),
        ("MI300X", "192", "", "MI300X"),
        ("GeForce RTX 4090", "24", "PCIe", "RTX-4090"),
        ("RTX 4090 (48 GB mod)", "48", "PCIe", ""),
        ("RTX 3060", "8", "", ""),
        ("RTX PRO 6000 Server", "96", "PCIe", "RTX-PRO-6000-BSE"),
        ("Some Future Card", "512", "", ""),
    ],
)
def test_a_listing_gets_a_key_only_where_it_says_enough(
    gpu: str, vram: str, form: str, key: str
) -> None:
    assert gpu_key({"gpu": gpu, "vram_gb": vram, "interconnect": form}, GPUS) == key


def test_spot_dearer_than_on_demand_and_outliers_are_marked(tmp_path: Path) -> None:
    offers = [listed(provider=f"p{n}", price_per_gpu_hr_usd=2.0 + n / 10) for n in range(5)]
    offers += [
        listed(provider="p0", pricing_type="spot", price_per_gpu_hr_usd=3.0),
        listed(provider="typo", price_per_gpu_hr_usd=25.0),
    ]
    marked = mark_suspects(read_feed(feed(tmp_path, *offers), GPUS))
    why = {(row["provider"], row["pricing"]): row["suspect"] for row in marked if row["suspect"]}
    assert why[("p0", "spot")] == "spot>on-demand"
    assert "the median" in why[("typo", "on-demand")]
    assert len(why) == 2


def test_a_feed_replaces_its_source_and_drops_who_is_gone(tmp_path: Path) -> None:
    old = read_feed(feed(tmp_path, listed(), listed(provider="gone"), day="2026-11-01"), GPUS)
    other = [row | {"source": "someone else"} for row in old[:1]]
    new = read_feed(feed(tmp_path, listed(price_per_gpu_hr_usd=2.0)), GPUS)
    merged, report = merge([*old, *other], new)
    assert {(row["provider"], row["source"].split("/")[0]) for row in merged} == {
        ("lambda", "toolshedlabs-hash"),
        ("lambda", "someone else"),
    }
    assert "no longer listed: gone" in report[0]


def test_an_older_or_shrunken_feed_is_refused(tmp_path: Path) -> None:
    many = [listed(provider=f"p{n}") for n in range(10)]
    old = read_feed(feed(tmp_path, *many), GPUS)
    with pytest.raises(FeedError, match="older"):
        merge(old, read_feed(feed(tmp_path, *many, day="2026-10-01"), GPUS))
    few = read_feed(feed(tmp_path, *many[:3], day="2026-11-21"), GPUS)
    with pytest.raises(FeedError, match="--force"):
        merge(old, few)
    assert len(merge(old, few, force=True)[0]) == 3


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"offers": []}', "<html>", '{"offers": [1]}'])
def test_what_is_no_feed_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "feed.json"
    path.write_text(text)
    with pytest.raises(FeedError):
        read_feed(str(path), GPUS)


def test_the_command_writes_a_snapshot_that_loads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gpu_prices.csv"
    out.write_bytes((CATALOGUE / "gpu_prices.csv").read_bytes())
    offers = [listed(provider=f"p{n}") for n in range(30)]
    assert main([feed(tmp_path, *offers), "--out", str(out)]) == 0
    assert "52 offers became 30, 2026-11-20" in capsys.readouterr().out
    found = load_gpu_prices(out).range("H100-SXM")
    assert found is not None
    assert found.dates[-1].isoformat() == "2026-11-20"
    before = out.read_bytes()
    assert main([str(tmp_path / "missing.json"), "--out", str(out)]) == 1
    assert "cannot be read" in capsys.readouterr().err
    assert out.read_bytes() == before


def test_marking_the_snapshot_again_changes_nothing_that_was_marked() -> None:
    rows = read_snapshot(CATALOGUE / "gpu_prices.csv")
    marked = {row["provider"] for row in rows if row["suspect"]}
    assert marked <= {row["provider"] for row in mark_suspects(rows) if row["suspect"]}
