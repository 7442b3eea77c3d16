"""Which configuration a launch takes, and what a file of winners may and may not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compute.kernels.plans import tuned
from compute.kernels.plans.choosing import Choice, trying
from compute.kernels.plans.tuned import Winner, file_of, read, store, tuned_on
from tests.compute.bench.choosing import BETTER, USUAL, WORSE, choice_of
from tests.compute.kernels.finding import need_worker_packages

GPU = "NVIDIA H100 80GB HBM3"


def winner(**changes: Any) -> Winner:
    values: dict[str, Any] = {
        "operator": "doubling",
        "implementation": "triton",
        "dtype": "float32",
        "bucket": "wide",
        "config": {"BLOCK": 256},
        "usual": {"BLOCK": 128},
        "shape": "8x128",
        "median_ms": 0.8,
        "q1_ms": 0.79,
        "q3_ms": 0.81,
        "usual_ms": 1.0,
        "compiler": "triton 3.7.1",
    }
    return Winner(**(values | changes))


@pytest.fixture(autouse=True)
def _compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned, "compiler_of", lambda implementation: "triton 3.7.1")
    tuned_on.cache_clear()


def taken(choice: Choice, *folders: Path) -> tuple[int, ...] | None:
    return choice.tuned(tuned_on(GPU, folders), "float32", 90, "wide")


def test_what_won_is_found_again_for_the_same_gpu_alone(tmp_path: Path) -> None:
    path = store(GPU, [winner()], tmp_path)
    assert path == file_of(GPU, tmp_path) and path.name == "NVIDIA-H100-80GB-HBM3.json"
    assert taken(choice_of(), tmp_path) == BETTER
    assert tuned_on("NVIDIA H200", (tmp_path,)) == {}


def test_a_newer_winner_replaces_the_older_one_and_leaves_the_others(tmp_path: Path) -> None:
    store(GPU, [winner(), winner(bucket="narrow")], tmp_path)
    store(GPU, [winner(config={"BLOCK": 64})], tmp_path)
    kept = read(file_of(GPU, tmp_path))
    assert kept is not None and len(kept.winners) == 2
    assert taken(choice_of(), tmp_path) == WORSE
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"], "nothing half written is left"


def test_the_users_own_wins_over_what_is_shipped(tmp_path: Path) -> None:
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    store(GPU, [winner(), winner(bucket="narrow")], shipped)
    store(GPU, [winner(config={"BLOCK": 64})], own)
    assert taken(choice_of(), shipped, own) == WORSE
    found = tuned_on(GPU, (shipped, own))
    assert found["doubling", "triton", "float32", "narrow"] == {"BLOCK": 256}


@pytest.mark.parametrize(
    "changes",
    [
        {"compiler": "triton 3.6.0"},  # other code: it may spill now
        {"config": {"BLOCK": 96}},  # is not offered, so nobody checked it
        {"config": {"BM": 256}},
        {"bucket": "narrow"},
    ],
)
def test_what_does_not_fit_this_version_changes_nothing(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    store(GPU, [winner(**changes)], tmp_path)
    assert taken(choice_of(), tmp_path) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "3", '{"format": 2, "gpu": "x"}', '{"gpu": 3}', '{"format": 1, "gpu": 3}'),
        '{"format": 1, "gpu": "NVIDIA H100 80GB HBM3", "winners": [{"operator": "doubling"}]}',
        '{"format": 1, "gpu": "NVIDIA H100 80GB HBM3", "winners": [[]]}',
    ],
)
def test_a_file_that_is_none_is_passed_over(tmp_path: Path, text: str) -> None:
    file_of(GPU, tmp_path).write_text(text, encoding="utf-8")
    assert taken(choice_of(), tmp_path) is None
    store(GPU, [winner()], tmp_path)
    tuned_on.cache_clear()
    assert taken(choice_of(), tmp_path) == BETTER


@pytest.mark.parametrize(
    "changes",
    [{"config": {"BLOCK": "256"}}, {"config": [256]}, {"median_ms": -1.0}, {"bucket": 3}],
)
def test_one_winner_with_values_of_another_kind_makes_the_file_none(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    store(GPU, [winner(**changes)], tmp_path)
    assert read(file_of(GPU, tmp_path)) is None


def test_a_trial_comes_first_and_ends_with_its_block() -> None:
    need_worker_packages()
    import torch

    choice, x = choice_of(), torch.ones(1)
    assert choice.taken(x, "float32", "wide") == USUAL
    with trying(choice, BETTER):
        assert choice.taken(x, "float32", "wide") == BETTER
        with pytest.raises(ZeroDivisionError), trying(choice, WORSE):
            assert choice.taken(x, "float32", "wide") == WORSE
            raise ZeroDivisionError
        assert choice.taken(x, "float32", "wide") == BETTER
    assert choice.taken(x, "float32", "wide") == USUAL
