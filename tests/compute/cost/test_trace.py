"""A member's own requests become a profile; a hostile file becomes a sentence."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from compute.cost import profile_of_csv
from compute.cost.__main__ import main
from compute.cost.load import load_of
from compute.tool import Refused
from content.traffic import load_traffic
from tests.compute.cost.known import ask, request

AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8
2023-11-16 18:17:04.0781700,110,27
2023-11-16 18:17:04.1180800,7433,14
2023-11-16 18:17:04.2000000,34,12
2023-11-16 18:17:05.1000000,374,14
2023-11-16 18:17:06.1000000,1200,14
2023-11-16 18:17:07.1000000,1200,14
2023-11-16 18:18:07.1000000,1200,14
2023-11-16 18:19:03.9799600,1200,13
"""


def poisson(days: float, per_hour: dict[int, float]) -> str:
    """A trace of whole days from midnight UTC, ``per_hour`` requests each hour."""
    rng = random.Random(7)
    lines = ["time,input_tokens,output_tokens"]
    for hour in range(int(days * 24)):
        for _ in range(int(per_hour[hour % 24])):
            at = (20_000 * 24 + hour + rng.random()) * 3600
            lines.append(f"{at:.3f},{rng.randint(100, 300)},{rng.randint(10, 30)}")
    return "\n".join(lines)


def test_azures_published_columns_are_understood() -> None:
    profile = profile_of_csv(AZURE.encode())
    assert profile.inputs is not None
    assert profile.outputs is not None
    assert profile.inputs.mean == pytest.approx(2073.9)
    assert profile.outputs.quantiles["p50"] == 14
    assert profile.peak_over_mean == pytest.approx(8 / (10 / 2), rel=0.01)
    assert not profile.has_hours  # two minutes say nothing about a day


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_clocks_and_delimiters_of_usual_logs_are_understood(unit: int, delimiter: str) -> None:
    lines = ["ts,prompt_tokens,completion_tokens"]
    lines += [f"{(1_700_000_000 + 60 * n) * unit},{100 + n},7" for n in range(61)]
    profile = profile_of_csv("\n".join(lines).replace(",", delimiter).encode())
    assert profile.mean_rps == pytest.approx(61 / 3600)
    assert profile.inputs is not None
    assert profile.inputs.mean == 130


def test_a_trace_of_days_has_hours_peaks_and_burstiness() -> None:
    quiet, busy = 10.0, 60.0
    text = poisson(3, {h: busy if 8 <= h < 20 else quiet for h in range(24)})
    profile = profile_of_csv(text.encode())
    assert len(profile.weights) == 72
    assert sum(profile.weights) / 72 == pytest.approx(1.0)
    assert profile.weights[12] == pytest.approx(60 / 35, rel=0.02)
    assert profile.weights[3] == pytest.approx(10 / 35, rel=0.02)
    assert profile.peak_over_mean > 60 / 35
    assert profile.interarrival_cv is not None
    assert 1.0 < profile.interarrival_cv < 2.5


def test_relative_seconds_and_missing_tokens_are_fine() -> None:
    lines = "\n".join(["timestamp", *(f"{n * 3.5}" for n in range(50))])
    profile = profile_of_csv(lines.encode())
    assert profile.inputs is None
    assert profile.interarrival_cv == pytest.approx(0.0, abs=1e-9)


def test_a_trace_sets_the_volume_and_the_lengths() -> None:
    load = load_of(request(trace_csv=AZURE), load_traffic())
    assert load.requests_per_day == pytest.approx(10 / 120.0 * 86_400)
    assert load.isl == pytest.approx(2073.9)
    typed = load_of(request(trace_csv=AZURE, requests_per_day=7, input=100), load_traffic())
    assert (typed.requests_per_day, typed.isl) == (7, 100)


def test_the_answer_stands_on_the_trace() -> None:
    result = ask(trace_csv=AZURE, gpu="h100")
    assert result.traffic.name == "your trace"
    assert result.traffic.source == "your own trace"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "first line"),
        ("a,b\n1,2", "first line"),
        ("time\n" + "1\n" * 9, "10 are the least"),
        ("time\n" + "1\n" * 20, "the same time"),
        ("time\n" + "\n".join(str(n * 1e6) for n in range(20)), "more than 60 days"),
        ("time\nyesterday\n", "Line 2"),
        ("time\nnan\n", "Line 2"),
        ("time\n1e400\n", "Line 2"),
        ("time,input\n1,-5\n", "tokens"),
        ("time,input\n1,many\n", "tokens"),
        ("time,input\n1,1e12\n", "tokens"),
        ("time\n=HYPERLINK(1)\n", "Line 2"),
        ('time\n"1', "no CSV"),
        ("time\n" + "9" * 5000 + "\n", "5,000 characters"),
        ("time\n" + "1\0\n" * 3, "Line 2"),
    ],
)
def test_what_is_no_trace_is_refused_in_words(text: str, what: str) -> None:
    with pytest.raises(Refused, match=what) as refused:
        profile_of_csv(text.encode())
    assert refused.value.refusal.field == "trace_csv"


def test_size_rows_and_encoding_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compute.cost.trace.MAX_ROWS", 30)
    monkeypatch.setattr("compute.cost.trace.MAX_BYTES", 1000)
    with pytest.raises(Refused, match="more than 30"):
        profile_of_csv(("t\n" + "1\n" * 31).replace("t", "time").encode())
    with pytest.raises(Refused, match="larger than"):
        profile_of_csv(b"time\n" + b"1\n" * 1000)
    with pytest.raises(Refused, match="UTF-8"):
        profile_of_csv(b"time\n\xff\xfe\n")


def test_the_terminal_turns_a_trace_into_a_profile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(AZURE)
    assert main([str(path)]) == 0
    record = json.loads(capsys.readouterr().out)
    result = ask(profile=record, gpu="h100")
    peak = profile_of_csv(AZURE.encode()).peak_over_mean
    assert result.traffic.peak_over_mean == pytest.approx(peak)
    assert result.traffic.isl == pytest.approx(2073.9)
    path.write_text("nothing")
    assert main([str(path)]) == 2
    assert main([str(tmp_path / "missing.csv")]) == 2
    assert main([]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert "cannot be read" in said[1]
