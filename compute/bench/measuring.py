"""A whole run: ceilings, then shape after shape, with rows to show as they come."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compute.bench.asked import Asked, room_gib
from compute.bench.ceilings import COPY, Ceilings, copy_subject
from compute.bench.cells import BASELINE, Cell, Method, Timed, run_cell, sentence
from compute.bench.checks import checkable
from compute.bench.device import Device, out_of_memory
from compute.bench.index import Dims
from compute.bench.inputs import InputSets
from compute.bench.request import BenchRequest
from compute.bench.result import Ceiling, Row
from compute.bench.rows import rows_of
from compute.bench.timing import Subject, once
from compute.tool import Refused

if TYPE_CHECKING:
    from compute.kernels.operator import Implementation, Operator

GIB = 2**30
BY_COST = (
    "torch",
    "triton",
    "cuda",
    "library",
    "torch.compile",
)  # the first call's, cheapest first
TOO_LONG = 0.5  # of the budget, for the six calls that a shape takes at least
LEAST_CALLS = 6
# On a busy machine every shape takes longer than its share; the last is measured all the same.
GRACE_SHARE, LEAST_SHARE = 0.5, 0.25
NO_COPY = "Not even a copy can be measured on this machine: {0}"
PROBE_FLOPS, PROBE_BYTES = 2**25, 2**22  # of the call that a shape's time is estimated from


@dataclass
class Found:
    """What is known so far."""

    ceilings: list[Ceiling] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    lost: str = ""  # why the device takes no more work from this process


Say = Callable[[float, str, Found], Awaitable[None]]


class Measuring:
    """One run on one device. ``say`` gets the share done, what is under way, and what is known."""

    def __init__(
        self,
        asked: Asked,
        request: BenchRequest,
        operator: Operator,
        device: Device,
        kept: Ceilings,
        say: Say,
    ) -> None:
        self._asked, self._request, self._operator = asked, request, operator
        self._device, self._kept, self._say = device, kept, say
        self._first_s: dict[str, float] = {}
        self.found = Found()

    async def run(self) -> Found:
        """Everything that the budget allows; the smallest shape first."""
        await self._measure_ceilings()
        shapes = await self._feasible()
        self._ends_at = self._device.now_s() + self._request.budget_s
        self._compile_s = self._request.budget_s
        caches = ("cold", "warm") if self._request.cache == "both" else (self._request.cache,)
        total = len(shapes) * len(caches)
        for place, dims in enumerate(shapes):
            for number, cache in enumerate(caches, start=place * len(caches)):
                await self._cell(dims, cache, number, total)
            if not self.found.lost:
                _forget()
        return self.found

    async def _measure_ceilings(self) -> None:
        await self._tell(0.0, "ceilings: a copy")
        try:
            self.found.ceilings.append(self._kept.copy(self._device))
        except Exception as error:  # a torch without code for this GPU, a card that has failed
            raise Refused(NO_COPY.format(sentence(str(error)))) from error
        if self._operator.regime == "compute":
            await self._tell(0.02, "ceilings: a matrix product")
            peak = self._kept.matmul(self._device, self._asked.dtype)
            self.found.ceilings += [peak] if peak else []

    async def _feasible(self) -> list[Dims]:
        """The shapes that fit memory and time here, smallest first; the others are told of."""
        op, asked = self._asked.op, self._asked
        ordered = sorted(asked.shapes, key=lambda dims: op.bytes(dims, asked.dtype))
        kept: list[Dims] = []
        for dims in ordered:
            needed, there = room_gib(op.bytes(dims, asked.dtype)), self._device.memory_bytes / GIB
            if needed > there:
                self._leave_out(dims, f"needs about {needed:,.0f} GiB, {there:,.0f} are free")
                continue
            call_s = self._estimate_s(dims) if self._device.kind == "cpu" else 0.0
            if call_s * LEAST_CALLS > TOO_LONG * self._request.budget_s:
                self._leave_out(dims, f"one call would take about {call_s:,.1f} s on this CPU")
                continue
            kept.append(dims)
        return kept

    def _estimate_s(self, dims: Dims) -> float:
        """Seconds of PyTorch eager on this shape, from a call on a smaller one: in fp16 a CPU
        multiplies matrices 70 times slower than in fp32.
        """
        operator, dtype = self._operator, self._asked.inputs_dtype
        small = checkable(operator, dims, dtype, PROBE_FLOPS, PROBE_BYTES)
        eager = operator.implementations[BASELINE]
        inputs = InputSets(operator, small, dtype, 0, "cpu", 1).sets[0]
        if eager.unsupported(inputs, "cpu"):
            return 0.0
        subject = Subject(BASELINE, lambda _: eager(**inputs))
        once(self._device, subject)
        taken = min(once(self._device, subject) for _ in range(2))
        return taken * max(
            operator.flops(dims, dtype) / max(operator.flops(small, dtype), 1),
            operator.bytes(dims, dtype) / max(operator.bytes(small, dtype), 1),
        )

    async def _cell(self, dims: Dims, cache: str, number: int, total: int) -> None:
        left_s = self._ends_at - self._device.now_s()
        shape = self._asked.op.text(dims)
        if self.found.lost:
            self._leave_out(dims, "the GPU had stopped before")
            return
        if left_s <= -GRACE_SHARE * self._request.budget_s:
            self._leave_out(dims, "the time was over: raise budget_s")
            return

        async def say(words: str) -> None:
            await self._tell((number + 0.5) / total, f"{number} of {total} shapes · {words}")

        cell = Cell(
            operator=self._operator,
            dims=dims,
            dtype=self._asked.dtype,
            shape=shape,
            cache="warm" if cache == "warm" else "cold",
            method=_method(self._request),
            seed=self._request.seed,
            budget_s=max(left_s / (total - number), self._request.budget_s * LEAST_SHARE / total),
            compile_s=self._compile_s,
            device=self._device,
            say=say,
        )
        await self._tell(number / total, f"{number} of {total} shapes · {shape}")
        timed = await self._timed(cell)
        if timed is None:
            return
        self._ends_at += timed.compiling_s
        self._compile_s -= timed.compiling_s
        self.found.lost = timed.lost
        copied = self.found.ceilings[0]
        peak = next((c.value for c in self.found.ceilings if c.kind != COPY), None)
        self.found.rows += rows_of(cell, timed, copied.value, peak, copied.most)

    async def _timed(self, cell: Cell) -> Timed | None:
        """The cell, or None where it is left out with its reason: the rows of others stay."""
        try:
            return await run_cell(
                cell, wanted(self._operator, self._asked.only), self._first_s, copy_subject
            )
        except Exception as error:
            self.found.lost = self._device.lost()
            if not self.found.lost and not out_of_memory(error):
                raise
            reason = self.found.lost or "it does not fit into memory"
            self._leave_out(cell.dims, sentence(reason))
            return None

    def _leave_out(self, dims: Dims, reason: str) -> None:
        self.found.left_out.append(f"{self._asked.op.text(dims)}: {reason}.")

    async def _tell(self, share: float, words: str) -> None:
        await self._say(share, words, self.found)
        await asyncio.sleep(0)


def wanted(operator: Operator, only: Sequence[str]) -> list[Implementation]:
    """Those named, eager always: speed-ups are against it. Of the libraries those that are
    installed, or asked for by name.
    """
    from compute.kernels.build.places import not_installed

    kept = [
        one
        for name, one in operator.implementations.items()
        if name == BASELINE or name in only or (not only and not not_installed(one.package))
    ]
    return sorted(kept, key=lambda one: BY_COST.index(one.backend))


def _forget() -> None:
    """Compiled code of a shape: beyond eight of one function torch stops compiling. A compiler that
    cannot even be imported has said so in its own row.
    """
    from compute.kernels.build.torch_compile import forget_shapes

    try:
        forget_shapes()
    except Exception as error:
        sys.stderr.write(f"torch.compile: {sentence(repr(error))}\n")


def _method(request: BenchRequest) -> Method:
    return "graph" if request.method == "graph" else "event"
