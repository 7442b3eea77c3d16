"""Tensor maps in memory, also those that a kernel makes itself (tensormap.replace)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.ptx.program import Instruction
from tests.fakes.ptx.step import Step
from tests.fakes.ptx.tensor import whole_warps
from tests.fakes.ptx.tma import TensorMap

Array = NDArray[Any]
MAP_BYTES = 128


def tensor_map(step: Step, address: int, thread: int) -> TensorMap:
    """At a generic address."""
    at, who = np.array([address], np.uint64), np.array([thread])
    return _read_map(step.memory.load_bytes("generic", at, MAP_BYTES, who).tobytes())


@lru_cache(maxsize=1024)
def _read_map(raw: bytes) -> TensorMap:
    return TensorMap.read(np.frombuffer(raw, np.uint8))


SIZES_OF_TYPES = (1, 2, 4, 4, 8, 8, 2, 4, 4, 8, 2, 4, 4)  # u8, u16, u32, s32, ... tf32.ftz
WORD_OF = {"global_address": 0, "global_dim": 2, "global_stride": 7, "box_dim": 11}
ROWS = (0, 32, 64, 128)
# Bits of word 1: first, width, and what is kept of a value.
FIELDS: dict[str, tuple[int, int, Callable[[int], int]]] = {
    "rank": (0, 8, lambda v: v + 1),
    "elemtype": (8, 8, lambda v: SIZES_OF_TYPES[v]),
    "swizzle_mode": (16, 16, lambda v: ROWS[v]),
    "fill_mode": (32, 1, lambda v: v),
}


def replace(step: Step, instruction: Instruction) -> None:
    """tensormap.replace.tile.FIELD [map] (, axis), value."""
    name = instruction.parts[3 - (instruction.parts[2] != "tile")]
    where, *axis, value = instruction.operands
    kind = instruction.parts[-1]
    space = "shared" if any(p.startswith("shared") for p in instruction.parts) else "global"
    addresses, values = step.address(where), step.read(value, kind)
    number = step.read(axis[0], "u32") if axis else np.zeros(len(values), np.uint32)
    for i, thread in enumerate(step.threads):
        self_at, who = addresses[i : i + 1], np.array([thread])
        raw = step.memory.load_bytes(space, self_at, MAP_BYTES, who)
        word = raw.view(np.uint64).reshape(-1)
        _set(word, name, int(number[i]), int(values[i]))
        step.memory.store_bytes(space, self_at, raw, who)


def _set(word: Array, name: str, axis: int, value: int) -> None:
    if name in WORD_OF:
        word[WORD_OF[name] + axis] = value
    elif name in FIELDS:
        first, width, kept = FIELDS[name]
        rest = int(word[1]) & ~(((1 << width) - 1) << first)
        word[1] = rest | kept(value) << first
    elif (name, value) not in (("element_stride", 1), ("interleave_layout", 0)):
        raise NotImplementedError(f"tensormap.replace of {name} to {value}")


def publish(step: Step, instruction: Instruction) -> None:
    """tensormap.cp_fenceproxy: a warp copies a map from shared to global memory."""
    if not whole_warps(step, instruction):
        return
    to, source = (step.address(o)[::32] for o in instruction.operands[:2])
    leaders = step.threads[::32]
    raw = step.memory.load_bytes("shared", source, MAP_BYTES, leaders)
    step.memory.store_bytes("global", to, raw, leaders)


def prefetch(step: Step, instruction: Instruction) -> None:
    """Only a hint, but the map must be one."""
    for thread, address in zip(step.threads, step.address(instruction.operands[0]), strict=True):
        tensor_map(step, int(address), int(thread))


HANDLERS: dict[str, Callable[[Step, Instruction], None]] = {
    "tensormap.replace": replace,
    "tensormap.cp_fenceproxy": publish,
    "prefetch.tensormap": prefetch,
    "prefetch.param": prefetch,
}
