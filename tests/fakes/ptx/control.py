"""Jumps, exits and barriers of a CTA."""

from __future__ import annotations

import numpy as np

from tests.fakes.ptx.bind import MOVED, Handler, Run, reader
from tests.fakes.ptx.program import Immediate, Instruction, Kernel, Symbol
from tests.fakes.ptx.step import Array, Step

BARRIERS = 16


def jump(instruction: Instruction, kernel: Kernel) -> Run:
    """bra, with its own predicate."""
    (label,) = instruction.operands
    assert isinstance(label, Symbol)
    target = kernel.labels[label.name]
    if instruction.guard is None:
        return lambda step: target
    register, negated = instruction.guard
    read = reader(register, "pred")

    def run(step: Step) -> int | None:
        taken = read(step)
        if negated:
            taken = ~taken
        if taken.all():
            return target
        if not taken.any():
            return None
        here = step.threads
        step.moves = [(target, here[taken]), (step.pc + 1, here[~taken])]
        return MOVED

    return run


def leave(step: Step) -> int:
    """exit, and ret of an entry."""
    step.alive[step.threads] = False
    step.moves = [(-1, step.threads)]
    return MOVED


class Barriers:
    """The 16 barriers of every CTA of a batch."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.arrived = np.zeros((step.ctas, BARRIERS), dtype=np.int64)
        self.phase = np.zeros((step.ctas, BARRIERS), dtype=np.int64)
        # Threads expected; 0: all that have not exited.
        self.needed = np.zeros((step.ctas, BARRIERS), dtype=np.int64)
        # What the warps that arrived had seen (see races.py), and which of them wait.
        self.given = np.zeros((step.ctas, BARRIERS, step.warps_a_cta), dtype=np.int32)
        self.takers = np.zeros((step.ctas, BARRIERS, step.warps_a_cta), dtype=bool)

    def all_at_once(self, number: int) -> bool:
        """Everybody arrives at a barrier of whole CTAs where nobody has: it is over already."""
        if not self.step.alive.all() or self.arrived[:, number].any():
            return False
        self.phase[:, number] += 1
        races = self.step.memory.races
        if races is not None:
            races.meet()
        return True

    def arrive(self, cta: Array, number: Array, count: Array, waits: bool) -> None:
        """One arrival of each thread at work."""
        races = self.step.memory.races
        if races is not None:
            warp = self.step.within[self.step.threads] // 32
            first = np.flatnonzero(np.diff(self.step.warp, prepend=-1))
            at, here, warp = cta[first], number[first], warp[first]
            np.maximum.at(self.given, (at, here), races.seen[at, warp])
            races.seen[at, warp, warp] += 1
            races.tick(self.step.threads)
            self.takers[at, here, warp] = waits
        fresh = self.arrived[cta, number] == 0
        self.needed[cta[fresh], number[fresh]] = count[fresh]
        if (self.needed[cta, number] != count).any():
            raise RuntimeError("threads disagree about how many a barrier is for")
        np.add.at(self.arrived, (cta, number), 1)
        self.complete()

    def complete(self) -> None:
        """End the phases for which enough have arrived."""
        alive = np.bincount(self.step.cta_of[self.step.alive], minlength=self.step.ctas)
        needed = np.where(self.needed == 0, alive[:, None], self.needed)
        if (self.arrived > needed).any():
            raise RuntimeError("more threads arrive at a barrier than it is for")
        done = (self.arrived == needed) & (self.arrived > 0)
        self.phase += done
        self.arrived[done] = 0
        races = self.step.memory.races
        if races is not None:
            for number in np.flatnonzero(done.any(0)).tolist():
                self._pass(races.seen, np.flatnonzero(done[:, number]), number)

    def _pass(self, seen: Array, ctas: Array, number: int) -> None:
        """The warps that waited have seen what all that arrived had."""
        joined = np.maximum(seen[ctas], self.given[ctas, number][:, None, :])
        seen[ctas] = np.where(self.takers[ctas, number][:, :, None], joined, seen[ctas])
        self.given[ctas, number] = 0
        self.takers[ctas, number] = False


def barriers(step: Step) -> Barriers:
    """Of this batch."""
    if "barriers" not in step.state:
        step.state["barriers"] = Barriers(step)
    held: Barriers = step.state["barriers"]
    return held


def _operands(step: Step, instruction: Instruction) -> tuple[Array, Array]:
    """Number and count a thread; the count 0 stands for the whole CTA."""
    given = instruction.operands
    number = step.read(given[0], "u32").astype(np.int64)
    if (number >= BARRIERS).any():
        raise RuntimeError(f"there is no barrier {int(number.max())}")
    if len(given) < 2:
        return number, np.zeros_like(number)
    count = step.read(given[1], "u32").astype(np.int64)
    if (count % 32).any() or (count == 0).any():
        raise RuntimeError(f"a barrier for {int(count[0])} threads: it has to be whole warps")
    return number, count


def _of_all(step: Step, instruction: Instruction) -> int | None:
    """The barrier's number where all threads of the batch are here, and it is for whole CTAs."""
    number, *count = instruction.operands
    if step.index is not None or not isinstance(number, Immediate):
        return None
    if count and count[0] != Immediate(step.cta_threads):
        return None
    return number.value if 0 <= number.value < BARRIERS else None


def sync(step: Step, instruction: Instruction) -> None:
    """bar.sync and barrier.sync: arrive, and go on when the phase is complete."""
    whole = _of_all(step, instruction)
    if whole is not None and barriers(step).all_at_once(whole):
        return
    number, count = _operands(step, instruction)
    cta = step.cta
    held = barriers(step)
    before = held.phase[cta, number]
    held.arrive(cta, number, count, waits=True)
    waits = held.phase[cta, number] == before
    if waits.any():
        cta, number, before = cta[waits], number[waits], before[waits]

        def until() -> Array:
            held.complete()
            over: Array = held.phase[cta, number] != before
            return over

        step.block(f"barrier {int(number[0])}", until, waits, step.pc + 1)


def arrive(step: Step, instruction: Instruction) -> None:
    """bar.arrive."""
    number, count = _operands(step, instruction)
    barriers(step).arrive(step.cta, number, count, waits=False)


def nothing(step: Step, instruction: Instruction) -> None:
    """Fences and hints: memory here is always up to date."""


def refuse_call(step: Step, instruction: Instruction) -> None:
    """Functions are not run."""
    raise NotImplementedError("calls of functions are not run")


def trap(step: Step, instruction: Instruction) -> None:
    """The kernel gives up."""
    thread = int(step.threads[0])
    raise RuntimeError(f"thread {thread % step.cta_threads} runs into a trap")


HANDLERS: dict[str, Handler] = {
    "bar.sync": sync,
    "bar.cta.sync": sync,
    "barrier.sync": sync,
    "barrier.cta.sync": sync,
    "bar.arrive": arrive,
    "bar.cta.arrive": arrive,
    "barrier.arrive": arrive,
    "barrier.cta.arrive": arrive,
    "membar": nothing,
    "fence": nothing,
    "prefetch": nothing,
    "prefetchu": nothing,
    "discard": nothing,
    "applypriority": nothing,
    "griddepcontrol": nothing,
    "nanosleep": nothing,
    "setmaxnreg": nothing,
    "call": refuse_call,
    "trap": trap,
    "brkpt": trap,
}
