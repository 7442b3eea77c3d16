"""The score table: how far predictions are from measurements, overall and by group."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from compute.throughput.cases import Case
from compute.throughput.parameters import Parameters

FIELDS = ("source", "engine", "gpu", "model_class", "metric", "weight_dtype", "quality")


@dataclass(frozen=True)
class Score:
    """``mdape``: median absolute percentage error; ``within``: share within 25 %."""

    rows: int
    mdape: float
    within: float
    bias: float


def score(errors: Sequence[float]) -> Score:
    """The score of log errors."""
    sizes = sorted(abs(math.expm1(error)) for error in errors)
    ordered = sorted(errors)
    return Score(
        rows=len(sizes),
        mdape=sizes[len(sizes) // 2],
        within=sum(size <= 0.25 for size in sizes) / len(sizes),
        bias=math.exp(ordered[len(ordered) // 2]),
    )


def spearman(measured: Sequence[float], predicted: Sequence[float]) -> float:
    """Rank correlation."""
    first, second = _ranks(measured), _ranks(predicted)
    mean = (len(first) - 1) / 2
    above = sum((a - mean) * (b - mean) for a, b in zip(first, second, strict=True))
    below = math.sqrt(sum((a - mean) ** 2 for a in first) * sum((b - mean) ** 2 for b in second))
    return above / below if below else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=lambda place: values[place])
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            ranks[place] = (start + end) / 2
        start = end + 1
    return ranks


def coverage(cases: Sequence[Case], errors: Sequence[float], p: Parameters) -> float:
    """Share of measurements inside their metric's interval (before widening)."""
    held = [
        abs(error) <= p[f"interval.half_{case.row.metric}"]
        for case, error in zip(cases, errors, strict=True)
    ]
    return sum(held) / len(held)


def print_scores(
    title: str,
    cases: Sequence[Case],
    errors: Sequence[float],
    p: Parameters,
    detailed: bool = False,
) -> None:
    """The table on standard output."""
    measured = [case.row.value for case in cases]
    predicted = [value * math.exp(error) for value, error in zip(measured, errors, strict=True)]
    _line(title, score(errors))
    sys.stdout.write(f"  Spearman {spearman(measured, predicted):.3f}\n")
    sys.stdout.write(f"  inside the 80 % interval {100 * coverage(cases, errors, p):.1f} %\n")
    for field in FIELDS if detailed else ():
        groups: dict[str, list[float]] = defaultdict(list)
        for case, error in zip(cases, errors, strict=True):
            groups[str(getattr(case.row, field))].append(error)
        for name, own in sorted(groups.items(), key=lambda group: -len(group[1])):
            _line(f"  {field}: {name}", score(own))
    sys.stdout.flush()


def _line(title: str, found: Score) -> None:
    sys.stdout.write(
        f"{title:58.58s} n {found.rows:5d}  MdAPE {100 * found.mdape:6.1f} %"
        f"  within 25 % {100 * found.within:5.1f} %  bias {found.bias:5.2f}\n"
    )
