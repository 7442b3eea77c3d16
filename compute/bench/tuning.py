"""Tuning: every candidate right, timed in turn with the table's own; a winner beyond doubt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import TYPE_CHECKING, Any

from compute.bench.ceilings import copy_subject
from compute.bench.cells import Cell, Contender, run_cell
from compute.bench.device import Device, Lost
from compute.bench.stats import Spread, spread, standing, unstable
from compute.bench.timing import Subject
from compute.kernels.plans.choosing import Choice, Config, trying

if TYPE_CHECKING:
    from compute.kernels.operator import Dims, Implementation, Operator

Say = Callable[[str], Awaitable[None]]
COMPILE_S = 20.0  # at most expected of each candidate: who tunes waits for all of them


@dataclass(frozen=True)
class Tuning:
    """What is tuned, on what, and how long. ``budget_s`` is for checking and timing one shape;
    compiling its candidates comes on top.
    """

    operator: Operator
    dtype: str
    device: Device
    budget_s: float
    say: Say
    seed: int = 0
    copy: Callable[[float, str], Subject] = copy_subject


@dataclass(frozen=True)
class Tried:
    """A candidate on one shape. ``times`` is None where ``why`` says that it has none."""

    config: Config
    times: Spread | None
    unstable: bool = False
    why: str = ""


@dataclass(frozen=True)
class Verdict:
    """What became of one bucket. ``best`` is None where the table's own stays; ``speedup`` is the
    best's over all shapes; ``shape`` the one that it won most clearly.
    """

    bucket: str
    best: Config | None
    speedup: float
    shape: str
    won: Spread | None
    usual: Spread | None
    why: str


async def try_all(
    tuning: Tuning, choice: Choice, configs: Sequence[Config], dims: Dims
) -> list[Tried]:
    """Every configuration on one shape: checked against float64, timed A B A B with a cold cache,
    checked again on changed inputs. Raises ``Lost`` where one took the device down.
    """
    one = tuning.operator.implementations[choice.implementation]
    made = [_as_implementation(one, choice, config) for config in configs]
    cell = Cell(
        operator=tuning.operator,
        dims=dims,
        dtype=tuning.dtype,
        shape="x".join(str(dims[name]) for name in tuning.operator.dims),
        cache="cold",
        method="event",
        seed=tuning.seed,
        budget_s=tuning.budget_s,
        compile_s=max(tuning.budget_s, COMPILE_S * len(configs)),
        device=tuning.device,
        say=tuning.say,
    )
    timed = await run_cell(cell, made, {}, tuning.copy)
    if timed.lost:
        at = [c.row.implementation for c in timed.contenders if c.row.state == "wrong"]
        raise Lost(f"{', '.join(at) or cell.shape}: {timed.lost}")
    return [_tried(config, c) for config, c in zip(configs, timed.contenders, strict=True)]


def _as_implementation(one: Implementation, choice: Choice, config: Config) -> Implementation:
    """The same implementation, whose launches take ``config``."""

    def run(**inputs: Any) -> Any:
        with trying(choice, config):
            return one.run(**inputs)

    name = " ".join(f"{k}={v}" for k, v in choice.named(config).items())
    return replace(one, name=name, run=run)


def _tried(config: Config, contender: Contender) -> Tried:
    subject = contender.subject
    if subject is None or not subject.times:
        return Tried(config, None, why=contender.row.why or "was not timed")
    return Tried(config, spread(subject.times), unstable(subject.blocks))


def decide(bucket: str, usual: Config, shapes: Mapping[str, Sequence[Tried]]) -> Verdict:
    """The configuration that is faster beyond doubt (quartiles apart, more than 3 %) on a shape of
    the bucket, slower on none, steady on all; of several the one with the largest mean speed-up.
    """
    kept = {name: {t.config: t for t in tried} for name, tried in shapes.items()}
    bases = {name: tried[usual].times for name, tried in kept.items() if usual in tried}
    if not bases or any(base is None for base in bases.values()):
        return _stays(bucket, "the table's own has no time to compare with")
    if any(tried[usual].unstable for tried in kept.values()):
        return _stays(bucket, "the table's own was unstable: the machine is not quiet enough")
    known = {name: base for name, base in bases.items() if base is not None}
    found = [v for c in _others(kept, usual) if (v := _against(bucket, c, kept, known)) is not None]
    if not found:
        return _stays(bucket, "nothing is faster beyond doubt: the table's own stays")
    return max(found, key=lambda verdict: verdict.speedup)


def _others(kept: Mapping[str, Mapping[Config, Tried]], usual: Config) -> list[Config]:
    return [c for c in dict.fromkeys(c for tried in kept.values() for c in tried) if c != usual]


def _against(
    bucket: str,
    config: Config,
    kept: Mapping[str, Mapping[Config, Tried]],
    usual: Mapping[str, Spread],
) -> Verdict | None:
    """None unless it may replace the table's."""
    ratios: dict[str, float] = {}
    faster: list[str] = []
    for name, base in usual.items():
        tried = kept[name].get(config)
        if tried is None or tried.times is None or tried.unstable:
            return None
        stands = standing(tried.times, base)
        if stands == "slower":
            return None
        faster += [name] if stands == "faster" else []
        ratios[name] = base.median / tried.times.median
    if not faster:
        return None
    clearest = max(faster, key=ratios.__getitem__)
    mean = exp(sum(map(log, ratios.values())) / len(ratios))
    won = kept[clearest][config].times
    return Verdict(bucket, config, mean, clearest, won, usual[clearest], "")


def _stays(bucket: str, why: str) -> Verdict:
    return Verdict(bucket, None, 1.0, "", None, None, why)
