"""Which lane holds which element of a matrix: the register layouts of the PTX ISA's matrices.

Lane = 4 g + t, g = 0..7, t = 0..3. Operands are taken as bytes: a row of A or a column of B is 16
or 32 bytes whatever the format, so that one layout does for f16, tf32 and the 8-bit formats.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]
Bytes = NDArray[np.uint8]


def a_tile(registers: Words) -> Bytes:
    """A of mma: ``registers`` [r, warps, 32] -> [warps, 16, 8 r] bytes, rows along K."""
    count, warps = registers.shape[:2]
    split = _bytes(registers).reshape(count // 2, 2, warps, 8, 4, 4)  # k half, row half
    return split.transpose(2, 1, 3, 0, 4, 5).reshape(warps, 16, count * 8)


def b_tile(registers: Words) -> Bytes:
    """B of mma: ``registers`` [r, warps, 32] -> [warps, 8, 16 r] bytes: column n's line along K."""
    count, warps = registers.shape[:2]
    split = _bytes(registers).reshape(count, warps, 8, 4, 4)
    return split.transpose(1, 2, 0, 3, 4).reshape(warps, 8, count * 16)


def d_tile(registers: NDArray[np.generic]) -> NDArray[np.generic]:
    """32-bit C of mma: ``registers`` [4, warps, 32] -> [warps, 16, 8]."""
    warps = registers.shape[1]
    split = registers.reshape(2, 2, warps, 8, 4)
    return split.transpose(2, 0, 3, 4, 1).reshape(warps, 16, 8)


def d_registers(tile: NDArray[np.generic]) -> NDArray[np.generic]:
    """The inverse of ``d_tile``."""
    warps = tile.shape[0]
    split = tile.reshape(warps, 2, 8, 4, 2)
    return split.transpose(1, 4, 0, 2, 3).reshape(4, warps, 32)


def group_a_tile(registers: Words) -> Bytes:
    """A of wgmma in registers: [4, groups, 128] -> [groups, 64, 32] bytes."""
    groups = registers.shape[1]
    warps = registers.reshape(4, groups * 4, 32)
    return a_tile(warps).reshape(groups, 64, 32)


def group_d_tile(registers: NDArray[np.generic]) -> NDArray[np.generic]:
    """32-bit D of wgmma: [N / 2, groups, 128] -> [groups, 64, N]."""
    count, groups = registers.shape[:2]
    split = registers.reshape(count // 4, 2, 2, groups, 4, 8, 4)  # block, row half, e, warp, g, t
    return split.transpose(3, 4, 1, 5, 0, 6, 2).reshape(groups, 64, count * 2)


def group_d_registers(tile: NDArray[np.generic]) -> NDArray[np.generic]:
    """The inverse of ``group_d_tile``."""
    groups, _, columns = tile.shape
    split = tile.reshape(groups, 4, 2, 8, columns // 8, 4, 2)
    return split.transpose(4, 2, 6, 0, 1, 3, 5).reshape(columns // 2, groups, 128)


def packed(halves: NDArray[np.generic]) -> Words:
    """[2 r, ...] 16-bit values of neighbouring columns -> [r, ...] registers."""
    raw = np.ascontiguousarray(np.moveaxis(halves.view(np.uint16), 0, -1))
    return np.moveaxis(raw.view(np.uint32), -1, 0)


def unpacked(registers: Words) -> NDArray[np.uint16]:
    """The inverse of ``packed``."""
    raw = np.ascontiguousarray(np.moveaxis(registers, 0, -1))
    return np.moveaxis(raw.view(np.uint16), -1, 0)


def matrix_registers(rows: Bytes, transposed: bool) -> Words:
    """What ldmatrix gives: ``rows`` [matrices, warps, 8, 16] -> [matrices, warps, 32]."""
    count, warps = rows.shape[:2]
    words = np.ascontiguousarray(rows)
    if transposed:
        words = np.ascontiguousarray(words.view(np.uint16).swapaxes(2, 3)).view(np.uint8)
    return words.view(np.uint32).reshape(count, warps, 32)


def matrix_rows(registers: Words, transposed: bool) -> Bytes:
    """What stmatrix stores: the inverse of ``matrix_registers``."""
    count, warps = registers.shape[:2]
    rows = _bytes(registers).reshape(count, warps, 8, 16)
    if transposed:
        rows = np.ascontiguousarray(rows.view(np.uint16).swapaxes(2, 3)).view(np.uint8)
    return rows


def _bytes(registers: Words) -> Bytes:
    return np.ascontiguousarray(registers).view(np.uint8)
