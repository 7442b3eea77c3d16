"""Read-modify-write of memory, one thread after the other in the order of their numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fakes.ptx.access import addresses, space_of
from tests.fakes.ptx.bind import Run, items_of, kind_of, reader, writer
from tests.fakes.ptx.floats import largest, smallest
from tests.fakes.ptx.halves import lanes, packed, rounded
from tests.fakes.ptx.program import BITS, Instruction
from tests.fakes.ptx.step import Array, Step
from tests.fakes.ptx.values import UNSIGNED, dtype_of

Change = Callable[[Array, Array, Array], Any]

PLAIN: dict[str, Callable[..., Any]] = {
    "add": np.add, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "min": np.minimum, "max": np.maximum,
}  # fmt: skip


def change_of(word: str, kind: str) -> Change:
    """The new value of the old one and the operands, all of ``kind`` (16-bit floats as bits)."""
    if word == "exch":
        return lambda old, b, c: b
    if word == "cas":
        return lambda old, b, c: np.where(old == b, c, old)
    if word == "inc":
        return lambda old, b, c: np.where(old >= b, old.dtype.type(0), old + old.dtype.type(1))
    if word == "dec":
        one = np.uint32(1)
        return lambda old, b, c: np.where((old == 0) | (old > b), b, old - one)
    if word not in PLAIN:
        raise NotImplementedError(f"the atomic {word} is not known")
    function = PLAIN[word]
    if "f" in kind and word in ("min", "max"):
        function = smallest if word == "min" else largest
    if kind in ("f32", "f64") or "f" not in kind:
        return lambda old, b, c: function(old, b)
    half = rounded(function, kind, relu=False)
    if kind.endswith("x2"):
        return lambda old, b, c: packed(half(lanes(old), lanes(b)))
    return lambda old, b, c: half(old, b)


def turns(places: Array) -> list[Array]:
    """Groups of threads with different addresses; each thread comes after those before it."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    fresh = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    rank = np.arange(len(places)) - np.repeat(fresh, np.diff(fresh, append=len(places)))
    return [order[rank == turn] for turn in range(int(rank.max()) + 1)]


def atomic(instruction: Instruction) -> Run:
    """atom, which gives the old value, and red."""
    parts, given = instruction.parts, list(instruction.operands)
    word = next(p for p in parts[1:] if p in PLAIN or p in ("exch", "cas", "inc", "dec"))
    kind = kind_of(instruction)
    raw = kind if kind in ("f32", "f64") or kind[0] in "us" else f"b{BITS[kind]}"
    writes = [writer(o, raw) for o in items_of(given.pop(0))] if parts[0] == "atom" else []
    at, space, change = addresses(given[0]), space_of(instruction), change_of(word, kind)
    values = [reader(o, raw) for o in items_of(given[1])]
    third = reader(given[2], raw) if len(given) > 2 and word == "cas" else None
    unit = BITS[kind] // 8

    def run(step: Step) -> None:
        races, step.memory.races = step.memory.races, None  # atomics do not race each other
        try:
            change_all(step)
        finally:
            step.memory.races = races

    def change_all(step: Step) -> None:
        places = np.broadcast_to(at(step), step.threads.shape)
        for n, value in enumerate(values):
            b = np.broadcast_to(value(step), places.shape)
            c = np.broadcast_to(third(step), places.shape) if third else b
            old = _each(step, space, places + np.uint64(n * unit), change, b, c, dtype_of(raw))
            if writes:
                writes[n](step, old)

    return run


def _each(
    step: Step, space: str, places: Array, change: Change, b: Array, c: Array, dtype: np.dtype[Any]
) -> Array:
    olds = np.empty(len(places), dtype=dtype)
    keys = places
    if space == "shared":  # the same address in two CTAs is not the same place
        keys = places + (step.cta.astype(np.uint64) << np.uint64(32))
    for turn in turns(keys):
        who = step.threads[turn]
        old = step.memory.gather(space, places[turn], dtype.itemsize, who).view(dtype)
        olds[turn] = old
        new = np.ascontiguousarray(change(old, b[turn], c[turn]), dtype=dtype)
        step.memory.scatter(space, places[turn], new.view(UNSIGNED[8 * dtype.itemsize]), who)
    return olds


BINDERS = {"atom": atomic, "red": atomic}
