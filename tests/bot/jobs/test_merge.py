"""What a worker says is believed only of a job that it holds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.jobs.merge import (
    MAX_STATE_BYTES,
    Disbelieved,
    base_after_return,
    judge,
    read_state,
)
from bot.jobs.run import Run
from compute.jobs.job import JobState

JOB = "j" * 22
ANY = frozenset({"any"})


def state(worker: str = "alice", attempt: int = 1, phase: str = "running", **more: Any) -> JobState:
    values = {"ticket": "right", "started_at": 1.0, "updated_at": 1.0, "phase": phase} | more
    return JobState.model_validate({"job": JOB, "worker": worker, "attempt": attempt} | values)


def out(**more: Any) -> Run:
    """A run that is on the broker."""
    run = Run(JOB, "t", "s", "any", "right", 0.0, publication=1, published_at=1.0)
    for name, value in more.items():
        setattr(run, name, value)
    return run


def owned(worker: str = "alice", attempt: int = 1, **more: Any) -> Run:
    return out(state="running", worker=worker, attempt=attempt, **more)


def test_the_first_claim_owns_the_attempt() -> None:
    assert judge(out(), state(), ANY) == "claim"
    assert judge(owned(), state(), ANY) == "progress"
    assert judge(owned("bob"), state("alice"), ANY) == "stale"


def test_a_last_word_may_be_the_first_that_is_heard() -> None:
    assert judge(out(), state(phase="done"), ANY) == "final"


def test_a_higher_attempt_voids_a_lower_one() -> None:
    run = owned("alice", 1)
    assert judge(run, state("bob", 2), ANY) == "claim"
    run.claimed(2, "bob", "", 1.0)
    for phase in ("running", "done", "failed", "returned"):
        assert judge(run, state("alice", 1, phase), ANY) == "stale"
        assert judge(run, state("alice", 2, phase), ANY) == "stale"
    assert judge(run, state("bob", 2, "done"), ANY) == "final"


def test_attempts_of_earlier_publications_are_void() -> None:
    assert judge(out(base=2, attempt=2), state(attempt=2, phase="done"), ANY) == "stale"
    assert judge(out(base=2, attempt=2), state(attempt=3), ANY) == "claim"


def test_nothing_counts_for_a_run_that_waits_or_has_its_end() -> None:
    assert judge(out(published_at=0.0), state(phase="done"), ANY) == "stale"
    assert judge(owned(settled=True), state(phase="done"), ANY) == "stale"


@pytest.mark.parametrize("phase", ["running", "done", "returned", "failed"])
def test_without_the_ticket_nothing_is_believed(phase: str) -> None:
    for ticket in ("wrong", "", "right ", "ü"):
        with pytest.raises(Disbelieved, match="never given"):
            judge(out(), state(phase=phase, ticket=ticket), ANY)


def test_a_worker_outside_the_lane_is_not_believed_even_with_the_ticket() -> None:
    with pytest.raises(Disbelieved, match="lane"):
        judge(out(lane="sm90"), state(), ANY)
    assert judge(out(lane="sm90"), state(), None) == "claim"  # its card is gone, its word is not


def test_there_is_no_fourth_attempt_but_its_giving_up() -> None:
    with pytest.raises(Disbelieved, match="no attempt 4"):
        judge(owned(attempt=3), state(attempt=4, phase="done"), ANY)
    last = state("bob", 4, "failed", cause="lost")
    assert judge(owned(attempt=3), last, ANY) == "final"


def test_files_that_are_too_large_together_are_not_believed() -> None:
    one = {"media_type": "text/plain", "size": 60 * 2**20, "sha256": "0" * 64}
    files = [{"name": f"f{n}", **one} for n in range(5)]
    with pytest.raises(Disbelieved, match="too large"):
        judge(owned(), state(phase="done", artefacts=files), ANY)


def test_what_came_back_undone_counts_no_attempt() -> None:
    assert base_after_return(out(), state(attempt=1, phase="returned")) == 0
    assert base_after_return(out(base=1, attempt=1), state(attempt=3, phase="returned")) == 2
    assert base_after_return(out(base=1, attempt=1), state(attempt=9, phase="returned")) == 2


def test_a_state_must_stand_under_its_own_key() -> None:
    raw = state().model_dump_json().encode()
    assert read_state("alice", JOB, raw).worker == "alice"
    for worker, job in (("bob", JOB), ("alice", "k" * 22)):
        with pytest.raises(Disbelieved, match="not its own"):
            read_state(worker, job, raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{" * 100_000,
        b'{"job": 1}',
        state().model_dump_json().replace('"running"', '"finished"').encode(),
        state().model_dump_json().replace('"attempt":1', '"attempt":0').encode(),
        state().model_dump_json().replace('"attempt":1', '"attempt":1e400').encode(),
        state().model_dump_json().replace('"fraction":0.0', '"fraction":NaN').encode(),
        state().model_dump_json().replace('"words":""', f'"words":"{"w" * 501}"').encode(),
        b" " * (MAX_STATE_BYTES + 1),
    ],
)
def test_malformed_and_huge_states_are_not_believed(raw: bytes) -> None:
    with pytest.raises(Disbelieved):
        read_state("alice", JOB, raw)


@pytest.mark.parametrize(
    "file",
    [
        {"name": "../up.txt"},
        {"name": ".hidden"},
        {"media_type": "image/svg+xml"},
        {"media_type": "application/javascript"},
        {"size": 2**40},
        {"size": -1},
        {"sha256": "0" * 63 + "/"},
    ],
)
def test_files_of_wrong_names_types_or_sizes_are_not_believed(file: dict[str, Any]) -> None:
    good = {"name": "a.txt", "media_type": "text/plain", "size": 1, "sha256": "0" * 64}
    text = state(phase="done", artefacts=[good]).model_dump_json()
    assert read_state("alice", JOB, text.encode()).artefacts
    for name, value in file.items():
        raw = json.loads(text)
        raw["artefacts"][0][name] = value
        with pytest.raises(Disbelieved):
            read_state("alice", JOB, json.dumps(raw).encode())
