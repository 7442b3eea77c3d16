"""The copy engine: cp.async.bulk and cp.async.bulk.tensor.

A copy to shared memory spoils its destination at once and arrives when nobody can go on without
it; a copy from shared memory reads it when it is waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.ptx.barriers import Barrier
from tests.fakes.ptx.copies import POISON
from tests.fakes.ptx.fences import need_fence
from tests.fakes.ptx.mbarrier import barrier_at, place_of
from tests.fakes.ptx.memory import SHARED_BASE, Fault
from tests.fakes.ptx.program import Address, Immediate, Instruction
from tests.fakes.ptx.step import Step
from tests.fakes.ptx.tensor_maps import tensor_map
from tests.fakes.ptx.tma import Box, TensorMap, chunks

Array = NDArray[Any]
CHUNK = 16


# --- what is under way ------------------------------------------------------------------------


@dataclass(eq=False)
class Load:
    """Global to shared memory. ``places``: its 16-byte chunks of the CTA's shared memory."""

    step: Step
    thread: int
    places: Array
    fetch: Callable[[], Array]  # uint8 [chunks, 16]
    barrier: Barrier
    said: str

    def run(self) -> None:
        """The bytes are there, and counted."""
        cta = int(self.step.cta_of[self.thread])
        _still_there(self.step, cta, self.said)
        chunked(self.step, cta)[self.places] = self.fetch()
        self.barrier.bytes_came(CHUNK * self.places.size)

    def spoil(self) -> None:
        """From now on nobody knows what lies there."""
        chunked(self.step, int(self.step.cta_of[self.thread]))[self.places] = POISON


@dataclass(eq=False)
class Store:
    """Shared to global memory; ``group``: the thread's commits before it."""

    step: Step
    thread: int
    group: int
    places: Array
    put: Callable[[Array], None]
    said: str
    data: Array | None = None

    def read(self) -> None:
        """Shared memory has been read, and may be used again."""
        if self.data is None:
            cta = int(self.step.cta_of[self.thread])
            _still_there(self.step, cta, self.said)
            need_fence(self.step, self.places, CHUNK, self.said)
            self.data = chunked(self.step, cta)[self.places]

    def run(self) -> None:
        """And global memory written."""
        self.read()
        assert self.data is not None
        self.put(self.data)


def chunked(step: Step, cta: int) -> Array:
    """A CTA's shared memory as chunks of 16 bytes."""
    row: Array = step.shared[cta]
    return row.reshape(-1, CHUNK)


def _still_there(step: Step, cta: int, said: str) -> None:
    if not step.alive[step.cta_of == cta].any():
        raise Fault(f"{said}: its CTA has exited and did not wait for it")


def _begin(step: Step, load: Load) -> None:
    if step.eager:
        load.run()
    else:
        load.spoil()
        step.later(load)


# --- boxes -----------------------------------------------------------------------------------


def _tile(step: Step, tensor: TensorMap, address: int, said: str) -> Array:
    """The chunks of a box that begins at an address of shared memory."""
    if (address & 0xFFFF_FFFF) % tensor.alignment:
        raise Fault(f"{said}: a tile at {address:#x}, which is no multiple of {tensor.alignment}")
    places = chunks(tensor, place_of(address) + SHARED_BASE) - SHARED_BASE // CHUNK
    _within(step, int(places.min()) * CHUNK, (int(places.max()) + 1) * CHUNK, said)
    return places


def _within(step: Step, first: int, end: int, said: str) -> None:
    limit = step.memory.shared_limit
    if first < 0 or end > limit:
        raise Fault(f"{said}: bytes {first} to {end} of {limit} bytes of shared memory")


def _fetched(step: Step, tensor: TensorMap, box: Box, thread: int) -> Array:
    """The box's bytes [lines, bytes of a line] as chunks; what is outside is 0 or NaN."""
    lines = len(box.lines)
    fill = 0xFF if tensor.nan_outside else 0
    made = np.full((lines, tensor.line_bytes), fill, np.uint8)
    if box.count and box.inside.any():
        addresses = box.lines[box.inside].astype(np.uint64)
        who = np.full(len(addresses), thread)
        got = step.memory.load_bytes("global", addresses, box.count, who)
        made[box.inside, box.first : box.last] = got
    return made.reshape(lines, -1, CHUNK)


def _put(step: Step, tensor: TensorMap, box: Box, thread: int, data: Array) -> None:
    lines = data.reshape(len(box.lines), tensor.line_bytes)
    if box.count and box.inside.any():
        addresses = box.lines[box.inside].astype(np.uint64)
        who = np.full(len(addresses), thread)
        inside = lines[box.inside, box.first : box.last]
        step.memory.store_bytes("global", addresses, np.ascontiguousarray(inside), who)


# --- handlers ---------------------------------------------------------------------------------


def tensor_copy(step: Step, instruction: Instruction) -> None:
    """cp.async.bulk.tensor.Nd, either way."""
    parts = instruction.parts
    if any(p.startswith(("im2col", "multicast", "cta_group")) for p in parts):
        raise NotImplementedError(instruction.opcode)
    rank = next(int(p[0]) for p in parts if len(p) == 2 and p[1] == "d")
    to_shared = parts.index("global") > min(
        i for i, p in enumerate(parts) if p.startswith("shared")
    )
    described = instruction.operands[1 if to_shared else 0]
    local = instruction.operands[0 if to_shared else 1]
    assert isinstance(described, Address)
    if len(described.coordinates) != rank:
        raise ValueError(f"line {instruction.line}: {len(described.coordinates)} coordinates")
    maps, shared = step.address(described), step.address(local)
    places = np.stack([step.read(c, "s32") for c in described.coordinates], axis=1)
    bars = step.address(instruction.operands[2]) if to_shared else None
    for i, thread in enumerate(step.threads):
        tensor = tensor_map(step, int(maps[i]), int(thread))
        if len(tensor.box) != rank:
            raise ValueError(f"line {instruction.line}: a map of {len(tensor.box)} axes")
        at = [int(c) for c in places[i]]
        said = f"line {instruction.line}: the tile at {at} of {tensor}"
        chunk, box = _tile(step, tensor, int(shared[i]), said), Box.at(tensor, at)
        if bars is not None:
            _load_tile(step, tensor, int(thread), chunk, box, int(bars[i]), said)
        else:
            _store_tile(step, tensor, int(thread), chunk, box, said)


def _load_tile(
    step: Step, tensor: TensorMap, thread: int, places: Array, box: Box, barrier: int, said: str
) -> None:
    held = barrier_at(step, int(step.cta_of[thread]), barrier)

    def fetch() -> Array:
        return _fetched(step, tensor, box, thread)

    _begin(step, Load(step, thread, places, fetch, held, said))


def _store_tile(
    step: Step, tensor: TensorMap, thread: int, places: Array, box: Box, said: str
) -> None:
    def put(data: Array) -> None:
        _put(step, tensor, box, thread, data)

    _begin_store(step, Store(step, thread, int(_committed(step)[thread]), places, put, said))


def plain_copy(step: Step, instruction: Instruction) -> None:
    """cp.async.bulk: bytes in a row; addresses and the count are multiples of 16."""
    parts, said = instruction.parts, f"line {instruction.line}: {instruction.opcode}"
    if parts[3] == "prefetch":
        return
    to, source, size, *rest = instruction.operands
    to_shared = parts[3].startswith("shared")
    tos, sources, sizes = step.address(to), step.address(source), step.read(size, "u32")
    bars = step.address(rest[0]) if to_shared else None
    for i, thread in enumerate(step.threads):
        outer, inner = (sources[i], tos[i]) if to_shared else (tos[i], sources[i])
        first, count = place_of(int(inner)), int(sizes[i])
        if first % CHUNK or int(outer) % CHUNK or count % CHUNK:
            raise Fault(f"{said}: addresses and sizes must be multiples of 16 bytes")
        _within(step, first, first + count, said)
        places = np.arange(first // CHUNK, (first + count) // CHUNK)
        lines = np.uint64(outer) + np.arange(0, count, CHUNK, dtype=np.uint64)
        who = np.full(len(lines), thread)

        def fetch(lines: Array = lines, who: Array = who) -> Array:
            return step.memory.load_bytes("global", lines, CHUNK, who)

        def put(data: Array, lines: Array = lines, who: Array = who) -> None:
            step.memory.store_bytes("global", lines, data, who)

        if bars is not None:
            held = barrier_at(step, int(step.cta_of[thread]), int(bars[i]))
            _begin(step, Load(step, int(thread), places, fetch, held, said))
        else:
            group = int(_committed(step)[thread])
            _begin_store(step, Store(step, int(thread), group, places, put, said))


def _begin_store(step: Step, store: Store) -> None:
    if step.eager:
        store.run()
    else:
        step.later(store)


# --- groups of stores -------------------------------------------------------------------------


def _committed(step: Step) -> Array:
    """Groups that each thread of the batch has committed."""
    if "bulk" not in step.state:
        step.state["bulk"] = np.zeros(step.count, np.int64)
    made: Array = step.state["bulk"]
    return made


def commit(step: Step, instruction: Instruction) -> None:
    """What a thread began since the last one is a group."""
    _committed(step)[step.threads] += 1


def wait(step: Step, instruction: Instruction) -> None:
    """Until at most so many groups of a thread are under way; .read: still read shared memory."""
    left = instruction.operands[0]
    assert isinstance(left, Immediate)
    limit = np.full(step.count, -1)
    limit[step.threads] = _committed(step)[step.threads] - left.value

    def due(work: Any) -> bool:
        return isinstance(work, Store) and work.group < limit[work.thread]

    if "read" in instruction.parts:
        for work in step.pending:
            if due(work):
                work.read()  # type: ignore[attr-defined]
    else:
        step.settle(due)


HANDLERS: dict[str, Callable[[Step, Instruction], None]] = {
    "cp.async.bulk.tensor": tensor_copy,
    "cp.async.bulk": plain_copy,
    "cp.async.bulk.commit_group": commit,
    "cp.async.bulk.wait_group": wait,
}
