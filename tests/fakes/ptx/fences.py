"""Ordinary stores to shared memory that the copy engine and wgmma may not see yet.

Both read shared memory past the path of ordinary stores: between a store and such a read the thread
that stored must have run fence.proxy.async. Each byte remembers who stored to it since then.
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


def watch(step: Step) -> Callable[[Array, int, Array], None]:
    """What is to be told every store to shared memory of this batch."""
    writers = np.zeros(step.shared.size // 4, np.int32)  # of a word; 0 = seen by all
    step.state["fences"] = writers

    def stored(places: Array, size: int, threads: Array) -> None:
        for at in range(0, size, 4):
            writers[(places + at) // 4] = threads + 1

    return stored


def fence(step: Step, instruction: Instruction) -> None:
    """fence.proxy.async: what these threads stored is seen from now on."""
    writers = step.state.get("fences")
    if writers is None:
        return
    if step.index is None:
        writers[:] = 0
        return
    here = np.zeros(step.count + 1, bool)
    here[step.threads + 1] = True
    writers[here[writers]] = 0


def need_fence(step: Step, cta: int, places: Array, size: int, said: str) -> None:
    """Raises ``Fault`` where elements of ``size`` bytes at ``places`` (counted in elements of the
    CTA's shared memory) hold what was stored and not fenced.
    """
    writers = step.state.get("fences")
    if writers is None:
        return
    mine = writers.reshape(step.ctas, -1)[cta]
    words = mine.reshape(-1, size // 4)[places] if size > 4 else mine[places * size // 4]
    if words.any():
        thread = int(words.max()) - 1
        raise Fault(
            f"{said}: it reads what thread {int(step.within[thread])} stored without a "
            "fence.proxy.async after it"
        )


HANDLERS: dict[str, Callable[[Step, Instruction], None]] = {"fence.proxy.async": fence}
