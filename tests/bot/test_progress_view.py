"""What a run says of itself: place, wait, words, and nothing that nobody knows."""

from __future__ import annotations

from typing import Any

import pytest

from bot.jobs.words import Progress
from bot.progress_view import duration, ordinal, progress_view
from bot.view import Bold, Button, Heading, Note, Text, View, plain

ID = "r" * 22


def view(**what: Any) -> View:
    return progress_view("rms_norm bf16", Progress(ID, "bench", **what))


def line(**what: Any) -> str:
    first = view(**what).blocks[0]
    assert isinstance(first, Heading) and first.words[0] == Bold("rms_norm bf16")
    return plain(first.words).removeprefix("rms_norm bf16 · ")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (None, None, "you are 2nd in line"),
        (38, 41, "you are 2nd in line, about 40 s"),
        (20, 60, "you are 2nd in line, 20 to 60 s"),
        (40, 200, "you are 2nd in line, 40 s to 3 min"),
        (0, 90, "you are 2nd in line, up to 2 min"),
        (0, 0, "you are 2nd in line, about to start"),
        (7000, 7400, "you are 2nd in line, about 2 h"),
    ],
)
def test_the_wait_is_said_as_well_as_it_is_known(low: Any, high: Any, said: str) -> None:
    assert line(state="queued", place=2, wait_low_s=low, wait_high_s=high) == said


def test_first_in_line_and_no_place_at_all() -> None:
    assert line(state="queued", place=1) == "you are next"
    assert line(state="queued", place=0) == "waiting"


def test_what_it_waits_for_stands_below_while_it_waits() -> None:
    why = "No worker with sm_100 is online."
    assert Text((why,)) in view(state="queued", place=1, why=why).blocks
    assert Text((why,)) not in view(state="running", why=why).blocks


def test_a_running_one_says_where_what_and_how_long() -> None:
    said = line(state="running", worker="basement-box", machine="H100 SXM", words="7 of 24 cells",
                left_s=24.0)  # fmt: skip
    assert said == "H100 SXM on basement-box · 7 of 24 cells · about 25 s left"
    assert line(state="running", fraction=0.35) == "35%"
    assert line(state="running") == "started"
    assert line(state="running", worker="box", left_s=0.0) == "on box · started"


def test_a_second_try_says_so() -> None:
    notes = [b for b in view(state="running", attempt=2).blocks if isinstance(b, Note)]
    assert "2nd try" in plain(notes[0].words)
    assert not [b for b in view(state="running", attempt=1).blocks if isinstance(b, Note)]


@pytest.mark.parametrize("state", ["queued", "running"])
def test_while_it_is_open_it_can_be_cancelled(state: Any) -> None:
    (button,) = [b for b in view(state=state).blocks if isinstance(b, Button)]
    assert (button.label, button.action) == ("Cancel", "cancel")


@pytest.mark.parametrize("state", ["done", "refused", "failed", "cancelled"])
def test_what_is_over_offers_no_cancel(state: Any) -> None:
    assert not [b for b in view(state=state).blocks if isinstance(b, Button)]


def test_a_partial_result_is_shown_without_its_buttons() -> None:
    partial = View((Heading((Bold("93 %"),)), Button("Explain", "details")))
    shown = progress_view("x", Progress(ID, "bench", "running"), partial).blocks
    assert partial.blocks[0] in shown and partial.blocks[1] not in shown


def test_durations_are_as_coarse_as_guesses_are() -> None:
    said = [duration(s) for s in (0, 3.4, 42, 89, 91, 5399, 5401, 86_400, 200_000)]
    assert said == ["1 s", "3 s", "40 s", "90 s", "2 min", "90 min", "2 h", "24 h", "2 days"]


def test_ordinals() -> None:
    numbers = (1, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111, 112)
    assert [ordinal(n) for n in numbers] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "101st", "111th",
        "112th",
    ]  # fmt: skip
