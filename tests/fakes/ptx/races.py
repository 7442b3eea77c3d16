"""Accesses to shared memory by two warps of which neither is known to come first.

Each warp counts its own time and knows how far it has seen the others' (vector clocks): arriving at
a barrier gives away what a warp has seen, passing the barrier takes what the others gave. An access
is a race when it meets another warp's store, or a store another warp's load, that it has not seen.
Two bytes are the unit. Single bytes, atomics, the copy engine and wgmma are not watched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tests.fakes.ptx.step import Step

Array = NDArray[Any]
UNIT = 2
MOST_UNITS = 1 << 25  # units x warps of a batch: 128 MiB of reading times


class Race(RuntimeError):
    """Two accesses without a barrier between them; the message says whose."""


def ctas_watched(threads: int, shared_bytes: int) -> int:
    """How many CTAs of this size may run at once."""
    return max(1, MOST_UNITS // max(1, (shared_bytes + 128) // UNIT * -(-threads // 32)))


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
        self._given: dict[Any, Array] = {}

    # --- accesses ---

    def loaded(self, places: Array, size: int, threads: Array) -> None:
        """Bytes of the batch's shared memory, one element a thread."""
        if size < UNIT:
            return
        warp, seen, units = self._of(places, size, threads)
        self._check_writes(units, seen, threads, "loads")
        self.read[units, warp] = np.take_along_axis(seen, warp, 1)

    def stored(self, places: Array, size: int, threads: Array) -> None:
        """The same of a store."""
        if size < UNIT:
            return
        warp, seen, units = self._of(places, size, threads)
        self._check_writes(units, seen, threads, "stores to")
        unseen = self.read[units] > seen[:, None, :]
        if unseen.any():
            at = np.argwhere(unseen)[0]
            said = f"warp {int(at[2])} of its CTA has loaded from there"
            self._report(int(threads[at[0]]), "stores to", int(units[at[0], at[1]]), said)
        self.writer[units] = warp
        self.written[units] = np.take_along_axis(seen, warp, 1)
        instruction = self.step.kernel.body[self.step.pc]
        self.line[units] = instruction.line

    def _of(self, places: Array, size: int, threads: Array) -> tuple[Array, Array, Array]:
        """Each thread's warp [n, 1], what it has seen [n, warps], the units it touches [n, k]."""
        warp = self.step.within[threads] // 32
        seen = self.seen[self.step.cta_of[threads], warp]
        return warp[:, None], seen, (places // UNIT)[:, None] + np.arange(size // UNIT)

    def _check_writes(self, units: Array, seen: Array, threads: Array, does: str) -> None:
        unseen = self.written[units] > np.take_along_axis(seen, self.writer[units], 1)
        if unseen.any():
            row, column = np.argwhere(unseen)[0]
            unit = int(units[row, column])
            said = f"warp {self.writer[unit]} of its CTA has stored there at line {self.line[unit]}"
            self._report(int(threads[row]), does, unit, said)

    def _report(self, thread: int, does: str, unit: int, said: str) -> None:
        step = self.step
        byte = unit * UNIT % step.shared.shape[1]
        raise Race(
            f"thread {step.within[thread]} of CTA {step.cta_of[thread]} of its batch {does} byte "
            f"{byte} of shared memory; {said}, and no barrier stands between"
        )

    # --- what orders them ---

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
