"""Memory of the machine. Global addresses are the host's own; shared and local memory have windows
of their own among generic addresses, far above them.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.ptx.races import Races
from tests.fakes.ptx.values import UNSIGNED

Array = NDArray[Any]
SHARED_WINDOW = 1 << 60
LOCAL_WINDOW = 2 << 60
WINDOW = 60  # bits of an address within its window
# Not 0: an address of shared memory is no null pointer.
SHARED_BASE = 1024
LOCAL_BASE = 1024
POISON = 0xFF  # a NaN in every floating-point format, where 0xAB would be a tiny number
HOST = ("global", "const", "param")


class Fault(RuntimeError):
    """An access outside all memory, or misaligned; the message is a sentence."""


class Buffer:
    """Host memory from ``start`` to ``end``, viewed from the 16-byte boundary before it."""

    def __init__(self, start: int, end: int, owner: Any, name: str = "") -> None:
        self.start, self.end, self.owner, self.name = start, end, owner, name
        self.base = start & ~15
        size = (-(-end // 16) * 16) - self.base
        raw = (ctypes.c_uint8 * size).from_address(self.base)
        self.views = views_of(np.ctypeslib.as_array(raw))

    def __str__(self) -> str:
        named = f"{self.name} " if self.name else ""
        return f"{named}[{self.start:#x}, {self.end:#x}) of {self.end - self.start} bytes"


def views_of(raw: Array) -> dict[int, Array]:
    """The same memory as elements of 1 to 16 bytes."""
    return {size: raw.view(UNSIGNED[8 * size]) for size in (1, 2, 4, 8, 16)}


class Memory:
    """Global buffers, and shared and local memory of the CTAs that run now."""

    def __init__(self) -> None:
        self.buffers: list[Buffer] = []
        self._starts: list[int] = []
        # Told the bytes, the size and the threads of every store to shared memory.
        self.watch: Callable[[Array, int, Array], None] | None = None
        self.races: Races | None = None
        self.begin(0, 1, 0, 0)

    def begin(self, ctas: int, cta_threads: int, shared_bytes: int, local_bytes: int) -> None:
        """Fresh shared and local memory, full of POISON, for a batch of CTAs."""
        self.cta_threads = cta_threads
        self.shared_limit, self.local_limit = shared_bytes, local_bytes
        self._shared_row = -(-shared_bytes // 128) * 128
        self._local_row = -(-local_bytes // 16) * 16
        raw = np.full(ctas * self._shared_row, POISON, dtype=np.uint8)
        self.shared = raw.reshape(ctas, self._shared_row)
        self._shared_views = views_of(raw)
        everyone = np.arange(ctas * cta_threads)
        self._shared_starts = everyone // cta_threads * self._shared_row - SHARED_BASE
        self._local_starts = everyone * self._local_row - LOCAL_BASE
        local = np.full(ctas * cta_threads * self._local_row, POISON, dtype=np.uint8)
        self._local_views = views_of(local)

    # --- global ---

    def add(self, start: int, size: int, owner: Any, name: str = "") -> None:
        """Host memory that kernels may touch; joined with what overlaps it."""
        if not size:
            return
        end = start + size
        owners = [owner]
        kept = []
        for held in self.buffers:
            if held.start < end and start < held.end:
                start, end = min(start, held.start), max(end, held.end)
                owners.append(held.owner)
                name = held.name or name
            else:
                kept.append(held)
        self.buffers = sorted([*kept, Buffer(start, end, owners, name)], key=lambda b: b.start)
        self._starts = [b.start for b in self.buffers]

    def remove(self, start: int) -> None:
        """The buffer that begins there."""
        self.buffers = [b for b in self.buffers if b.start != start]
        self._starts = [b.start for b in self.buffers]

    def _buffer(self, low: int, high: int) -> Buffer | None:
        """The one that holds all of [low, high)."""
        at = bisect_right(self._starts, low) - 1
        return self.buffers[at] if at >= 0 and high <= self.buffers[at].end else None

    def _each(self, addresses: Array, size: int, threads: Array) -> list[tuple[Buffer, Array]]:
        """Buffers, and which threads go to each."""
        found = np.searchsorted(np.array(self._starts, dtype=np.uint64), addresses, "right") - 1
        parts = []
        for at in np.unique(found):
            which = np.flatnonzero(found == at)
            held = self.buffers[at] if at >= 0 else None
            ends = addresses[which] + np.uint64(size)
            outside = ends > np.uint64(held.end) if held else np.ones(len(which), dtype=bool)
            if held is None or outside.any():
                first = which[np.flatnonzero(outside)[0]]
                raise Fault(self._lost(int(addresses[first]), size, int(threads[first])))
            parts.append((held, which))
        return parts

    def _lost(self, address: int, size: int, thread: int) -> str:
        """Whose access it was, and what lies nearest."""
        said = f"{self._who(thread)} touches {size} bytes at {address:#x}, outside every buffer"
        if not self.buffers:
            return f"{said}; there is none"

        def away(b: Buffer) -> int:
            return max(b.start - address, address + size - b.end)

        near = min(self.buffers, key=away)
        return f"{said}; the nearest is {near}, {away(near)} bytes away"

    def _who(self, thread: int) -> str:
        cta, within = divmod(thread, self.cta_threads)
        return f"thread {within} of CTA {cta} of its batch"

    # --- elements: what ld, st and atomics use ---

    def gather(self, space: str, addresses: Array, size: int, threads: Array) -> Array:
        """One element of ``size`` bytes a thread, as unsigned (16 bytes: complex128)."""
        if not len(addresses):
            return np.empty(0, dtype=UNSIGNED[8 * size])
        if space == "generic":
            space, addresses = self._window(addresses)
        self._aligned(addresses, size, threads)
        if space in HOST:
            held = self._buffer(int(addresses.min()), int(addresses.max()) + size)
            if held is not None:
                return held.views[size][self._places(addresses, held.base, size)]
            made = np.empty(len(addresses), dtype=UNSIGNED[8 * size])
            for part, which in self._each(addresses, size, threads):
                at = self._places(addresses[which], part.base, size)
                made[which] = part.views[size][at]
            return made
        view, places = self._inside(space, addresses, size, threads)
        if self.races is not None and space != "local":
            self.races.loaded(places * size, size, threads)
        return view[places]

    def scatter(self, space: str, addresses: Array, values: Array, threads: Array) -> None:
        """The mirror of ``gather``; of two threads with one address the last one wins."""
        if not len(addresses):
            return
        size = values.dtype.itemsize
        if space == "generic":
            space, addresses = self._window(addresses)
        self._aligned(addresses, size, threads)
        if space in HOST:
            for part, which in self._each(addresses, size, threads):
                part.views[size][self._places(addresses[which], part.base, size)] = values[which]
            return
        view, places = self._inside(space, addresses, size, threads)
        if self.races is not None and space != "local":
            self.races.stored(
                places * size, size, threads, lambda: (_raw(view[places]) != _raw(values)).any(1)
            )
        view[places] = values
        if self.watch is not None and space.startswith("shared"):
            self.watch(places * size, size, threads)

    def _places(self, addresses: Array, base: int, size: int) -> Array:
        return (addresses - np.uint64(base)).view(np.int64) >> (size.bit_length() - 1)

    def _aligned(self, addresses: Array, size: int, threads: Array) -> None:
        if size > 1 and int(np.bitwise_or.reduce(addresses)) & (size - 1):
            wrong = addresses & np.uint64(size - 1)
            at = int(np.flatnonzero(wrong)[0])
            raise Fault(
                f"{self._who(int(threads[at]))} touches {size} bytes at "
                f"{int(addresses[at]):#x}, which is no multiple of {size}"
            )

    def _window(self, addresses: Array) -> tuple[str, Array]:
        """Which space generic addresses mean, all of them, and the addresses within it."""
        window = addresses >> np.uint64(WINDOW)
        which = int(window[0])
        if (window != which).any():
            raise NotImplementedError("one instruction reaches several spaces by generic addresses")
        space = {0: "global", 1: "shared", 2: "local"}.get(which, "global")
        return (space, addresses) if which == 0 else (space, addresses & np.uint64(2**WINDOW - 1))

    def _inside(
        self, space: str, addresses: Array, size: int, threads: Array
    ) -> tuple[Array, Array]:
        """Shared or local memory as elements, and the place of each thread's element."""
        if space.startswith("shared"):
            limit, base = self.shared_limit, SHARED_BASE
            starts, views = self._shared_starts, self._shared_views
        elif space == "local":
            limit, base = self.local_limit, LOCAL_BASE
            starts, views = self._local_starts, self._local_views
        else:
            raise NotImplementedError(f"the space {space} is not known")
        offsets = addresses.view(np.int64)
        if offsets.min() < base or offsets.max() + size > base + limit:
            offsets = offsets - base
            at = int(np.flatnonzero((offsets < 0) | (offsets + size > limit))[0])
            raise Fault(
                f"{self._who(int(threads[at]))} touches {size} bytes at byte {int(offsets[at])} "
                f"of {limit} bytes of {space} memory"
            )
        starts = starts if len(threads) == len(starts) else starts[threads]
        return views[size], (starts + offsets) >> (size.bit_length() - 1)

    # --- bytes: what everything else uses ---

    def load_bytes(self, space: str, addresses: Array, count: int, threads: Array) -> Array:
        """uint8 [threads, count]."""
        made = np.empty((len(addresses), count), dtype=np.uint8)
        size = _unit(addresses, count)
        for at in range(0, count, size):
            got = self.gather(space, addresses + np.uint64(at), size, threads)
            made[:, at : at + size] = np.ascontiguousarray(got).view(np.uint8).reshape(-1, size)
        return made

    def store_bytes(self, space: str, addresses: Array, data: Array, threads: Array) -> None:
        """uint8 [threads, count] to each thread's address."""
        count = data.shape[1]
        size = _unit(addresses, count)
        for at in range(0, count, size):
            piece = np.ascontiguousarray(data[:, at : at + size]).view(UNSIGNED[8 * size])
            self.scatter(space, addresses + np.uint64(at), piece.reshape(-1), threads)


def _raw(values: Array) -> Array:
    """Bits of each element in a row: a NaN equals itself."""
    return (
        np.ascontiguousarray(values)
        .view(UNSIGNED[8 * min(8, values.itemsize)])
        .reshape(len(values), -1)
    )


def _unit(addresses: Array, count: int) -> int:
    """The widest element that divides the count and every address."""
    low = int(np.bitwise_or.reduce(addresses, initial=0)) | count | 16
    return low & -low
