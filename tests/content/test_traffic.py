"""Traffic profiles are checked figures with a source, found by what people call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from content.errors import CatalogueError
from content.tables import CATALOGUE
from content.traffic import FLAT, MOST_HOURS, cut_record, load_traffic, read_profile

HOURS = [1.0] * 24


def test_every_published_profile_has_source_licence_and_mean_one() -> None:
    profiles = list(load_traffic())
    assert len(profiles) == 10
    for profile in profiles:
        assert profile.source
        assert profile.licence or profile is FLAT
        assert sum(profile.weights) / len(profile.weights) == pytest.approx(1.0, abs=1e-3)
        assert profile.peak_over_mean >= max(profile.weights) - 0.01


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("azure-2024-conversation", "azure-2024-conversation"),
        ("Azure 2024 Conversation", "azure-2024-conversation"),
        ("chat", "azure-2024-conversation"),
        ("code", "azure-2023-code"),
        ("reasoning", "servegen-deepseek-r1"),
        ("flat", "flat"),
    ],
)
def test_profiles_are_found_by_usual_names(typed: str, name: str) -> None:
    found = load_traffic().find(typed)
    assert found is not None
    assert found.name == name
    assert load_traffic().find("nonsense") is None


@pytest.mark.parametrize(
    ("name", "peak", "bin_s"),
    [
        ("azure-2024-conversation", 1.917, 60),
        ("servegen-m-large", 2.977, 600),
        ("azure-2023-code", 4.178, 60),
        ("deepseek-online-2025", 278 / 226.75, 3600),
        ("flat", 1.0, 0),
    ],
)
def test_the_finest_published_peak_is_taken(name: str, peak: float, bin_s: int) -> None:
    found = load_traffic().find(name)
    assert found is not None
    assert found.peak_over_mean == pytest.approx(peak)
    assert found.peak_bin_s == bin_s


def test_weights_of_another_mean_are_scaled_to_one() -> None:
    weights, minutes = [3.0] * 12 + [1.0] * 12, [4.0] * 12 + [2.0] * 12
    found = read_profile("mine", {"hourly_weights": weights, "hourly_max_minute_over_mean": minutes,
                                  "peak_1min_over_mean": 2.0})  # fmt: skip
    assert found.weights[0] == 1.5
    assert found.max_minutes[0] == 2.0


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ([], "mine"),
        ({"hourly_weights": []}, "mine.hourly_weights"),
        ({"hourly_weights": [1.0] * 23}, "mine.hourly_weights"),
        ({"hourly_weights": [1.0] * 24 * 400}, "mine.hourly_weights"),
        ({"hourly_weights": [True] * 24}, "mine.hourly_weights"),
        ({"hourly_weights": [-1.0] + [1.0] * 23}, "mine.hourly_weights"),
        ({"hourly_weights": [0.0] * 24}, "mine.hourly_weights"),
        ({"hourly_weights": HOURS, "period_hours": 25}, "mine.period_hours"),
        ({"hourly_weights": HOURS, "peak_1min_over_mean": 0.9}, "mine.peak_1min_over_mean"),
        ({"hourly_weights": HOURS, "hourly_max_minute_over_mean": [1.0] * 48},
         "mine.hourly_max_minute_over_mean"),
        ({"prefix_cache_hit_share": 1.1}, "mine.prefix_cache_hit_share"),
        ({"interarrival_cv": float("nan")}, "mine.interarrival_cv"),
        ({"input_tokens": {"p50": 5}}, "mine.input_tokens"),
        ({"input_tokens": {"mean": 5, "p50": 5, "p95": 4}}, "mine.input_tokens"),
        ({"description": 7}, "mine.description"),
    ],
)  # fmt: skip
def test_what_is_no_profile_names_its_field(record: Any, field: str) -> None:
    with pytest.raises(CatalogueError) as error:
        read_profile("mine", record)
    assert error.value.column == field


def test_a_strangers_record_is_cut_to_what_a_profile_holds() -> None:
    hostile = {
        "hourly_weights": [1.0] * 100_000,
        "description": "x" * 100_000,
        "input_tokens": {"mean": 5, "evil": "y" * 100_000},
        "anything": ["z"] * 100_000,
        "mean_rps": {"deep": 1},
    }
    kept = cut_record(hostile)
    assert isinstance(kept, dict)
    assert len(json.dumps(kept)) < 20_000
    assert len(kept["hourly_weights"]) == MOST_HOURS + 1
    assert kept["input_tokens"] == {"mean": 5}
    assert "anything" not in kept
    assert "mean_rps" not in kept


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"profiles": {}}', "{"])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "traffic_profiles.json"
    path.write_text(text)
    with pytest.raises(CatalogueError, match=r"traffic_profiles\.json"):
        load_traffic(path)


def test_the_file_still_has_the_shape_that_members_copy() -> None:
    read = json.loads((CATALOGUE / "traffic_profiles.json").read_text())
    assert read["schema"] == "k2c.traffic_profiles/1"
    assert len(read["profiles"]["azure-2024-conversation"]["hourly_weights"]) == 168
