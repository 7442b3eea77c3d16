"""GPU prices are dated ranges; what cannot be right or is not said never sets one."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from statistics import median

import pytest

from content.errors import CatalogueError
from content.gpu_prices import COLUMNS, GpuOffer, GpuPrices, load_gpu_prices
from content.gpus import load_gpus
from content.tables import CATALOGUE

DAY = dt.date(2026, 8, 23)


def offer(usd: float, provider: str = "one", **changes: object) -> GpuOffer:
    cells: dict[str, object] = {
        "gpu_key": "H100-SXM", "provider": provider, "gpu": "H100 SXM", "vram_gb": 80.0,
        "pricing": "on-demand", "tier": "on-demand", "usd_per_gpu_hour": usd, "suspect": "",
        "date": DAY, "source": "a test", "licence": "MIT", "url": "",
    }  # fmt: skip
    return GpuOffer(**(cells | changes))  # type: ignore[arg-type]


def test_the_usual_gpus_have_a_range_with_dates() -> None:
    prices = load_gpu_prices()
    for key in ("H100-SXM", "H200-SXM", "B200-SXM", "A100-SXM-80GB", "L40S"):
        found = prices.range(key)
        assert found is not None
        assert len(found.offers) >= 10
        assert 0.3 < found.low < found.median < found.high < 10
        assert found.dates
        spot = prices.range(key, "spot")
        assert spot is not None
        assert spot.median < found.median


def test_every_row_has_a_source_a_licence_and_a_known_gpu_or_none() -> None:
    keys = {gpu.key for gpu in load_gpus()}
    prices = load_gpu_prices()
    assert len(prices) > 300
    for one in prices:
        assert one.source
        assert one.licence
        assert not one.usable or one.gpu_key in keys


def test_spot_dearer_than_on_demand_is_marked_and_left_out() -> None:
    prices = load_gpu_prices()
    suspects = [one for one in prices if one.suspect]
    assert {(one.provider, one.usd_per_gpu_hour) for one in suspects} >= {("runpod", 4.76)}
    spot = prices.range("H100-SXM", "spot")
    assert spot is not None
    assert spot.high < 4.76


def test_a_form_that_is_not_said_is_not_guessed() -> None:
    prices = GpuPrices([offer(2.0), offer(0.1, "two", gpu_key="H100-SXM?"), offer(0.1, gpu_key="")])
    found = prices.range("H100-SXM")
    assert found is not None
    assert found.low == 2.0


def test_low_median_and_high_are_those_of_the_offers() -> None:
    usd = [3.0, 1.5, 2.0, 9.0]
    found = GpuPrices([offer(u, f"seller {u}") for u in usd]).range("H100-SXM")
    assert found is not None
    assert (found.low, found.median, found.high) == (1.5, median(usd), 9.0)


def test_a_seller_that_two_sources_read_counts_once_as_the_newer_has_it() -> None:
    old = offer(5.0, date=dt.date(2026, 5, 24))
    found = GpuPrices([old, offer(2.0), offer(3.0, date=None)]).range("H100-SXM")
    assert found is not None
    assert [one.usd_per_gpu_hour for one in found.offers] == [2.0]


@pytest.mark.parametrize(
    ("date", "today", "stale"),
    [
        (DAY, DAY + dt.timedelta(days=30), False),
        (DAY, DAY + dt.timedelta(days=31), True),
        (None, DAY, True),
    ],
)
def test_older_than_thirty_days_or_undated_is_stale(
    date: dt.date | None, today: dt.date, stale: bool
) -> None:
    found = GpuPrices([offer(2.0, date=date)]).range("H100-SXM")
    assert found is not None
    assert found.stale(today) is stale


def test_a_gpu_that_nobody_lists_has_no_price() -> None:
    assert load_gpu_prices().range("Apple-M1-7c") is None


@pytest.mark.parametrize(
    ("column", "value", "allowed"),
    [
        ("price_usd_per_gpu_hour", "0", "greater than 0"),
        ("price_usd_per_gpu_hour", "free", "greater than 0"),
        ("price_usd_per_gpu_hour", "nan", "greater than 0"),
        ("pricing", "reserved", "on-demand or spot"),
        ("date", "August", "YYYY-MM-DD"),
        ("source", "", "not empty"),
        ("gpu_count", "0", "at least 1"),
    ],
)
def test_a_broken_cell_is_named(tmp_path: Path, column: str, value: str, allowed: str) -> None:
    lines = (CATALOGUE / "gpu_prices.csv").read_text().splitlines()
    cells = lines[1].split(",")
    cells[COLUMNS.index(column)] = value
    path = tmp_path / "gpu_prices.csv"
    path.write_text("\n".join([lines[0], ",".join(cells)]) + "\n")
    with pytest.raises(CatalogueError, match=allowed) as error:
        load_gpu_prices(path)
    assert error.value.column == column
    assert error.value.row == 2
