"""What Hopper's copy engine (TMA) has to know of a matrix in memory: where it is, its sizes and
strides, and the box that one instruction copies.

A map is 128 bytes that a kernel takes by value. On a GPU the driver encodes it
(cuTensorMapEncodeTiled); while kernels run on a CPU it is written in an order of our own.
"""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

MAP_BYTES = 128
MAP_ALIGNMENT = 64  # of the place that the driver writes one to
SWIZZLE_BYTES = 128
MOST_AXES = 5
MOST_BOX = 256
DATA_TYPE = {"float16": "FLOAT16", "bfloat16": "BFLOAT16", "float32": "FLOAT32"}


@dataclass(frozen=True)
class TensorMap:
    """A view of ``tensor`` and the box that is copied of it, innermost axis first.

    ``sizes`` and ``box`` are in elements; ``strides_bytes`` leaves out the innermost axis, whose
    elements are neighbours. Boxes lie in shared memory with the 128-byte swizzle; what is outside
    of the view is read as 0 and not written.
    """

    tensor: torch.Tensor
    sizes: tuple[int, ...]
    strides_bytes: tuple[int, ...]
    box: tuple[int, ...]

    @property
    def dtype(self) -> str:
        """Torch's name for the type of an element."""
        return str(self.tensor.dtype).removeprefix("torch.")

    @property
    def element_bytes(self) -> int:
        """Of one element."""
        return self.tensor.element_size()

    def driver_bytes(self) -> bytes:
        """As the GPU reads it. Raises ``ValueError`` where the driver refuses it."""
        return _encoded(
            self.dtype, self.tensor.data_ptr(), self.sizes, self.strides_bytes, self.box
        )

    def emulated_bytes(self) -> bytes:
        """As cuda/emulated/hopper.cuh reads it: address, axes and widths, sizes, strides, box."""
        widths = len(self.sizes) | self.element_bytes << 8 | SWIZZLE_BYTES << 16
        words = (
            self.tensor.data_ptr(), widths, *_filled(self.sizes, MOST_AXES, 1),
            *_filled(self.strides_bytes, MOST_AXES - 1, 0), *_filled(self.box, MOST_AXES, 1),
        )  # fmt: skip
        return struct.pack("<16Q", *words)


def why_not_mapped(
    tensor: torch.Tensor, sizes: tuple[int, ...], strides_bytes: tuple[int, ...]
) -> str | None:
    """What the copy engine cannot address, in a sentence; None where it can (CUDA driver API,
    cuTensorMapEncodeTiled; a stride of 0 is not forbidden there, and not promised either).
    """
    if tensor.data_ptr() % 16:
        return "it does not begin at a multiple of 16 bytes"
    if any(not 0 < size <= 2**32 for size in sizes):
        return "an axis has no elements, or more than 2^32"
    lines = zip(strides_bytes, sizes[1:], strict=True)
    if any(size > 1 and not 0 < stride < 2**40 for stride, size in lines):
        return "an axis repeats, or its stride is 2^40 bytes or more"
    if any(stride % 16 for stride in strides_bytes):
        return "lines are not multiples of 16 bytes apart"
    return None


def matrix_map(
    tensor: torch.Tensor, lines: int, length: int, stride: int, box: tuple[int, int]
) -> TensorMap:
    """Of ``lines`` x ``length`` elements, lines ``stride`` elements apart; ``box`` is (elements
    along a line, lines).
    """
    size = tensor.element_size()
    return TensorMap(tensor, (length, lines), (stride * size,), box)


def _filled(numbers: tuple[int, ...], count: int, by: int) -> tuple[int, ...]:
    return numbers + (by,) * (count - len(numbers))


@lru_cache(maxsize=1024)  # weights stay where they are: encoding costs more than looking it up
def _encoded(
    dtype: str,
    address: int,
    sizes: tuple[int, ...],
    strides_bytes: tuple[int, ...],
    box: tuple[int, ...],
) -> bytes:
    from cuda.bindings import driver

    kinds: Any = driver.CUtensorMapDataType
    kind = getattr(kinds, f"CU_TENSOR_MAP_DATA_TYPE_{DATA_TYPE.get(dtype, 'UINT8')}")
    axes = len(sizes)
    # By ctypes: the driver asks for a place at a multiple of 64 bytes, and cuda.bindings gives it
    # one in a Python object, of which 150 in 200 lay at other multiples of 16.
    room = ctypes.create_string_buffer(MAP_BYTES + MAP_ALIGNMENT)
    place = ctypes.addressof(room) + -ctypes.addressof(room) % MAP_ALIGNMENT
    error = ctypes.CDLL("libcuda.so.1").cuTensorMapEncodeTiled(
        ctypes.c_void_p(place),
        int(kind),
        axes,
        ctypes.c_void_p(address),
        (ctypes.c_uint64 * axes)(*sizes),
        (ctypes.c_uint64 * axes)(*strides_bytes),
        (ctypes.c_uint32 * axes)(*box),
        (ctypes.c_uint32 * axes)(*[1] * axes),
        int(driver.CUtensorMapInterleave.CU_TENSOR_MAP_INTERLEAVE_NONE),
        int(driver.CUtensorMapSwizzle.CU_TENSOR_MAP_SWIZZLE_128B),
        int(driver.CUtensorMapL2promotion.CU_TENSOR_MAP_L2_PROMOTION_L2_256B),
        int(driver.CUtensorMapFloatOOBfill.CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE),
    )
    if error:
        said = driver.CUresult(error).name
        raise ValueError(f"the driver refuses a tensor map of {sizes} in boxes of {box}: {said}")
    return ctypes.string_at(place, MAP_BYTES)
