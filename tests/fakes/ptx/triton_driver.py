"""A Triton driver whose GPU is the PTX machine: kernels are compiled for an architecture as for a
card, as far as PTX, and run on CPU tensors.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import triton
from numpy.typing import NDArray
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.backends.driver import DriverBase
from triton.backends.nvidia.driver import expand_signature, make_tensordesc_arg
from triton.runtime import _allocation

from tests.fakes.ptx import Machine, parse
from tests.fakes.ptx.tma import NAN_FILL, WORDS

WARP = 32
SHARED_BYTES = {80: 166_912, 89: 101_376, 90: 232_448}  # a block's, after opting in
SWIZZLE_BYTES = (0, 32, 64, 128)  # by CUtensorMapSwizzle
CODES = {
    "i1": "b", "i8": "b", "i16": "h", "i32": "i", "i64": "q", "u1": "B", "u8": "B", "u16": "H",
    "u32": "I", "u64": "Q", "fp16": "e", "fp32": "f", "f32": "f", "fp64": "d",
}  # fmt: skip


class TritonDriver(DriverBase):  # type: ignore[misc]
    """``device`` numbers are architectures: Triton keeps compiled kernels by device."""

    def __init__(self, arch: int, make: Callable[[Any], Machine] = Machine) -> None:
        self.arch = arch
        self.utils = Utilities(arch)
        self.launcher_cls = lambda source, metadata: Launcher(source, metadata, make)

    @classmethod
    def is_active(cls) -> bool:
        """Never by itself."""
        return False

    def map_python_to_cpp_type(self, ty: str) -> str:
        """No launcher in C is made."""
        raise NotImplementedError(ty)

    def get_current_target(self) -> GPUTarget:
        """What kernels are compiled for."""
        return GPUTarget("cuda", self.arch, WARP)

    def get_current_device(self) -> int:
        """The architecture."""
        return self.arch

    def get_current_stream(self, device: int) -> int:
        """Everything runs at once, in order."""
        return 0

    def get_active_torch_device(self) -> torch.device:
        """Where the tensors are."""
        return torch.device("cpu")

    def get_benchmarker(self) -> Callable[..., Any]:
        """The machine has no speed."""
        raise NotImplementedError("the PTX machine has no speed to be measured")


class Utilities:
    """What Triton asks a driver for besides launching."""

    def __init__(self, arch: int) -> None:
        self._arch = arch

    def get_device_properties(self, device: int) -> dict[str, int]:
        """The limit that Triton checks before a launch."""
        return {"max_shared_mem": SHARED_BYTES[self._arch], "multiprocessor_count": 4}

    def load_binary(
        self, name: str, binary: bytes, shared: int, device: int
    ) -> tuple[None, tuple[str, bytes], int, int, int]:
        """The "binary" is PTX: ``on_machine`` leaves the last stage out."""
        return None, (name, binary), 0, 0, 1024

    def fill_tma_descriptor_tiled(
        self,
        address: int,
        swizzle: int,
        element_bytes: int,
        element_type: int,
        box: Sequence[int],
        shape: Sequence[int],
        strides: Sequence[int],
        padding: int,
    ) -> bytes:
        """128 bytes as ``tma.TensorMap`` reads them; Triton's axes come outermost first."""
        words = np.zeros(WORDS, np.uint64)
        words[0] = address
        words[1] = len(shape) | element_bytes << 8 | SWIZZLE_BYTES[swizzle] << 16
        words[1] |= np.uint64(NAN_FILL if padding else 0)
        words[2 : 2 + len(shape)] = list(shape)[::-1]
        words[7 : 6 + len(shape)] = [s * element_bytes for s in strides[::-1][1:]]
        words[11 : 11 + len(box)] = list(box)[::-1]
        return words.tobytes()


class Launcher:
    """One compiled kernel."""

    def __init__(self, source: Any, metadata: Any, make: Callable[[Any], Machine]) -> None:
        self._signature = list(source.signature.values())
        self._descriptors = getattr(metadata, "tensordesc_meta", None) or None
        self._metadata = metadata
        self._make = make

    def __call__(
        self, x: int, y: int, z: int, stream: int, function: tuple[str, bytes], packed: Any,
        launch_metadata: Any, enter: Any, leave: Any, *arguments: Any,
    ) -> None:  # fmt: skip
        name, text = function
        machine = self._make(_parsed(text))
        values = [
            self._packed(machine, kind, value)
            for kind, value in self._flat(self._signature, arguments)
        ]
        scratch = self._scratch(machine, x * y * z)
        values += [scratch, struct.pack("Q", 0)]
        threads = self._metadata.num_warps * WARP
        machine.launch(name, (x, y, z), threads, values, self._metadata.shared)

    def _flat(self, signature: Sequence[Any], arguments: Sequence[Any]) -> Iterator[Any]:
        """(type, value) of everything that is passed at run time."""
        maps = iter(self._descriptors or [])
        for kind, value in zip(signature, arguments, strict=True):
            if isinstance(kind, tuple):
                yield from self._flat(kind, value)
            elif isinstance(kind, str) and kind.startswith("tensordesc"):
                meta = next(maps, None)
                kinds = expand_signature([kind], [meta] if meta else None)
                parts = list(make_tensordesc_arg(value, meta))
                if meta:
                    parts[0] = (value.base, parts[0])
                yield from zip(kinds, parts, strict=True)
            elif kind != "constexpr":
                yield kind, value

    def _packed(self, machine: Machine, kind: str, value: Any) -> bytes:
        if kind == "nvTmaDesc":
            tensor, raw = value
            machine.add_memory(storage_of(tensor))
            return bytes(raw)
        if kind.startswith("*"):
            if value is None:
                return struct.pack("Q", 0)
            machine.add_memory(storage_of(value))
            return struct.pack("Q", value.data_ptr())
        if kind == "bf16":
            return struct.pack("f", value)[2:]
        return struct.pack(CODES[kind], value)

    def _scratch(self, machine: Machine, programs: int) -> bytes:
        """Global memory for descriptors that a kernel makes itself."""
        size = self._metadata.global_scratch_size * programs
        if not size:
            return struct.pack("Q", 0)
        allocate = _allocation._allocator.get()
        buffer = allocate(size, self._metadata.global_scratch_align, 0)
        machine.add_memory(storage_of(buffer))
        return struct.pack("Q", buffer.data_ptr())


def storage_of(tensor: torch.Tensor) -> NDArray[np.uint8]:
    """All bytes behind a view: a kernel may use what lies between its lines."""
    storage = tensor.untyped_storage()
    return torch.tensor([], dtype=torch.uint8).set_(storage).numpy()


@lru_cache(maxsize=64)
def _parsed(text: bytes) -> Any:
    return parse(text.decode())


@contextmanager
def on_machine(arch: int, make: Callable[[Any], Machine] = Machine) -> Iterator[None]:
    """Within, ``kernel[grid](...)`` compiles for ``arch`` and runs on machines that ``make``
    makes of the parsed PTX.
    """
    before, hook = triton.runtime.driver._active, knobs.runtime.add_stages_inspection_hook
    triton.runtime.driver.set_active(TritonDriver(arch, make))
    knobs.runtime.add_stages_inspection_hook = _ptx_is_the_binary
    try:
        yield
    finally:
        triton.runtime.driver._active = before
        knobs.runtime.add_stages_inspection_hook = hook


def _ptx_is_the_binary(*arguments: Any) -> tuple[str, str] | None:
    """ptxas takes longer than everything before it, and the machine needs none of it."""
    if not arguments:
        return "ptx is the binary", "ptx is the binary"
    stages = arguments[1]
    stages["cubin"] = lambda text, metadata: text.encode()
    return None
