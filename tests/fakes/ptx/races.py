"""Accesses to shared memory by two threads of which neither is known to come first.

Each warp counts its own time and knows how far it has seen the others' (vector clocks): arriving at
a barrier gives away what a warp has seen, passing the barrier takes what the others gave. An access
is a race when it meets another warp's store, or a store another warp's load, that it has not seen.
Lanes of one warp need a barrier between them too, bar.warp.sync at least.
Two bytes are the unit. Single bytes, atomics, the copy engine and wgmma are not watched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tests.fakes.ptx.step import Step

Array = NDArray[Any]
UNIT = 2
BEAT = 32  # bits of a beat; above them stands the warp
MOST_UNITS = 1 << 25  # units x warps of a batch: 128 MiB of reading times


class Race(RuntimeError):
    """Two accesses without a barrier between them; the message says whose."""


def ctas_watched(threads: int, shared_bytes: int) -> int:
    """How many CTAs of this size may run at once."""
    return max(1, MOST_UNITS // max(1, (shared_bytes + 128) // UNIT * -(-threads // 32)))


class Lanes:
    """For each unit of shared memory the lane that was there last, and the beat of its warp."""

    def __init__(self, units: int) -> None:
        self.lane = np.zeros(units, dtype=np.int8)
        self.beat = np.full(units, -1, dtype=np.int64)


class Races:
    """Of one batch."""

    def __init__(self, step: Step) -> None:
        self.step = step
        warps = step.warps_a_cta
        self.seen = np.zeros((step.ctas, warps, warps), dtype=np.int32)
        self.seen[:, np.arange(warps), np.arange(warps)] = 1
        units = step.shared.size // UNIT
        self.writer = np.zeros(units, dtype=np.int16)
        self.written = np.zeros(units, dtype=np.int32)  # the writer's time; 0 = seen by all
        self.line = np.zeros(units, dtype=np.int32)
        self.read = np.zeros((units, warps), dtype=np.int32)  # each warp's time of its last load
        self.last_read = 0
        # Lanes of one warp: whose store or load, and when by the count of the warp's own barriers.
        self.beat = np.arange(step.ctas * warps, dtype=np.int64) << BEAT
        self.lanes = {"stored": Lanes(units), "loaded": Lanes(units)}
        self._given: dict[Any, Array] = {}

    # --- accesses ---

    def loaded(self, places: Array, size: int, threads: Array) -> None:
        """Bytes of the batch's shared memory, one element a thread."""
        if size < UNIT:
            return
        warp, seen, units = self._of(places, size, threads)
        self._check_writes(units, seen, threads, "loads")
        self._check_lanes(units, threads, "loads", "stored")
        self._keep_lanes(units, threads, "loaded")
        now = np.take_along_axis(seen, warp, 1)
        self.read[units, warp] = now
        self.last_read = max(self.last_read, int(now.max()))

    def stored(
        self, places: Array, size: int, threads: Array, changed: Callable[[], Array]
    ) -> None:
        """The same of a store. What ``changed()`` says was there already is no race: Triton has
        several warps store the same values to the same place.
        """
        if size < UNIT:
            return
        warp, seen, units = self._of(places, size, threads)
        # Most stores come a barrier after all loads: those need no look at each warp's.
        met = self.last_read > seen.min() and (self.read[units] > seen[:, None, :]).any()
        near = any(self._other_lane(units, threads, did) is not None for did in self.lanes)
        if met or near or self._unseen(units, seen) is not None:
            new = changed()
            threads, warp, seen, units = threads[new], warp[new], seen[new], units[new]
            self._check_writes(units, seen, threads, "stores to")
            self._check_reads(units, seen, threads)
            for did in self.lanes:
                self._check_lanes(units, threads, "stores to", did)
        self._keep_lanes(units, threads, "stored")
        self.writer[units] = warp
        self.written[units] = np.take_along_axis(seen, warp, 1)
        self.line[units] = self.step.kernel.body[self.step.pc].line

    def _of(self, places: Array, size: int, threads: Array) -> tuple[Array, Array, Array]:
        """Each thread's warp [n, 1], what it has seen [n, warps], the units it touches [n, k]."""
        warp = self.step.within[threads] // 32
        seen = self.seen[self.step.cta_of[threads], warp]
        return warp[:, None], seen, (places // UNIT)[:, None] + np.arange(size // UNIT)

    def _unseen(self, units: Array, seen: Array) -> Array | None:
        """Where a store of another warp has not been seen; None where that is nowhere."""
        written = self.written[units]
        if written.max(initial=0) <= seen.min(initial=0):
            return None
        unseen: Array = written > np.take_along_axis(seen, self.writer[units], 1)
        return unseen if unseen.any() else None

    def _check_writes(self, units: Array, seen: Array, threads: Array, does: str) -> None:
        unseen = self._unseen(units, seen)
        if unseen is not None:
            row, column = np.argwhere(unseen)[0]
            unit = int(units[row, column])
            said = f"warp {self.writer[unit]} of its CTA has stored there at line {self.line[unit]}"
            self._report(int(threads[row]), does, unit, said)

    def _check_reads(self, units: Array, seen: Array, threads: Array) -> None:
        unseen = np.argwhere(self.read[units] > seen[:, None, :])
        if len(unseen):
            row, column, warp = unseen[0].tolist()
            said = f"warp {warp} of its CTA has loaded from there"
            self._report(int(threads[row]), "stores to", int(units[row, column]), said)

    # --- lanes of one warp ---

    def _other_lane(self, units: Array, threads: Array, did: str) -> Array | None:
        """Where another lane of the warp did that since the warp's last barrier."""
        held = self.lanes[did]
        same = held.beat[units] == self.beat[self.step.warp_of[threads]][:, None]
        if not same.any():
            return None
        other: Array = same & (held.lane[units] != self.step.lane_of[threads][:, None])
        return other if other.any() else None

    def _check_lanes(self, units: Array, threads: Array, does: str, did: str) -> None:
        other = self._other_lane(units, threads, did)
        if other is not None:
            row, column = np.argwhere(other)[0]
            unit = int(units[row, column])
            said = f"lane {self.lanes[did].lane[unit]} of its own warp has {did} there"
            self._report(int(threads[row]), does, unit, said)

    def _keep_lanes(self, units: Array, threads: Array, did: str) -> None:
        held = self.lanes[did]
        held.beat[units] = self.beat[self.step.warp_of[threads]][:, None]
        held.lane[units] = self.step.lane_of[threads][:, None]

    def tick(self, threads: Array) -> None:
        """A barrier within the warps of these threads."""
        self.beat[np.unique(self.step.warp_of[threads])] += 1

    def _report(self, thread: int, does: str, unit: int, said: str) -> None:
        step = self.step
        byte = unit * UNIT % step.shared.shape[1]
        raise Race(
            f"thread {step.within[thread]} of CTA {step.cta_of[thread]} of its batch {does} byte "
            f"{byte} of shared memory; {said}, and no barrier stands between"
        )

    # --- what orders them ---

    def meet(self) -> None:
        """All warps of all CTAs at one barrier."""
        own = np.arange(self.seen.shape[1])
        self.seen[:] = self.seen.max(axis=1, keepdims=True)
        self.seen[:, own, own] += 1
        self.beat += 1

    def give(self, key: Any, threads: Array) -> None:
        """Warps arrive at something: whoever passes it has seen what they did."""
        step = self.step
        for warp in np.unique(step.warp_of[threads]):
            cta, within = divmod(int(warp), step.warps_a_cta)
            mine = self.seen[cta, within]
            held = self._given.get((cta, key))
            self._given[cta, key] = mine.copy() if held is None else np.maximum(held, mine)
            mine[within] += 1

    def take(self, key: Any, threads: Array) -> None:
        """Warps pass it."""
        step = self.step
        for warp in np.unique(step.warp_of[threads]):
            cta, within = divmod(int(warp), step.warps_a_cta)
            held = self._given.get((cta, key))
            if held is not None:
                np.maximum(self.seen[cta, within], held, out=self.seen[cta, within])
        self.tick(threads)
