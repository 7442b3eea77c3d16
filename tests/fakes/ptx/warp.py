"""What the lanes of a warp do together."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.fakes.ptx.bind import Run, items_of, kind_of, reader, writer
from tests.fakes.ptx.program import Instruction, Operand, Pair, Sink
from tests.fakes.ptx.step import Array, Step
from tests.fakes.ptx.values import dtype_of

ALL = np.array(2**32 - 1, dtype=np.uint32)


def _results(operand: Operand) -> tuple[Operand, Operand]:
    """``d|p``, or ``d`` alone."""
    if isinstance(operand, Pair):
        return operand.first, operand.second
    return operand, Sink()


def source_lanes(mode: str, lane: Array, b: Array, c: Array) -> tuple[Array, Array]:
    """shfl: the lane each one reads, and whether that was in range (else it reads itself)."""
    segment, clamp = (c >> 8) & 31, c & 31
    last = (lane & segment) | (clamp & ~segment)
    b = b & 31
    if mode == "up":
        wanted = lane - b
        inside = wanted >= last
    else:
        wanted = {"down": lane + b, "bfly": lane ^ b}.get(mode)
        if wanted is None:
            wanted = (lane & segment) | (b & ~segment)
        inside = wanted <= last
    return np.where(inside, wanted, lane), inside


def shuffle(instruction: Instruction) -> Run:
    """shfl.sync. Reading a lane that is not there gives poison."""
    mode = instruction.parts[2]
    to, to_inside = _results(instruction.operands[0])
    write, write_inside = writer(to, "b32"), writer(to_inside, "pred")
    _, a, b, c, mask = instruction.operands
    value, amount, bounds = reader(a, "b32"), reader(b, "s32"), reader(c, "s32")
    members = reader(mask, "b32")

    def run(step: Step) -> None:
        if not step.converge(members(step) if step.index is not None else None):
            return
        here = step.threads
        lane = step.lane_of[here]
        wanted, inside = source_lanes(mode, lane, amount(step), bounds(step))
        source = here - lane + wanted
        if step.index is None and step.cta_threads % 32 == 0:
            held = value(step)
        else:
            held = np.full(step.count + 32, 0x7FFFABAB, dtype=np.uint32)
            held[here] = value(step)
        write(step, np.broadcast_to(held, (1,))[source] if np.ndim(held) == 0 else held[source])
        write_inside(step, inside)

    return run


def _ballots(step: Step, holds: Array, mask: Array) -> Array:
    """uint32 a thread: the lanes of its warp, named by the mask, where it holds."""
    words = np.zeros(step.ctas * step.warps_a_cta, dtype=np.uint32)
    warp, lane = step.warp, step.lane.astype(np.uint32)
    np.bitwise_or.at(words, warp[holds], np.uint32(1) << lane[holds])
    return words[warp] & mask


def _everywhere(step: Step, value: Any) -> Array:
    return np.array(np.broadcast_to(value, step.threads.shape))


def vote(instruction: Instruction) -> Run:
    """vote.sync: ballot, any, all, uni."""
    mode = instruction.parts[2]
    to, source, mask = instruction.operands
    write = writer(to, "b32" if mode == "ballot" else "pred")
    members = reader(mask, "b32")

    def run(step: Step) -> None:
        if not step.converge(members(step) if step.index is not None else None):
            return
        named = _everywhere(step, members(step))
        got = _ballots(step, step.read(source, "pred"), named)
        present = _ballots(step, np.ones(len(got), dtype=bool), named)
        match mode:
            case "ballot":
                write(step, got)
            case "any":
                write(step, got != 0)
            case "all":
                write(step, got == present)
            case _:
                write(step, (got == present) | (got == 0))

    return run


def match(instruction: Instruction) -> Run:
    """match.sync: the lanes with the same value (any), or whether all have it (all)."""
    mode, kind = instruction.parts[1], kind_of(instruction)
    to, to_same = _results(instruction.operands[0])
    write, write_same = writer(to, "b32"), writer(to_same, "pred")
    value, members = reader(instruction.operands[1], kind), reader(instruction.operands[2], "b32")

    def run(step: Step) -> None:
        if not step.converge(members(step) if step.index is not None else None):
            return
        named, warp = _everywhere(step, members(step)), step.warp
        _, group = np.unique(
            np.stack([warp.astype(np.uint64), _everywhere(step, value(step)).astype(np.uint64)]),
            axis=1, return_inverse=True,
        )  # fmt: skip
        words = np.zeros(int(group.max()) + 1, dtype=np.uint32)
        np.bitwise_or.at(words, group, np.uint32(1) << step.lane.astype(np.uint32))
        same = words[group] & named
        if mode == "any":
            write(step, same)
            return
        present = _ballots(step, np.ones(len(warp), dtype=bool), named)
        write(step, np.where(same == present, present, np.uint32(0)))
        write_same(step, same == present)

    return run


REDUCTIONS = {
    "add": np.add, "min": np.minimum, "max": np.maximum,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
}  # fmt: skip


def reduce_warp(instruction: Instruction) -> Run:
    """redux.sync. Each warp's lanes are taken to name one mask."""
    function, kind = REDUCTIONS[instruction.parts[2]], kind_of(instruction)
    if kind == "f32":
        raise NotImplementedError("redux of floats is not known")
    to, source, mask = instruction.operands
    write, value, members = writer(to, kind), reader(source, kind), reader(mask, "b32")

    def run(step: Step) -> None:
        if not step.converge(members(step) if step.index is not None else None):
            return
        warp = step.warp
        starts = np.flatnonzero(np.diff(warp, prepend=-1))
        totals = function.reduceat(_everywhere(step, value(step)), starts).astype(dtype_of(kind))
        lengths = np.diff(starts, append=len(warp))
        write(step, np.repeat(totals, lengths))

    return run


def elect(instruction: Instruction) -> Run:
    """elect.sync: the lowest lane of the mask."""
    to, to_chosen = _results(instruction.operands[0])
    write, write_chosen = writer(to, "b32"), writer(to_chosen, "pred")
    members = reader(instruction.operands[1], "b32")

    def run(step: Step) -> None:
        if not step.converge(members(step) if step.index is not None else None):
            return
        named = _everywhere(step, members(step))
        present = _ballots(step, np.ones(len(named), dtype=bool), named)
        lowest = present & (~present + np.uint32(1))
        lane = np.bitwise_count(lowest - np.uint32(1)).astype(np.uint32)
        write(step, lane)
        write_chosen(step, lane == step.lane)

    return run


def active(instruction: Instruction) -> Run:
    """activemask: the lanes that run this together."""
    write = writer(instruction.operands[0], "b32")

    def run(step: Step) -> None:
        write(step, _ballots(step, np.ones(len(step.threads), dtype=bool), ALL))

    return run


def sync_warp(instruction: Instruction) -> Run:
    """bar.warp.sync."""
    members = reader(items_of(instruction.operands[0])[0], "b32")

    def run(step: Step) -> None:
        if step.converge(members(step)) and step.memory.races is not None:
            step.memory.races.tick(step.threads)

    return run


BINDERS = {
    "shfl.sync": shuffle,
    "vote.sync": vote,
    "match": match,
    "redux.sync": reduce_warp,
    "elect.sync": elect,
    "activemask": active,
    "bar.warp.sync": sync_warp,
}
