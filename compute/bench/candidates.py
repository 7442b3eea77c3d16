"""What tuning would time: the configurations that an operator offers, compiled and read first.

None of this needs a GPU. What spills, does not fit or leaves a multiprocessor empty is left out
before any time is spent on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compute.bench.cells import sentence

if TYPE_CHECKING:
    from compute.kernels.build.static import Static
    from compute.kernels.operator import Dims, Operator, Regime
    from compute.kernels.plans.choosing import Choice, Config

LESS_OCCUPANCY = 0.5  # of the table's: a memory-bound kernel lives from loads under way


@dataclass(frozen=True)
class Candidate:
    """One configuration. ``facts`` is what it was compiled to, None where it was not; ``out`` says
    why it is not timed, "" where it is. The table's own is always timed.
    """

    config: Config
    usual: bool
    facts: Static | None
    out: str = ""


def candidates(
    choice: Choice,
    regime: Regime,
    dtype: str,
    arch: int,
    bucket: str,
    going_on: Callable[[], bool] = lambda: True,
) -> Iterator[Candidate]:
    """The table's configuration first, then the others as they are compiled (0.1 to 4 s each);
    ``going_on`` is asked before each.
    """
    first: Static | None = None
    for config in choice.offered(dtype, arch, bucket):
        usual = config == choice.usual(dtype, arch, bucket)
        if not going_on():
            yield Candidate(config, usual, None, "" if usual else "no time was left to compile it")
            continue
        facts, out = _facts(choice, dtype, arch, bucket, config)
        if usual:
            first = facts
            yield Candidate(config, usual, facts)
        else:
            yield Candidate(config, usual, facts, out or _pruned(facts, first, regime))


def _facts(
    choice: Choice, dtype: str, arch: int, bucket: str, config: Config
) -> tuple[Static | None, str]:
    from compute.kernels.build.static import LIMITS, inspect_cubin

    if arch not in LIMITS:
        return None, ""  # a card of another architecture: timed without being read
    try:
        return inspect_cubin(choice.cubin(dtype, arch, bucket, config), arch), ""
    except Exception as error:  # compilers have errors of many classes
        return None, sentence(f"not compiled: {type(error).__name__}: {error}")


def _pruned(facts: Static | None, usual: Static | None, regime: Regime) -> str:
    from compute.kernels.build.static import BLOCK_BYTES

    if facts is None:
        return ""
    most = BLOCK_BYTES[facts.arch]
    if facts.shared_bytes > most:
        return f"takes {facts.shared_bytes >> 10} KiB of shared memory, of {most >> 10}"
    if facts.spilled or facts.stack_bytes:
        return f"spills: {facts.spilled} loads and stores of local memory"
    if not facts.occupancy:
        return "does not fit a multiprocessor"
    low = usual is not None and facts.occupancy < LESS_OCCUPANCY * usual.occupancy
    if low and regime == "memory":
        return f"leaves {100 * facts.occupancy:.0f} % occupancy"
    return ""


def buckets(
    choice: Choice, shapes: Sequence[Dims], dtype: str, processors: int
) -> dict[str, list[Dims]]:
    """The shapes by the row of the table that they take."""
    found: dict[str, list[Dims]] = {}
    for dims in shapes:
        found.setdefault(choice.bucket(dims, dtype, processors), []).append(dims)
    return found


def choices(operator: Operator, only: Sequence[str] = ()) -> list[Choice]:
    """What may be tuned of an operator, or of its implementations named in ``only``."""
    return [
        one.choice
        for name, one in operator.implementations.items()
        if one.choice is not None and (not only or name in only)
    ]


def line_of(choice: Choice, one: Candidate) -> str:
    """A candidate for a terminal: its numbers, what it was compiled to, and its fate."""
    config = " ".join(f"{name}={value}" for name, value in choice.named(one.config).items())
    known = ""
    if one.facts is not None:
        known = (
            f"{one.facts.registers:4d} regs {one.facts.shared_bytes / 1024:6.1f} KiB"
            f" {one.facts.spilled:4d} spilled {100 * one.facts.occupancy:4.0f} % occupancy"
        )
    fate = one.out or ("the table's" if one.usual else "")
    return f"  {config:54} {known:48} {fate}".rstrip()
