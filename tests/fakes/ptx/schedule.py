"""Which threads run next: those at the smallest place of the program, all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from tests.fakes.ptx.bind import MOVED, Run
from tests.fakes.ptx.memory import Fault
from tests.fakes.ptx.program import Instruction
from tests.fakes.ptx.races import Race
from tests.fakes.ptx.step import Array, Blocked, Step

RANK = 32  # bits of a place; above them stands the rank of the thread's warp
POLL = 1000  # backward jumps between two looks at those who wait
MOST_JUMPS = 20_000_000
ORDERS = ("together", "forwards", "backwards")


class Deadlock(RuntimeError):
    """Nobody can go on; the message says who waits where."""


class Scheduler:
    """Runs one batch of CTAs to its end.

    ``order``: "together" runs all warps side by side; "forwards" and "backwards" run the first or
    the last warp of each CTA as far as it comes before any other, so that a missing barrier shows.
    "backwards" also lets the newest copy arrive first instead of the oldest.
    """

    def __init__(
        self, step: Step, code: Sequence[Run], body: Sequence[Instruction], order: str
    ) -> None:
        if order not in ORDERS:
            raise ValueError(f"the order {order!r} is none of {', '.join(ORDERS)}")
        self.step, self.code, self.body = step, code, body
        self.ranks: Array | None = None
        if order != "together":
            together = 128 if any(i.parts[0] == "wgmma" for i in body) else 32  # a warpgroup
            ranks = step.within // together
            self.ranks = ranks if order == "forwards" else int(ranks.max()) - ranks
        self.backwards = order == "backwards"
        self.heap: list[int] = []
        self.at: dict[int, list[Array]] = {}
        self.waiting: list[Blocked] = []
        self.moved = self.retried = self.jumps = 0

    def run(self) -> None:
        """Raises ``Deadlock``, ``Fault`` and what instructions raise, with the instruction."""
        self.push(0, self.step.everyone)
        while True:
            while self.heap:
                key = heappop(self.heap)
                parts = self.at.pop(key)
                threads = parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts))
                self.go(key, threads)
            if not self.waiting:
                break
            self.unstick()
        for work in self.step.pending:
            work.run()
        self.step.pending.clear()

    def push(self, pc: int, threads: Array) -> None:
        """They are to run the instruction at ``pc``."""
        if not len(threads):
            return
        if self.ranks is None:
            self._push(pc, threads)
            return
        ranks = self.ranks[threads]
        for rank in np.unique(ranks):
            self._push(int(rank) << RANK | pc, threads[ranks == rank])

    def _push(self, key: int, threads: Array) -> None:
        if key in self.at:
            self.at[key].append(threads)
        else:
            self.at[key] = [threads]
            heappush(self.heap, key)

    def go(self, key: int, threads: Array) -> None:
        """Run them until they part, wait, exit, or reach others."""
        step, code = self.step, self.code
        rank, pc = key >> RANK, key & (2**RANK - 1)
        limit = len(code)
        if self.heap and self.heap[0] >> RANK == rank:
            limit = self.heap[0] & (2**RANK - 1)
        index = None if len(threads) == step.count else threads
        step.index = index
        try:
            while pc < limit:
                step.pc = pc
                signal = code[pc](step)
                if signal is None and not step.blocked:
                    pc += 1
                elif signal is not None and signal >= 0:
                    pc = self._jump(pc, signal)
                else:
                    self.moved += 1
                    self._part(pc, threads, signal)
                    return
                step.index = index
        except Exception as error:
            raise self._explained(error, pc) from error
        if pc == len(code):
            raise RuntimeError("the program runs past its end")
        self.moved += 1
        self.push(pc, threads)

    def _jump(self, pc: int, to: int) -> int:
        self.moved += 1
        if to <= pc:
            self.jumps += 1
            if self.jumps % POLL == 0:
                self._wake_ready()
            if self.jumps > MOST_JUMPS:
                raise RuntimeError(f"{MOST_JUMPS} backward jumps: the program does not end")
        return to

    def _part(self, pc: int, threads: Array, signal: Any) -> None:
        """Some wait, jump or exit; the rest go on."""
        step = self.step
        gone = [b.threads for b in step.blocked]
        self.waiting += step.blocked
        step.blocked = []
        if signal == MOVED:
            for to, which in step.moves:
                gone.append(which)
                if to >= 0:
                    self.push(to, which)
            step.moves = []
        away = np.zeros(step.count, dtype=bool)
        for which in gone:
            away[which] = True
        rest = threads[~away[threads]]
        if not len(rest) and signal is None:
            self.moved -= 1  # all of them wait: that is no progress
        self.push(pc + 1, rest)

    def _explained(self, error: Exception, pc: int) -> Exception:
        instruction = self.body[pc]
        said = f"{error}; line {instruction.line}: {instruction.text}"
        kind = (
            type(error) if isinstance(error, Fault | Race | NotImplementedError) else RuntimeError
        )
        return kind(said if kind is type(error) else f"{type(error).__name__}: {said}")

    # --- those who wait ---

    def unstick(self) -> None:
        """Nobody runs: wake whom something has happened for, or let work under way arrive."""
        if self._wake_ready():
            return
        if self.moved != self.retried:
            self.retried = self.moved
            lonely = [b for b in self.waiting if b.until is None]
            if lonely:
                self.waiting = [b for b in self.waiting if b.until is not None]
                for blocked in lonely:
                    self.push(blocked.resume, blocked.threads)
                return
        if not self.step.pending:
            raise Deadlock(self._who_waits())
        self.moved += 1
        # Copies may arrive in any order: the two extremes are tried.
        self.step.pending.pop(-1 if self.backwards else 0).run()

    def _wake_ready(self) -> bool:
        still: list[Blocked] = []
        woken = False
        for blocked in self.waiting:
            if blocked.until is None:
                still.append(blocked)
                continue
            ready = np.broadcast_to(blocked.until(), blocked.threads.shape)
            if not ready.any():
                still.append(blocked)
                continue
            woken = True
            self.push(blocked.resume, blocked.threads[ready])
            if not ready.all():
                rest = blocked.threads[~ready]
                still.append(_remaining(blocked, rest, ready))
        self.waiting = still
        return woken

    def _who_waits(self) -> str:
        lines = []
        for blocked in self.waiting:
            instruction = self.body[blocked.pc]
            warps = np.unique(self.step.warp_of[blocked.threads])
            named = ", ".join(
                f"{w % self.step.warps_a_cta} of CTA {w // self.step.warps_a_cta}"
                for w in warps[:8].tolist()
            )
            more = f" and {len(warps) - 8} more" if len(warps) > 8 else ""
            lines.append(
                f"{len(blocked.threads)} threads (warp {named}{more}) wait for {blocked.reason} "
                f"at line {instruction.line}: {instruction.text}"
            )
        return "nobody can go on: " + "; ".join(lines)


def _remaining(blocked: Blocked, rest: Array, ready: Array) -> Blocked:
    """Those of them who were not ready."""
    until = blocked.until
    assert until is not None
    kept = ~ready

    def later() -> Array:
        return np.broadcast_to(until(), ready.shape)[kept]

    return Blocked(blocked.pc, rest, blocked.reason, later, blocked.resume)
