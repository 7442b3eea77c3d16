"""Lanes: classes of capability. A job goes to one lane; a worker serves all that it satisfies."""

from __future__ import annotations

import re
from collections.abc import Iterable

from compute.jobs.job import Machine
from compute.tool import Needs

ANY = "any"
# Nominal device memory of cards that are sold (GiB). A card shows up to 8 % less than its name
# says (an "80GB" A100 shows 79.2 GiB, an H200 139.8 of 141, an RTX 4090 23.5 of 24).
MEMORY_GIB = (8, 12, 16, 24, 32, 40, 48, 64, 80, 96, 141, 180, 288)
SHOWN_SHARE = 0.92
# Compute capabilities that code is compiled for.
SMS = (70, 75, 80, 86, 89, 90, 100, 103, 120)
GPU_LANE = "gpu-"
LANE = re.compile(r"any|cuda\d{0,3}(-sm\d{2,3})?|sm\d{2,3}|gpu-[a-z0-9][a-z0-9-]{0,50}")


def lane_of(needs: Needs) -> str:
    """The one lane of a job: the smallest class that has all it needs.

    ``any``; ``cuda``; ``cuda80`` (at least that memory); ``sm90`` (at least that capability);
    ``cuda80-sm90``; ``gpu-h100-sxm`` (that very GPU). Raises ``LookupError`` when no class has it.
    """
    if needs.gpu:
        return gpu_lane(needs.gpu)
    memory = _class_of(needs.memory_gib, MEMORY_GIB)
    sm = _class_of(needs.sm, SMS)
    if memory and sm:
        return f"cuda{memory}-sm{sm}"
    if memory:
        return f"cuda{memory}"
    if sm:
        return f"sm{sm}"
    return "cuda" if needs.cuda else ANY


def lanes_of(machine: Machine) -> tuple[str, ...]:
    """Every lane that ``machine`` serves, the most demanding first."""
    if not machine.sm:
        return (ANY,)
    memories = [m for m in reversed(MEMORY_GIB) if machine.memory_gib >= m * SHOWN_SHARE]
    sms = [sm for sm in reversed(SMS) if machine.sm >= sm]
    own = [gpu_lane(machine.gpu_key)] if machine.gpu_key else []
    both = [f"cuda{memory}-sm{sm}" for sm in sms for memory in memories]
    return (*own, *both, *(f"sm{sm}" for sm in sms), *(f"cuda{m}" for m in memories), "cuda", ANY)


def allowed_lanes(lanes: Iterable[str], allowed: Iterable[str]) -> tuple[str, ...]:
    """Those of ``lanes`` that an operator's list leaves; an empty list allows all."""
    kept = frozenset(allowed)
    return tuple(lane for lane in lanes if not kept or lane in kept)


def is_lane(text: str) -> bool:
    """Whether ``text`` is the name of a lane."""
    return LANE.fullmatch(text) is not None


def gpu_lane(key: str) -> str:
    """The lane of one GPU of the catalogue."""
    return GPU_LANE + re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:51]


def _class_of(wanted: float, classes: tuple[int, ...]) -> int:
    """The smallest class that holds ``wanted``; 0 when nothing is wanted."""
    if wanted <= 0:
        return 0
    for size in classes:
        if wanted <= size:
            return size
    raise LookupError(f"no GPU on record has {wanted:g}")
