"""Boxes of the copy engine: where they lie, what is outside, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.fakes.ptx.barriers import Barrier
from tests.fakes.ptx.tma import NAN_FILL, Box, TensorMap, chunks


def tensor_map(**changed: Any) -> TensorMap:
    """20 x 100 16-bit values in lines of 104, seen through boxes of 64 x 8."""
    usual: dict[str, Any] = {
        "address": 4096, "element": 2, "row": 128, "sizes": (100, 20), "strides": (208,),
        "box": (64, 8), "flags": 0,
    }  # fmt: skip
    given = usual | changed
    word = np.zeros(16, np.uint64)
    sizes = given["sizes"]
    word[0] = given["address"]
    word[1] = len(sizes) | given["element"] << 8 | given["row"] << 16 | given["flags"]
    word[2 : 2 + len(sizes)] = sizes
    word[7 : 7 + len(given["strides"])] = given["strides"]
    word[11 : 11 + len(given["box"])] = given["box"]
    return TensorMap.read(word.view(np.uint8))


def test_a_map_is_read_from_its_words() -> None:
    held = tensor_map(flags=NAN_FILL)
    assert held == TensorMap(4096, 2, 128, (100, 20), (2, 208), (64, 8), True)
    assert held.box_bytes == 64 * 8 * 2 and held.alignment == 1024


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"address": 4104}, "multiples of 16"),
        ({"strides": (200,)}, "multiples of 16"),
        ({"box": (64, 257)}, "1 to 256"),
        ({"sizes": (0, 20)}, "1 to 2"),
        ({"box": (32, 8)}, "swizzle"),
        ({"box": (60, 8), "row": 0}, "multiple of 16"),
        ({"element": 3}, "no tensor map"),
    ],
)
def test_a_map_that_hardware_refuses_is_refused(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        tensor_map(**changed)


def test_a_box_inside_reads_its_lines() -> None:
    box = Box.at(tensor_map(), [16, 3])
    assert list(box.lines) == [4096 + (3 + i) * 208 + 32 for i in range(8)]
    assert box.inside.all() and (box.first, box.count) == (0, 128)


@pytest.mark.parametrize(
    ("at", "first", "count", "lines"),
    [([70, 15], 0, 60, 5), ([-3, -2], 6, 122, 6), ([100, 0], 0, 0, 0), ([0, 20], 0, 128, 0),
     ([-64, 0], 128, 0, 0), ([1000, -1000], 0, 0, 0)],
)  # fmt: skip
def test_what_is_outside_is_left_out(at: list[int], first: int, count: int, lines: int) -> None:
    box = Box.at(tensor_map(), at)
    assert box.count == count and (not count or box.first == first)
    assert (box.inside.sum() if count else 0) == lines


def test_a_box_of_three_axes_has_all_its_lines() -> None:
    held = tensor_map(sizes=(64, 4, 3), strides=(208, 1024), box=(64, 2, 2))
    box = Box.at(held, [0, 3, 1])
    assert list(box.lines - 4096) == [1024 + 624, 1024 + 832, 2048 + 624, 2048 + 832]
    assert list(box.inside) == [True, False, True, False]


def test_chunks_of_the_second_line_are_swizzled() -> None:
    places = chunks(tensor_map(), 2048)
    assert list(places[0]) == [128 + i for i in range(8)]
    assert list(places[1]) == [136 + (i ^ 1) for i in range(8)]


def test_a_phase_ends_with_its_last_arrival_and_byte() -> None:
    barrier = Barrier.of(2)
    assert barrier.complete(1) and not barrier.complete(0)
    barrier.expect(64)
    assert barrier.arrive() == 0 and barrier.arrive() == 0
    assert not barrier.complete(0)
    barrier.bytes_came(64)
    assert barrier.complete(0) and barrier.pending == 2
    with pytest.raises(ValueError, match="arrivals"):
        barrier.arrive(3)


def test_bytes_may_come_before_they_are_announced() -> None:
    barrier = Barrier.of(1)
    barrier.bytes_came(32)
    barrier.expect(32)
    barrier.arrive()
    assert barrier.complete(0)
