"""Tuning keeps what is right and faster beyond doubt; values are real here, times are injected."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from compute.bench.stats import Spread
from compute.bench.timing import Subject
from compute.bench.tune import main, tune_on
from compute.bench.tuning import Tried, Tuning, decide, try_all
from compute.kernels.plans.tuned import read, tuned_on
from tests.compute.bench.choosing import (
    BETTER,
    USUAL,
    WORSE,
    WRONG,
    TickingDevice,
    asked_for,
    choice_of,
    chosen_operator,
)
from tests.compute.kernels.finding import need_worker_packages


def tried(config: tuple[int, ...], median: float, spread: float = 0.002, **more: Any) -> Tried:
    times = Spread(median, median * (1 - spread), median * (1 + spread), median * 0.99, 100)
    return Tried(config, times, **more)


def test_the_fastest_beyond_doubt_wins() -> None:
    verdict = decide("b", USUAL, {"s": [tried(USUAL, 1.0), tried(BETTER, 0.8), tried(WORSE, 0.9)]})
    assert verdict.best == BETTER and verdict.speedup == pytest.approx(1.25)
    assert verdict.shape == "s" and verdict.won is not None and verdict.won.median == 0.8


@pytest.mark.parametrize(
    "other",
    [
        tried(BETTER, 0.98),  # less than 3 %
        tried(BETTER, 0.9, spread=0.2),  # quartiles overlap
        tried(BETTER, 0.5, unstable=True),
        Tried(BETTER, None, why="wrong"),
    ],
)
def test_what_is_not_beyond_doubt_changes_nothing(other: Tried) -> None:
    verdict = decide("b", USUAL, {"s": [tried(USUAL, 1.0), other]})
    assert verdict.best is None and "stays" in verdict.why


def test_what_is_slower_on_one_shape_of_the_bucket_does_not_win() -> None:
    shapes = {
        "small": [tried(USUAL, 1.0), tried(BETTER, 0.5), tried(WORSE, 0.9)],
        "large": [tried(USUAL, 1.0), tried(BETTER, 1.1), tried(WORSE, 1.0)],
    }
    assert decide("b", USUAL, shapes).best == WORSE


def test_an_unstable_table_is_no_base_to_compare_with() -> None:
    verdict = decide("b", USUAL, {"s": [tried(USUAL, 1.0, unstable=True), tried(BETTER, 0.5)]})
    assert verdict.best is None and "unstable" in verdict.why


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def copying(moved_bytes: float, kind: str) -> Subject:
    return Subject("copy", lambda _: None)


@pytest.mark.slow
async def test_a_candidate_with_wrong_values_has_no_time() -> None:
    need_worker_packages()
    device = TickingDevice()
    choice = choice_of(USUAL, WRONG)
    operator = chosen_operator(
        device, {USUAL: 1e-3, WRONG: 1e-5}, choice, lambda x, c: x * (2.01 if c == WRONG else 2)
    )

    async def say(words: str) -> None:
        """Nothing."""

    tuning = Tuning(operator, "float32", device, 2.0, say, copy=copying)
    usual, wrong = await try_all(tuning, choice, [USUAL, WRONG], {"M": 8, "N": 128})
    assert usual.times is not None and usual.times.median == pytest.approx(1e-3)
    assert wrong.times is None and "relative error" in wrong.why


@pytest.mark.slow
async def test_candidates_that_take_long_to_compile_are_all_timed() -> None:
    need_worker_packages()
    device, choice = TickingDevice(), choice_of()
    compiled: set[Any] = set()

    def run(x: Any, config: Any) -> Any:
        device.time_s += 0.0 if config in compiled else 4.0
        compiled.add(config)
        return x * 2

    operator = chosen_operator(device, {USUAL: 1e-3, BETTER: 0.8e-3, WORSE: 2e-3}, choice, run)

    async def say(words: str) -> None:
        """Nothing."""

    tuning = Tuning(operator, "float32", device, 3.0, say, copy=copying)
    found = await try_all(tuning, choice, [USUAL, WORSE, BETTER], {"M": 8, "N": 128})
    assert [one.why for one in found] == ["", "", ""]


@pytest.mark.slow
async def test_tuning_measures_every_kind_of_shape_and_keeps_the_winners(tmp_path: Path) -> None:
    need_worker_packages()
    device = TickingDevice()
    choice = choice_of()
    times = {USUAL: 1e-3, BETTER: 0.8e-3, WORSE: 2e-3}
    operator = chosen_operator(device, times, choice)
    out = io.StringIO()
    await tune_on(
        asked_for((8, 32), (8, 128), (16, 128)), operator, [choice], device, 4.0, tmp_path, out
    )
    said = out.getvalue()
    assert "narrow (8x32)" in said and "wide (8x128, 16x128)" in said
    assert said.count("faster: BLOCK=256, 1.25x the table's") == 2
    (path,) = files_in(tmp_path)
    kept = read(path)
    assert kept is not None and {w.bucket for w in kept.winners} == {"narrow", "wide"}
    for winner in kept.winners:
        assert winner.config == {"BLOCK": 256} and winner.usual == {"BLOCK": 128}
        assert winner.median_ms == pytest.approx(0.8) and winner.usual_ms == pytest.approx(1.0)
        assert winner.compiler.startswith("triton ") and winner.date and winner.torch
    found = tuned_on(kept.gpu, (tmp_path,))
    assert choice.tuned(found, "float32", 0, "wide") == BETTER


@pytest.mark.slow
async def test_nothing_is_kept_where_the_table_is_as_good(tmp_path: Path) -> None:
    need_worker_packages()
    device = TickingDevice()
    choice = choice_of()
    operator = chosen_operator(device, {USUAL: 1e-3, BETTER: 0.99e-3, WORSE: 2e-3}, choice)
    out = io.StringIO()
    await tune_on(asked_for((8, 128)), operator, [choice], device, 2.0, tmp_path, out)
    assert "the table's own stays" in out.getvalue()
    assert files_in(tmp_path) == []


@pytest.mark.slow
def test_without_a_gpu_the_plan_is_shown_and_it_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    need_worker_packages()
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    words = ["rms_norm", "--shapes", "64x256", "--implementation", "triton"]
    assert main(words) == 1
    first, heading, *lines = capsys.readouterr().out.splitlines()
    assert "no CUDA GPU" in first and "nothing was timed" in first
    assert heading == "rms_norm triton sm_90, 256 columns (64x256)"
    assert lines[0].endswith("the table's") and len(lines) >= 2
    assert all(" regs " in line and "% occupancy" in line for line in lines)
    assert main([*words, "--plan"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == heading
