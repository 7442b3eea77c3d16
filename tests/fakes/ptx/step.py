"""The threads that run one instruction together, as instruction handlers see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tests.fakes.ptx.memory import Memory
from tests.fakes.ptx.program import (
    Address,
    Immediate,
    Instruction,
    Kernel,
    Not,
    Operand,
    Pair,
    Register,
    Sink,
    Special,
    Symbol,
    Vector,
)
from tests.fakes.ptx.values import BOOL, UNSIGNED, constant, dtype_of, narrowed, widened

# NaN in every float of this width.
UNDEFINED = {1: 0, 8: 0xFF, 16: 0x7FFF, 32: 0x7FFFABAB, 64: 0x7FFFABABABABABAB, 128: 0}
Array = NDArray[Any]
Until = Callable[[], Array]


class Work(Protocol):
    """What an instruction has begun and not ended: it arrives when ``run`` is called."""

    def run(self) -> None:
        """Let it arrive."""
        ...


@dataclass(slots=True)
class Blocked:
    """Threads that wait at ``pc`` and go on at ``resume``. ``until`` None: for other threads."""

    pc: int
    threads: Array
    reason: object
    until: Until | None
    resume: int


class Step:
    """One batch of CTAs; ``index`` names the threads at work, None stands for all of the batch.

    Registers are arrays over all threads of the batch. No two registers share memory.
    ``eager``: asynchronous work is done at once, which is as early as hardware may do it.
    """

    def __init__(
        self, grid: tuple[int, int, int], block: tuple[int, int, int],
        ctas: Array, memory: Memory, symbols: dict[str, int], kernel: Kernel,
        eager: bool = False,
    ) -> None:  # fmt: skip
        self.grid, self.cta_shape = grid, block
        self.cta_threads = block[0] * block[1] * block[2]
        self.count = len(ctas) * self.cta_threads
        self.everyone = np.arange(self.count)
        self.cta_of = self.everyone // self.cta_threads
        self.within = self.everyone % self.cta_threads
        self.lane_of = self.within % 32
        self.warps_a_cta = -(-self.cta_threads // 32)
        self.warp_of = self.cta_of * self.warps_a_cta + self.within // 32
        self.grid_cta = ctas
        self.memory, self.symbols = memory, symbols
        self.kernel, self.eager = kernel, eager
        self.registers: list[Any] = [None] * len(kernel.registers)
        self.alive = np.ones(self.count, dtype=bool)
        self.index: Array | None = None
        self.pc = 0
        self.instruction: Instruction | None = None
        self.blocked: list[Blocked] = []
        self.moves: list[tuple[int, Array]] = []  # (place, threads); -1: they have exited
        self.pending: list[Work] = []
        self.ticks = 0
        self.state: dict[str, Any] = {}  # of the instructions' own: a key for each file
        self._specials: dict[str, Array] = {}

    @property
    def threads(self) -> Array:
        """Numbers of the threads at work within the batch, ascending."""
        return self.everyone if self.index is None else self.index

    @property
    def ctas(self) -> int:
        """CTAs of the batch."""
        return len(self.grid_cta)

    @property
    def cta(self) -> Array:
        """Each thread's CTA within the batch."""
        return self.cta_of[self.threads]

    @property
    def lane(self) -> Array:
        """Each thread's lane of its warp."""
        return self.lane_of[self.threads]

    @property
    def warp(self) -> Array:
        """Each thread's warp within the batch (CTA x warps a CTA + warp of the CTA)."""
        return self.warp_of[self.threads]

    @property
    def shared(self) -> Array:
        """Shared memory as bytes [CTAs, bytes]; it begins at the address SHARED_BASE."""
        return self.memory.shared

    # --- operands ---

    def read(self, operand: Operand, kind: str) -> Array:
        """The operand of every thread at work; a bf16 comes as float32."""
        match operand:
            case Register():
                value = self.registers[operand.index]
                if value is None:
                    value = self.unwritten(operand)
                if self.index is not None:
                    value = value[self.index]
                return narrowed(value, operand.bits, kind)
            case Immediate():
                return np.full(len(self.threads), constant(operand, kind))
            case Special():
                return self.special(operand.name).astype(dtype_of(kind))
            case Symbol():
                if operand.name not in self.symbols:
                    raise NotImplementedError(
                        f"{operand.name} has no address: parameters of calls are not kept"
                    )
                at = self.symbols[operand.name] + operand.offset
                return np.full(len(self.threads), at, dtype=np.uint64).astype(dtype_of(kind))
            case Not():
                return ~self.read(operand.operand, "pred")
        raise NotImplementedError(f"{operand} cannot be read")

    def read_list(self, operand: Operand, kind: str) -> list[Array]:
        """Each item of ``{...}``; a single operand is a list of one."""
        items = operand.items if isinstance(operand, Vector) else (operand,)
        return [self.read(item, kind) for item in items]

    def write(self, operand: Operand, value: Array, kind: str) -> None:
        """One value a thread at work; a bf16 is given as float32."""
        if isinstance(operand, Sink):
            return
        if isinstance(operand, Pair):
            operand = operand.first
        if not isinstance(operand, Register):
            raise NotImplementedError(f"{operand} cannot be written")
        self.put(operand, widened(np.asarray(value), operand.bits, kind))

    def write_list(self, operand: Operand, values: Sequence[Array], kind: str) -> None:
        """Each item of ``{...}``."""
        items = operand.items if isinstance(operand, Vector) else (operand,)
        if len(items) != len(values):
            raise ValueError(f"{len(values)} results for {len(items)} registers")
        for item, value in zip(items, values, strict=True):
            self.write(item, value, kind)

    def put(self, register: Register, value: Array) -> None:
        """``value`` is as wide as the register; it is copied."""
        if self.index is None:
            self.registers[register.index] = np.array(np.broadcast_to(value, (self.count,)))
            return
        held = self.registers[register.index]
        if held is None:
            held = self.unwritten(register)
        if held.dtype is not value.dtype:
            held = held.view(value.dtype)
        held[self.index] = value

    def unwritten(self, register: Register) -> Array:
        """A register that nobody wrote: compilers read some and drop what comes of it, so that it
        is no error, but NaN as a float and far off as an address.
        """
        dtype = BOOL if register.bits == 1 else UNSIGNED[register.bits]
        held = np.full(self.count, UNDEFINED[register.bits], dtype=np.uint64)
        self.registers[register.index] = made = held.astype(dtype)
        return made

    def address(self, operand: Operand) -> Array:
        """uint64 of ``[base + offset]``."""
        if not isinstance(operand, Address):
            raise NotImplementedError(f"{operand} is no address")
        base = operand.base
        bits = base.bits if isinstance(base, Register) else 64
        at = self.read(base, f"u{bits}")
        if operand.offset:
            at = at + UNSIGNED[bits].type(operand.offset % 2**bits)
        return at.astype(np.uint64)

    def special(self, name: str) -> Array:
        """A register of the machine, of every thread at work."""
        from tests.fakes.ptx.special import special

        if name in ("clock", "clock64", "globaltimer", "clock_hi"):
            self.ticks += 1
            return np.full(len(self.threads), self.ticks, dtype=np.uint64)
        if name not in self._specials:
            self._specials[name] = special(self, name)
        value = self._specials[name]
        return value if self.index is None else value[self.index]

    # --- memory ---

    def load_bytes(self, space: str, addresses: Array, count: int) -> Array:
        """uint8 [threads, count]; space: global, shared, local, param, const or generic."""
        return self.memory.load_bytes(space, addresses, count, self.threads)

    def store_bytes(self, space: str, addresses: Array, data: Array) -> None:
        """The mirror of ``load_bytes``."""
        self.memory.store_bytes(space, addresses, data, self.threads)

    # --- waiting ---

    def block(
        self,
        reason: object,
        until: Until | None,
        which: Array | None = None,
        resume: int | None = None,
    ) -> None:
        """The threads at work (or those of them where ``which``) stay at this instruction, which
        runs again for them when ``until()`` is true, one bool a thread blocked. They are no
        longer among ``threads``. With ``resume`` they go on at that place instead.
        """
        here = self.threads
        out = here if which is None else here[which]
        at = self.pc if resume is None else resume
        self.blocked.append(Blocked(self.pc, out, reason, until, at))
        self.index = np.empty(0, dtype=np.int64) if which is None else here[~which]

    def later(self, work: Work) -> None:
        """Work under way; it arrives when someone calls ``settle`` or nobody can go on."""
        self.pending.append(work)

    def settle(self, chosen: Callable[[Any], bool]) -> None:
        """Let the chosen work under way arrive, oldest first."""
        due = [work for work in self.pending if chosen(work)]
        for work in due:
            self.pending.remove(work)
            work.run()

    def warps_complete(self, mask: Array | None = None) -> Array:
        """Of each thread at work: are all lanes of its warp here that ``mask`` (uint32 a thread,
        None for all) names and that have not exited?
        """
        if self.index is None:
            return np.ones(self.count, dtype=bool)
        here = np.zeros(self.count, dtype=bool)
        here[self.index] = True
        missing = self.alive & ~here
        if not missing.any():
            return np.ones(len(self.index), dtype=bool)
        bits = np.zeros(self.ctas * self.warps_a_cta, dtype=np.uint32)
        np.bitwise_or.at(
            bits, self.warp_of[missing], (np.uint32(1) << self.lane_of[missing].astype(np.uint32))
        )
        away = bits[self.warp_of[self.index]]
        complete: Array = (away if mask is None else away & mask) == 0
        return complete

    def converge(self, mask: Array | None = None) -> bool:
        """Keep those whose warp is complete; the others wait here. False: nobody is left."""
        if self.index is None:
            return True
        whole = self.warps_complete(mask)
        if whole.all():
            return True
        self.block("the other lanes of its warp", None, ~whole)
        return bool(whole.any())
