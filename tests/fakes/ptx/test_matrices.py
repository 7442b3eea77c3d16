"""Formats, fragments and tiles against the formulas of the PTX ISA, written out one by one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tests.fakes.ptx import fragments
from tests.fakes.ptx.formats import small_floats, values
from tests.fakes.ptx.tiles import MatrixAddress, swizzled


@pytest.mark.parametrize("kind", ["e4m3", "e5m2"])
def test_every_8_bit_float_is_the_one_that_torch_has(kind: str) -> None:
    torch = pytest.importorskip("torch")
    dtype = torch.float8_e4m3fn if kind == "e4m3" else torch.float8_e5m2
    expected = torch.arange(256, dtype=torch.uint8).view(dtype).float().numpy()
    assert np.array_equal(small_floats(kind), expected, equal_nan=True)


def test_tf32_forgets_thirteen_bits() -> None:
    raw = np.array([1 + 2**-10 + 2**-11], np.float32).view(np.uint8)
    assert values(raw, "tf32") == np.float32(1 + 2**-10)


def test_bf16_is_the_upper_half_of_a_float() -> None:
    raw = np.array([0x3F80, 0xC040, 0x7FC0], np.uint16).view(np.uint8)
    assert np.array_equal(values(raw, "bf16"), [1.0, -3.0, np.nan], equal_nan=True)


def test_an_mma_operand_lies_where_the_isa_says() -> None:
    """m16n8k16, one 16-bit element after the other."""
    a = np.arange(16 * 16, dtype=np.uint16).reshape(16, 16)
    b = np.arange(8 * 16, dtype=np.uint16).reshape(8, 16)  # [n][k]
    a_words = np.zeros((4, 1, 32), np.uint32)
    b_words = np.zeros((2, 1, 32), np.uint32)
    for lane, i in product(range(32), range(8)):
        group, within = lane // 4, lane % 4
        row = group if i in (0, 1, 4, 5) else group + 8
        column = within * 2 + i % 2 + (8 if i >= 4 else 0)
        a_words[i // 2, 0, lane] |= int(a[row, column]) << 16 * (i % 2)
    for lane, i in product(range(32), range(4)):
        k = lane % 4 * 2 + i % 2 + (8 if i >= 2 else 0)
        b_words[i // 2, 0, lane] |= int(b[lane // 4, k]) << 16 * (i % 2)
    assert (fragments.a_tile(a_words)[0].view(np.uint16) == a).all()
    assert (fragments.b_tile(b_words)[0].view(np.uint16) == b).all()


def test_sums_of_mma_lie_where_the_isa_says() -> None:
    tile = np.arange(128, dtype=np.float32).reshape(1, 16, 8)
    made = fragments.d_registers(tile)
    for i, lane in product(range(4), range(32)):
        row, column = lane // 4 + 8 * (i // 2), lane % 4 * 2 + i % 2
        assert made[i, 0, lane] == tile[0, row, column]
    assert (fragments.d_tile(made) == tile).all()


def test_sums_of_wgmma_lie_where_the_isa_says() -> None:
    tile = np.arange(64 * 24, dtype=np.float32).reshape(1, 64, 24)
    made = fragments.group_d_registers(tile)
    for i, thread in product(range(12), range(128)):
        row = thread // 32 * 16 + thread % 32 // 4 + 8 * (i // 2 % 2)
        assert made[i, 0, thread] == tile[0, row, i // 4 * 8 + thread % 4 * 2 + i % 2]
    assert (fragments.group_d_tile(made) == tile).all()


@pytest.mark.parametrize("transposed", [False, True])
def test_ldmatrix_gives_each_lane_its_pair(transposed: bool) -> None:
    tile = np.arange(64, dtype=np.uint16).reshape(8, 8)
    rows = tile.view(np.uint8).reshape(1, 1, 8, 16)
    made = fragments.matrix_registers(rows, transposed)
    seen = tile.T if transposed else tile
    for lane in range(32):
        low, high = seen[lane // 4, lane % 4 * 2 :][:2].tolist()
        assert made[0, 0, lane] == low | high << 16
    assert (fragments.matrix_rows(made, transposed) == rows).all()


@pytest.mark.parametrize(("row", "moved"), [(128, 0x70), (64, 0x30), (32, 0x10)])
def test_a_swizzle_changes_chunks_by_the_line(row: int, moved: int) -> None:
    everywhere = np.arange(0, 4096, 16)
    there = swizzled(everywhere, row)
    assert (swizzled(there, row) == everywhere).all()
    assert there[(4096 - row) // 16] == 4096 - row + moved  # the last line, chunk 0
    assert (there[: min(row, 128) // 16] == everywhere[: row // 16]).all()  # the first line


def test_a_descriptor_is_read_as_it_was_made() -> None:
    word = (0x12340 >> 4) | (8192 >> 4) << 16 | (1024 >> 4) << 32 | 1 << 62
    assert MatrixAddress.read(word) == MatrixAddress(0x12340, 8192, 1024, 128)
    with pytest.raises(ValueError, match="base offset"):
        MatrixAddress.read(word | 1 << 49)
    with pytest.raises(ValueError, match="no field"):
        MatrixAddress.read(word | 1 << 14)


@pytest.mark.parametrize("row", [0, 32, 64, 128])
def test_a_tile_along_k_has_the_canonical_layout(row: int) -> None:
    """PTX ISA, strides of wgmma's matrices, in units of 16 bytes: T x ((8, m), (1, 2 k))."""
    at = MatrixAddress(4096, 512, 2048, row)
    places = at.places(24, True, 2)
    for line, k in product(range(24), range(16)):
        chunk = k // 8
        if row:
            plain = line // 8 * 2048 + line % 8 * row + chunk * 16
            chunk_bits = plain >> 3 & row - 16
            expected = 4096 + (plain ^ chunk_bits)
        else:
            expected = 4096 + line // 8 * 2048 + line % 8 * 16 + chunk * 512
        assert places[line, k] == expected + k % 8 * 2


@pytest.mark.parametrize("row", [0, 32, 64, 128])
def test_a_tile_across_k_has_the_canonical_layout(row: int) -> None:
    at = MatrixAddress(4096, 1024, 4096, row)
    places = at.places(128, False, 2)
    wide = (row or 16) // 2  # elements of a line within an atom
    for line, k in product(range(128), range(16)):
        if row:
            plain = line // wide * 1024 + k // 8 * 4096 + k % 8 * row + line % wide * 2
            expected = 4096 + (plain ^ (plain >> 3 & row - 16))
        else:
            expected = 4096 + line // 8 * 4096 + k // 8 * 1024 + k % 8 * 16 + line % 8 * 2
        assert places[line, k] == expected
