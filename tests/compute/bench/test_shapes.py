from __future__ import annotations

import pytest

from compute.bench.index import listed
from compute.bench.shapes import example_of, parse_shapes, smaller
from compute.tool import Refused

GEMM, NORM = listed()["gemm"], listed()["rms_norm"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("4096x4096, 16384x8192", [(4096, 4096), (16_384, 8192)]),
        ("4096×4096", [(4096, 4096)]),
        ("4kx8K; 1x1", [(4096, 8192), (1, 1)]),
        ("M=16,N=4096", [(16, 4096)]),
        ("n=4096 m=16, M=32,N=8", [(16, 4096), (32, 8)]),
        ("M=16,N=4096, 2x2", [(16, 4096), (2, 2)]),
        ("2x2 2x2", [(2, 2)]),
        ("1m*2", [(2**20, 2)]),
    ],
)
def test_shapes_are_read_as_people_type_them(text: str, found: list[tuple[int, int]]) -> None:
    assert [(d["M"], d["N"]) for d in parse_shapes(text, NORM)] == found


@pytest.mark.parametrize(
    ("text", "words", "given"),
    [
        ("4096", "2 sizes", "4096"),
        ("4096x4096, 8x8x8", "this has 3", "8x8x8"),
        ("4096xfoo", "'foo' is not a size", "4096xfoo"),
        ("M=16", "also needs N", "M=16"),
        ("M=16,Q=3", "no size Q", "Q=3"),
        ("0x8", "nothing to time", "0x8"),
        ("99999999999999x1", "not a size", "99999999999999x1"),
        ("-5x5", "not a size", "-5x5"),
        (",,,", "no shape", ",,,"),
        (" ".join(f"{k}x1" for k in range(1, 20)), "At most 16", "19 shapes"),
    ],
)
def test_a_wrong_shape_is_named_with_a_right_example(text: str, words: str, given: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        parse_shapes(text, NORM)
    refusal = caught.value.refusal
    assert refusal.field == "shapes" and refusal.given == given
    assert parse_shapes(str(refusal.example), NORM)


def test_every_operators_example_is_right() -> None:
    for op in listed().values():
        assert parse_shapes(example_of(op), op)


def test_heads_that_do_not_divide_are_refused() -> None:
    op = listed()["attention"]
    with pytest.raises(Refused, match="multiple of HK"):
        parse_shapes("1x32x5x128x128x64x1", op)
    with pytest.raises(Refused, match="causal is 0 or 1"):
        parse_shapes("1x32x8x128x128x64x7", op)


def test_a_smaller_problem_halves_its_largest_length_alone() -> None:
    assert smaller({"M": 8, "N": 8192}) == {"M": 8, "N": 4096}
    attention = {"B": 1, "H": 32, "HK": 8, "SQ": 512, "SK": 512, "D": 128, "causal": 1}
    less = smaller(attention)
    assert less is not None and (less["SQ"], less["SK"], less["D"]) == (256, 256, 128)
    assert smaller({"M": 1, "N": 1}) is None


def test_halving_ends_for_every_operator() -> None:
    for op in listed().values():
        for suite in op.suites.values():
            for dims in suite:
                left: object = dims
                for _ in range(400):
                    left = smaller(left)  # type: ignore[arg-type]
                    if left is None:
                        break
                assert left is None, f"{op.name} {dims} is never small enough"
