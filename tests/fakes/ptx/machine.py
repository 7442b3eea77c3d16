"""A GPU for PTX on this CPU: values, out-of-bounds accesses and deadlocks; no times."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tests.fakes.ptx import control, fences, tables
from tests.fakes.ptx.bind import Handler, Run, guarded
from tests.fakes.ptx.memory import LOCAL_BASE, SHARED_BASE, Memory
from tests.fakes.ptx.program import (
    Address,
    Instruction,
    Kernel,
    Module,
    Operand,
    Register,
    Symbol,
    Variable,
    Vector,
)
from tests.fakes.ptx.races import Races, ctas_watched
from tests.fakes.ptx.schedule import Scheduler
from tests.fakes.ptx.step import Step
from tests.fakes.ptx.wgmma import accumulators, wait_for

LANES = 32_768  # threads of a batch: enough that numpy's own overhead is small
ALONE = ("mbarrier", "wgmma", "cp.async.bulk", "clusterlaunchcontrol")  # one CTA at a time
SHARED_LIMIT = {80: 166_912, 86: 101_376, 89: 101_376, 90: 232_448, 100: 232_448}


class Machine:
    """Kernels of one module, and the memory they may touch.

    ``injected_waits``: as ptxas does, wait for a wgmma wherever its result is used; otherwise that
    is no number.
    """

    def __init__(
        self,
        module: Module,
        order: str = "together",
        eager_async: bool = False,
        injected_waits: bool = False,
        races: bool = True,
    ) -> None:
        self.module, self.order, self.eager_async = module, order, eager_async
        self.races = races
        self.injected_waits = injected_waits
        self.memory = Memory()
        self.globals: dict[str, int] = {}
        self._code: dict[str, list[Run]] = {}
        for variable in module.variables.values():
            if variable.space in ("global", "const"):
                self._place(variable)

    def _place(self, variable: Variable) -> None:
        kept = np.zeros(variable.size + 256, dtype=np.uint8)
        start = -(-kept.ctypes.data // 256) * 256
        at = start - kept.ctypes.data
        kept[at : at + len(variable.content)] = np.frombuffer(variable.content, dtype=np.uint8)
        self.globals[variable.name] = start
        self.memory.add(start, variable.size, kept, variable.name)

    def add_memory(self, owner: Any, name: str = "") -> None:
        """A tensor or a numpy array that kernels may touch: from its first to its last element."""
        start, size = extent_of(owner)
        self.memory.add(start, size, owner, name)

    def launch(
        self,
        name: str,
        grid: tuple[int, ...],
        threads: int | tuple[int, ...],
        arguments: Sequence[Any],
        shared_bytes: int = 0,
    ) -> None:
        """Run every CTA. Arguments: tensors and numpy arrays (their addresses, added as memory),
        ctypes scalars, or the bytes of a parameter.
        """
        kernel = self.module.kernels[name]
        x, y, z = (*grid, 1, 1)[:3]
        given = (threads,) if isinstance(threads, int) else threads
        a, b, c = (*given, 1, 1)[:3]
        block = (a, b, c)
        size = a * b * c
        symbols, shared, local = self._layout(kernel, shared_bytes)
        block_of_params = self._params(kernel, arguments)
        start = block_of_params.ctypes.data
        symbols |= {p.name: start + p.offset for p in kernel.params}
        alone = _alone(kernel)
        batch = 1 if alone else max(1, LANES // size)
        if self.races:
            batch = min(batch, ctas_watched(size, shared))
        code = self._bound(kernel)
        with np.errstate(all="ignore"):
            for first in range(0, x * y * z, batch):
                ctas = np.arange(first, min(first + batch, x * y * z))
                self.memory.begin(len(ctas), size, shared, local)
                step = Step(
                    (x, y, z), block, ctas, self.memory, symbols, kernel, self.eager_async
                )  # fmt: skip
                watched = self.races and size > 1 and shared
                self.memory.races = Races(step) if watched else None
                self.memory.watch = fences.watch(step) if alone else None
                Scheduler(step, code, kernel.body, self.order).run()
        self.memory.remove(start)

    # --- what a launch needs ---

    def _params(self, kernel: Kernel, arguments: Sequence[Any]) -> Any:
        """The parameters' bytes in host memory of their own."""
        if len(arguments) != len(kernel.params):
            raise ValueError(f"{len(arguments)} arguments for {len(kernel.params)} parameters")
        size = max((p.offset + p.size for p in kernel.params), default=0) + 128
        raw = np.zeros(size + 128, dtype=np.uint8)
        raw = raw[-raw.ctypes.data % 128 :][:size]
        for param, argument in zip(kernel.params, arguments, strict=True):
            if hasattr(argument, "data_ptr") or isinstance(argument, np.ndarray):
                self.add_memory(argument, param.name)
            given = bytes_of(argument)
            if len(given) != param.size:
                raise ValueError(f"{param.name} has {param.size} bytes, {len(given)} are given")
            raw[param.offset : param.offset + param.size] = np.frombuffer(given, dtype=np.uint8)
        self.memory.add(raw.ctypes.data, size, raw, "the parameters")
        return raw

    def _layout(self, kernel: Kernel, dynamic: int) -> tuple[dict[str, int], int, int]:
        """Addresses of the variables; bytes of shared memory a CTA and of local memory a thread."""
        symbols = dict(self.globals)
        ends = {"shared": SHARED_BASE, "local": LOCAL_BASE}
        used = {name for i in kernel.body for o in i.operands for name in _names(o)}
        known = [v for v in self.module.variables.values() if v.name in used]
        known += kernel.variables.values()
        extern = [v for v in known if v.space == "shared" and not v.size]
        for variable in [v for v in known if v.space in ends and v.size]:
            start = -(-ends[variable.space] // variable.align) * variable.align
            symbols[variable.name] = start
            ends[variable.space] = start + variable.size
        if extern or dynamic:
            align = max([16, *(v.align for v in extern)])
            start = -(-ends["shared"] // align) * align
            symbols |= {v.name: start for v in extern}
            ends["shared"] = start + dynamic
        shared = ends["shared"] - SHARED_BASE
        arch = int("".join(c for c in self.module.target if c.isdigit()) or 0)
        if shared > SHARED_LIMIT.get(arch, shared):
            raise ValueError(f"{shared} bytes of shared memory: {self.module.target} has fewer")
        return symbols, shared, ends["local"] - LOCAL_BASE

    def _bound(self, kernel: Kernel) -> list[Run]:
        if kernel.name not in self._code:
            code = [bound(i, kernel) for i in kernel.body]
            if self.injected_waits:
                used = accumulators(kernel)
                code = [_waiting(r, i, used) for r, i in zip(code, kernel.body, strict=True)]
            self._code[kernel.name] = code
        return self._code[kernel.name]


def bound(instruction: Instruction, kernel: Kernel) -> Run:
    """What runs it; what is not known is an error only when it is reached."""
    word = instruction.parts[0]
    if word in ("bra", "brx"):
        return control.jump(instruction, kernel)
    if word in ("exit", "ret"):
        return guarded(control.leave, instruction)
    try:
        return guarded(_runner(instruction), instruction)
    except NotImplementedError as error:
        return _unknown(str(error))


def _runner(instruction: Instruction) -> Run:
    for count in range(len(instruction.parts), 0, -1):
        name = ".".join(instruction.parts[:count])
        if name in tables.BINDERS:
            return tables.BINDERS[name](instruction)
        if name in tables.HANDLERS:
            return _handled(tables.HANDLERS[name], instruction)
    raise NotImplementedError("this instruction is not known")


def _handled(handler: Handler, instruction: Instruction) -> Run:
    def run(step: Step) -> None:
        step.instruction = instruction
        handler(step, instruction)

    return run


def _waiting(run: Run, instruction: Instruction, accumulators: frozenset[Register]) -> Run:
    """With a wait before it where it uses the result of a wgmma."""
    if instruction.parts[0] in ("wgmma", "mov"):
        return run
    used = frozenset(_registers(instruction.operands)) & accumulators
    if not used:
        return run

    def after(step: Step) -> Any:
        wait_for(step, used)
        return run(step)

    return after


def _registers(operands: Sequence[Operand]) -> Iterator[Register]:
    for operand in operands:
        if isinstance(operand, Register):
            yield operand
        elif isinstance(operand, Vector):
            yield from _registers(operand.items)


def _unknown(said: str) -> Run:
    def run(step: Step) -> None:
        raise NotImplementedError(said)

    return run


def _alone(kernel: Kernel) -> bool:
    return any(i.opcode.startswith(ALONE) for i in kernel.body)


def _names(operand: Operand) -> list[str]:
    if isinstance(operand, Address):
        return _names(operand.base)
    return [operand.name] if isinstance(operand, Symbol) else []


def extent_of(owner: Any) -> tuple[int, int]:
    """Address and bytes of a tensor or an array, holes between its elements included."""
    if isinstance(owner, np.ndarray):
        low, high = np.lib.array_utils.byte_bounds(owner)
        return low, (high - low if owner.size else 0)
    if not owner.numel():
        return owner.data_ptr(), 0
    last = sum((n - 1) * s for n, s in zip(owner.shape, owner.stride(), strict=True))
    return owner.data_ptr(), (last + 1) * owner.element_size()


def bytes_of(argument: Any) -> bytes:
    """As the parameter holds it."""
    if isinstance(argument, bytes | bytearray):
        return bytes(argument)
    if isinstance(argument, np.ndarray):
        return argument.ctypes.data.to_bytes(8, "little")
    if hasattr(argument, "data_ptr"):
        return int(argument.data_ptr()).to_bytes(8, "little")
    return bytes(ctypes.string_at(ctypes.addressof(argument), ctypes.sizeof(argument)))
