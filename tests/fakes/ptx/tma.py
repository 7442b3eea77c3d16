"""The copy engine's boxes: which bytes of a tensor go where in shared memory.

A tensor map is the project's own 16 words (compute/kernels/build/tensor_maps.py): [0] address,
[1] rank, bytes of an element << 8, bytes of a swizzled row << 16, 1 << 32 where NaN stands for
what is outside; [2..6] sizes, [7..10] strides in bytes of axes 1..4, [11..15] box; innermost first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.fakes.ptx.tiles import Places, swizzled

WORDS = 16
NAN_FILL = 1 << 32
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class TensorMap:
    """Innermost axis first; strides in bytes, the innermost's is an element's size."""

    address: int
    element_bytes: int
    row_bytes: int  # of the swizzle, 0 = none
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    box: tuple[int, ...]
    nan_outside: bool

    @staticmethod
    def read(raw: Bytes) -> TensorMap:
        """From 128 bytes. Raises ``ValueError`` for what the hardware refuses."""
        word = [int(w) for w in np.ascontiguousarray(raw).view(np.uint64)]
        rank, element, row = word[1] & 0xFF, word[1] >> 8 & 0xFF, word[1] >> 16 & 0xFFFF
        if not 1 <= rank <= 5 or element not in (1, 2, 4, 8) or row not in (0, 32, 64, 128):
            raise ValueError(f"these 128 bytes are no tensor map: word 1 is {word[1]:#x}")
        made = TensorMap(
            address=word[0],
            element_bytes=element,
            row_bytes=row,
            sizes=tuple(word[2 : 2 + rank]),
            strides=(element, *word[7 : 6 + rank]),
            box=tuple(word[11 : 11 + rank]),
            nan_outside=bool(word[1] & NAN_FILL),
        )
        made.check()
        return made

    def check(self) -> None:
        """CUDA driver API, cuTensorMapEncodeTiled: alignments and ranges."""
        if self.address % 16 or any(s % 16 or s >= 1 << 40 for s in self.strides[1:]):
            raise ValueError(f"{self}: address and strides must be multiples of 16 bytes")
        if not all(1 <= b <= 256 for b in self.box):
            raise ValueError(f"{self}: a box has 1 to 256 elements along an axis")
        if not all(1 <= s <= 1 << 32 for s in self.sizes):
            raise ValueError(f"{self}: an axis has 1 to 2^32 elements")
        if self.line_bytes % 16:
            raise ValueError(f"{self}: a box's line is a multiple of 16 bytes")
        if self.row_bytes and self.line_bytes != self.row_bytes:
            raise ValueError(f"{self}: a line of {self.line_bytes} bytes in a swizzle of another")

    @property
    def line_bytes(self) -> int:
        """A line of the box along the innermost axis."""
        return self.box[0] * self.element_bytes

    @property
    def box_bytes(self) -> int:
        """The whole box, as it counts at a barrier even where it is outside the tensor."""
        return int(np.prod(self.box)) * self.element_bytes

    @property
    def alignment(self) -> int:
        """Of the tile in shared memory: a swizzle's pattern repeats every eight lines."""
        return max(128, 8 * self.row_bytes)


@dataclass(frozen=True)
class Box:
    """A box at a place: its lines (outer axes flattened) in the tensor and in shared memory."""

    lines: Places  # address of each line's first byte inside the tensor
    inside: NDArray[np.bool_]  # whether the line is
    first: int  # of its bytes, those inside begin here
    last: int  # and end before

    @staticmethod
    def at(tensor: TensorMap, place: Sequence[int]) -> Box:
        """``place``: the coordinates of the box's first element, also outside the tensor."""
        first = min(max(-place[0], 0), tensor.box[0])
        last = max(min(tensor.sizes[0] - place[0], tensor.box[0]), first)
        lines = np.array([tensor.address + (place[0] + first) * tensor.element_bytes])
        inside = np.array([last > first])
        for axis in range(1, len(tensor.box)):
            index = place[axis] + np.arange(tensor.box[axis])[:, None]
            lines = (lines[None, :] + index * tensor.strides[axis]).ravel()
            here = (index >= 0) & (index < tensor.sizes[axis])
            inside = (inside[None, :] & here).ravel()
        size = tensor.element_bytes
        return Box(lines.astype(np.int64), inside, first * size, last * size)

    @property
    def count(self) -> int:
        """Bytes of a line that are inside."""
        return self.last - self.first


def chunks(tensor: TensorMap, shared_address: int) -> Places:
    """Where each 16-byte chunk of the box lies in shared memory: [lines, chunks], in chunks."""
    lines = tensor.box_bytes // tensor.line_bytes
    plain = np.arange(lines * tensor.line_bytes // 16).reshape(lines, -1) * 16 + shared_address
    return swizzled(plain, tensor.row_bytes) // 16
