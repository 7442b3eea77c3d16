"""Where the elements of a tile lie in shared memory: swizzles and wgmma's matrix descriptors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
SWIZZLES = {0: 0, 1: 128, 2: 64, 3: 32}  # a descriptor's bits 62-63 -> bytes of a row


def swizzled(addresses: Places, row_bytes: int) -> Places:
    """16-byte chunks change places by the row they are in: address bits 4-6 ^= bits 7-9 for rows
    of 128 bytes, 4-5 ^= 7-8 for 64, 4 ^= 7 for 32.
    """
    if not row_bytes:
        return addresses
    return addresses ^ (addresses >> 3 & row_bytes - 16)


@dataclass(frozen=True)
class MatrixAddress:
    """wgmma's 64-bit descriptor of an operand in shared memory; bytes."""

    start: int
    leading: int
    stride: int
    row_bytes: int  # of the swizzle; 0 = none

    @staticmethod
    def read(word: int) -> MatrixAddress:
        """Raises ``ValueError`` for bits that must be 0, and for a base offset."""
        if word >> 49 & 7:
            raise ValueError(f"matrix descriptor {word:#018x} has a base offset")
        if word & 0x3FF1_C000_C000_C000:
            raise ValueError(f"matrix descriptor {word:#018x} has bits where there is no field")
        fields = (word & 0x3FFF, word >> 16 & 0x3FFF, word >> 32 & 0x3FFF)
        start, leading, stride = (16 * field for field in fields)
        return MatrixAddress(start, leading, stride, SWIZZLES[word >> 62])

    def places(self, lines: int, along_k: bool, element_bytes: int) -> Places:
        """[lines, 32 bytes of K] -> the address of each element's first byte: [lines, elements]."""
        layout = (self.leading, self.stride, self.row_bytes)
        offsets = (_k_major if along_k else _mn_major)(lines, element_bytes, *layout)
        return swizzled(self.start + offsets, self.row_bytes)


@cache
def _k_major(lines: int, element_bytes: int, leading: int, stride: int, row_bytes: int) -> Places:
    """Groups of 8 lines lie ``stride`` apart; without a swizzle 16-byte columns ``leading``."""
    line = np.arange(lines)[:, None]
    at = np.arange(0, 32, element_bytes)[None, :]
    if row_bytes:
        return line // 8 * stride + line % 8 * row_bytes + at
    return line // 8 * stride + line % 8 * 16 + at // 16 * leading + at % 16


@cache
def _mn_major(lines: int, element_bytes: int, leading: int, stride: int, row_bytes: int) -> Places:
    """Atoms of ``row_bytes`` of lines x 8 of K: along the lines ``leading`` apart, along K
    ``stride``; without a swizzle the two fields change their parts.
    """
    line = np.arange(lines)[:, None] * element_bytes
    inner = np.arange(32 // element_bytes)[None, :]
    row = row_bytes or 16
    along, across = (leading, stride) if row_bytes else (stride, leading)
    return line // row * along + line % row + inner % 8 * row + inner // 8 * across
