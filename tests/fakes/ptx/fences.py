"""Ordinary stores to shared memory that the copy engine and wgmma may not see yet.

Both read shared memory past the path of ordinary stores: between a store and such a read stands a
fence.proxy.async, by the thread that stored or by one that comes after it by a barrier. Each word
remembers who stored to it since then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.ptx.memory import Fault
from tests.fakes.ptx.program import Instruction
from tests.fakes.ptx.step import Step

Array = NDArray[Any]
WORD = 4  # bytes


class Unfenced:
    """Words of one CTA's shared memory: who stored there (thread + 1; 0 = the copy engine sees
    it), and when by the clock of the thread's warp.
    """

    def __init__(self, step: Step) -> None:
        self.step = step
        self.writers = np.zeros(step.shared.size // WORD, np.int32)
        self.times = np.zeros(step.shared.size // WORD, np.int32)

    def stored(self, places: Array, size: int, threads: Array) -> None:
        """Elements at bytes ``places``, one a thread."""
        races = self.step.memory.races
        warps = self.step.within[threads] // 32
        for at in range(0, size, WORD):
            words = (places + at) // WORD
            self.writers[words] = threads + 1
            if races is not None:
                self.times[words] = races.seen[0, warps, warps]

    def fence(self, threads: Array) -> None:
        """What these threads stored, or others before a barrier that these have passed."""
        here = np.zeros(self.step.count + 1, bool)
        here[threads + 1] = True
        shown = here[self.writers]
        races = self.step.memory.races
        if races is not None:
            warps = np.unique(self.step.within[threads] // 32)
            seen = races.seen[0, warps].copy()
            seen[np.arange(len(warps)), warps] = 0  # its own lanes each have to fence
            writer = self.step.within[self.writers - 1] // 32
            shown |= self.times <= seen.max(axis=0)[writer]
        self.writers[shown] = 0


def watch(step: Step) -> Callable[[Array, int, Array], None]:
    """What is to be told every store to shared memory of this batch, which is one CTA."""
    held = step.state["fences"] = Unfenced(step)
    return held.stored


def fence(step: Step, instruction: Instruction) -> None:
    """fence.proxy.async."""
    if "fences" in step.state:
        step.state["fences"].fence(step.threads)


def need_fence(step: Step, places: Array, size: int, said: str) -> None:
    """Raises ``Fault`` where elements of ``size`` bytes at ``places`` (counted in elements of the
    shared memory) hold what was stored and not fenced.
    """
    held: Unfenced | None = step.state.get("fences")
    if held is None:
        return
    words = (
        held.writers.reshape(-1, size // WORD)[places]
        if size > WORD
        else held.writers[places * size // WORD]
    )
    if words.any():
        thread = int(words.max()) - 1
        raise Fault(
            f"{said}: it reads what thread {int(step.within[thread])} stored without a "
            "fence.proxy.async after it"
        )


HANDLERS: dict[str, Callable[[Step, Instruction], None]] = {"fence.proxy.async": fence}
