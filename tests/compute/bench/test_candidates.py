"""What is left out before any time is spent on it: read from what was compiled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from compute.bench.candidates import Candidate, buckets, candidates, line_of
from compute.kernels.build import static
from compute.kernels.build.static import Static
from compute.kernels.operator import Regime
from tests.compute.bench.choosing import BETTER, USUAL, WORSE, choice_of

GOOD = Static("k", 90, 32, 0, 1024, 0, (), 0, 8, 8)


def found(
    monkeypatch: pytest.MonkeyPatch, other: Static | Exception, regime: Regime = "memory"
) -> list[Candidate]:
    """The usual configuration with ``GOOD``, and one more."""

    def read(cubin: Any, arch: int) -> Static:
        if cubin == USUAL:
            return GOOD
        if isinstance(other, Exception):
            raise other
        return other

    monkeypatch.setattr(static, "inspect_cubin", read)
    choice = replace(choice_of(USUAL, BETTER), cubin=lambda d, a, b, config: config)  # type: ignore[arg-type,return-value]
    return list(candidates(choice, regime, "bfloat16", 90, "wide"))


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (replace(GOOD, spilled=4), "spills: 4"),
        (replace(GOOD, stack_bytes=16), "spills"),
        (replace(GOOD, shared_bytes=240 * 1024), "takes 240 KiB of shared memory, of 227"),
        (replace(GOOD, registers=255, num_warps=32), "does not fit a multiprocessor"),
        (replace(GOOD, registers=160), "leaves"),
        (ValueError("no such tile"), "not compiled: ValueError: no such tile"),
    ],
)
def test_what_cannot_be_good_is_left_out_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, other: Static | Exception, why: str
) -> None:
    usual, left = found(monkeypatch, other)
    assert usual.usual and not usual.out
    assert why in left.out and why in line_of(choice_of(), left)


def test_the_table_is_timed_whatever_it_was_compiled_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static, "inspect_cubin", lambda cubin, arch: replace(GOOD, spilled=9))
    choice = replace(choice_of(USUAL, BETTER), cubin=lambda d, a, b, config: config)  # type: ignore[arg-type,return-value]
    usual, left = candidates(choice, "memory", "bfloat16", 90, "wide")
    assert not usual.out and left.out


def test_tensor_core_kernels_may_have_little_occupancy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not found(monkeypatch, replace(GOOD, registers=160), "compute")[1].out


def test_without_time_only_the_table_is_left() -> None:
    ones = list(candidates(choice_of(), "memory", "bfloat16", 90, "wide", lambda: False))
    assert [one.config for one in ones if not one.out] == [USUAL]


def test_an_unknown_architecture_is_timed_without_being_read() -> None:
    ones = list(candidates(choice_of(), "memory", "bfloat16", 120, "wide"))
    assert [one.config for one in ones if not one.out] == [USUAL, BETTER, WORSE]


def test_shapes_are_tuned_by_the_row_of_the_table_that_they_take() -> None:
    shapes = [{"M": 1, "N": 32}, {"M": 1, "N": 128}, {"M": 2, "N": 64}]
    kinds = buckets(choice_of(), shapes, "float32", 132)
    assert kinds == {"narrow": [shapes[0], shapes[2]], "wide": [shapes[1]]}
