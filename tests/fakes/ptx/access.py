"""Loads, stores, moves between registers, and addresses of one space as another's."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.fakes.ptx.bind import Read, Run, items_of, kind_of, pure, reader, writer
from tests.fakes.ptx.memory import LOCAL_WINDOW, SHARED_WINDOW, WINDOW
from tests.fakes.ptx.program import BITS, Address, Instruction, Operand, Register, Vector
from tests.fakes.ptx.step import Array, Step
from tests.fakes.ptx.values import UNSIGNED, dtype_of

SPACES = ("global", "shared", "local", "param", "const")
WINDOWS = {"shared": SHARED_WINDOW, "local": LOCAL_WINDOW}


def space_of(instruction: Instruction) -> str:
    """The space among the words of an opcode, or generic."""
    words = [part.split("::")[0] for part in instruction.parts[1:]]
    return next((word for word in words if word in SPACES), "generic")


def addresses(operand: Operand) -> Read:
    """uint64 a thread of ``[base + offset]``."""
    if not isinstance(operand, Address):
        raise NotImplementedError(f"{operand} is no address")
    base, offset = operand.base, operand.offset
    if not isinstance(base, Register):
        return lambda step: step.address(operand)
    read = reader(base, f"u{base.bits}")
    more = UNSIGNED[base.bits].type(offset % 2**base.bits)
    if base.bits == 64:
        return (lambda step: read(step) + more) if offset else read
    return lambda step: (read(step) + more).astype(np.uint64)


def _width(instruction: Instruction) -> int:
    return next((int(p[1:]) for p in instruction.parts if p in ("v2", "v4", "v8")), 1)


def load(instruction: Instruction) -> Run:
    """ld and ldu in all their forms."""
    space, kind, count = space_of(instruction), kind_of(instruction), _width(instruction)
    read = addresses(instruction.operands[1])
    unit = BITS[kind] // 8
    writes = [writer(item, _raw(kind)) for item in items_of(instruction.operands[0])]
    dtype = dtype_of(_raw(kind))

    if count == 1:
        (write,) = writes

        def one(step: Step) -> None:
            got = step.memory.gather(space, read(step), unit, step.threads)
            write(step, got.view(dtype))

        return one

    def many(step: Step) -> None:
        got = step.memory.gather(space, read(step), unit * count, step.threads)
        columns = got.view(dtype).reshape(-1, count).T.copy()
        for write, column in zip(writes, columns, strict=True):
            write(step, column)

    return many


def _raw(kind: str) -> str:
    """The type whose bits are moved as they are; signed types stay, they are extended."""
    return kind if kind[0] == "s" else f"b{BITS[kind]}"


def store(instruction: Instruction) -> Run:
    """st in all its forms."""
    space, kind, count = space_of(instruction), kind_of(instruction), _width(instruction)
    read = addresses(instruction.operands[0])
    unit = BITS[kind] // 8
    reads = [reader(item, f"b{BITS[kind]}") for item in items_of(instruction.operands[1])]
    dtype, whole = UNSIGNED[8 * unit], UNSIGNED[8 * unit * count]
    if len(reads) != count:
        raise NotImplementedError(f"{len(reads)} values for {count} places")

    def run(step: Step) -> None:
        at = read(step)
        values = np.empty((len(at), count), dtype=dtype)
        for column, value in enumerate(reads):
            values[:, column] = value(step)
        step.memory.scatter(space, at, values.view(whole).reshape(-1), step.threads)

    return run


# --- moves ---


def move(instruction: Instruction) -> Run:
    """mov, also from or to the parts of a register."""
    to, source = instruction.operands
    kind = kind_of(instruction)
    if kind == "pred":
        return pure(np.copy, instruction, "pred", "pred")
    raw = f"b{BITS[kind]}"
    if isinstance(to, Vector):
        return _split(to, source, raw)
    if isinstance(source, Vector):
        return _joined(to, source, raw)
    return pure(np.array, instruction, raw, raw)


def _split(to: Vector, source: Operand, raw: str) -> Run:
    part = BITS[raw] // len(to.items)
    read = reader(source, raw)
    writes = [writer(item, f"b{part}") for item in to.items]

    def run(step: Step) -> None:
        value = np.broadcast_to(read(step), step.threads.shape)
        columns = np.ascontiguousarray(value).view(UNSIGNED[part]).reshape(-1, len(writes)).T.copy()
        for write, column in zip(writes, columns, strict=True):
            write(step, column)

    return run


def _joined(to: Operand, source: Vector, raw: str) -> Run:
    part = BITS[raw] // len(source.items)
    reads = [reader(item, f"b{part}") for item in source.items]
    write = writer(to, raw)

    def run(step: Step) -> None:
        values = np.empty((len(step.threads), len(reads)), dtype=UNSIGNED[part])
        for column, read in enumerate(reads):
            values[:, column] = read(step)
        write(step, values.view(UNSIGNED[BITS[raw]]).reshape(-1))

    return run


# --- addresses ---


def convert_address(instruction: Instruction) -> Run:
    """cvta: generic addresses of shared and local memory stand in windows of their own."""
    window = WINDOWS.get(space_of(instruction))
    raw = kind_of(instruction)
    if window is None:
        return pure(np.array, instruction, raw, raw)
    if "to" in instruction.parts:
        return pure(lambda a: a & np.uint64(2**WINDOW - 1), instruction, raw, raw)
    return pure(lambda a: a | np.uint64(window), instruction, raw, raw)


def is_in_space(instruction: Instruction) -> Run:
    """isspacep."""
    window = WINDOWS.get(space_of(instruction), 0) >> WINDOW

    def inside(at: Array) -> Any:
        return at >> np.uint64(WINDOW) == window

    return pure(inside, instruction, "pred", "u64")


def same_cta(instruction: Instruction) -> Run:
    """mapa: a cluster is one CTA here, so an address of rank 0 is the address itself."""

    def run(at: Array, rank: Array) -> Array:
        if np.any(rank != 0):
            raise NotImplementedError("clusters of several CTAs are not run")
        return np.array(at)

    kind = kind_of(instruction)
    return pure(run, instruction, kind, kind, "u32")


BINDERS = {
    "ld": load,
    "ldu": load,
    "st": store,
    "mov": move,
    "cvta": convert_address,
    "isspacep": is_in_space,
    "mapa": same_cta,
}
