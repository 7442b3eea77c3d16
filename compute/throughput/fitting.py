"""Least squares over published measurements: which parameters explain them best.

Every parameter is moved in its logarithm, inside its bounds, and pulled to its prior; the loss is
the log error of each row, robust to outliers, a group of near copies counting as its square root.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from compute.throughput.cases import Case, predict
from compute.throughput.parameters import Parameter, Parameters

# ln units: the same configuration published twice differs by 14 % in the median. Times to first
# token differ up to threefold between versions of an engine, so they count for less.
NOISE = 0.15
NOISE_OF = {"ttft_ms": 0.20}
STEP = 1e-3  # of a logarithm, for derivatives
CLOSE_ENOUGH = 3e-4  # relative change of the loss that ends a fit


Floats = NDArray[np.float64]
Places = NDArray[np.int64]


class _Seen(dict[str, float]):
    """Values that remember which of them were read."""

    def __init__(self, values: Mapping[str, float]) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> float:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: float = 0.0) -> float:  # type: ignore[override]
        self.read.add(name)
        return super().get(name, default)


class Problem:
    """Cases and the free parameters; knows which case depends on which, so slopes are cheap."""

    def __init__(
        self, cases: Sequence[Case], definitions: Sequence[Parameter], start: Parameters
    ) -> None:
        self.cases = cases
        self.start = start
        self.free = [item for item in definitions if item.spread > 0]
        self.low = np.log([item.low for item in self.free])
        self.high = np.log([item.high for item in self.free])
        self.prior = np.log([item.prior for item in self.free])
        self.spread = np.array([item.spread for item in self.free])
        self.measured = np.log([case.row.value for case in cases])
        noise = np.array([NOISE_OF.get(case.row.metric, NOISE) for case in cases])
        self.weights = np.sqrt(row_weights(cases)) / noise
        self.places = self._dependents()

    def _dependents(self) -> list[Places]:
        """For each free parameter the places of the cases that read it."""
        seen = _Seen(self.start.values)
        parameters = Parameters(seen, {})
        read = []
        for case in self.cases:
            seen.read = set()
            predict(case, parameters)
            read.append(seen.read)
        return [
            np.array([place for place, names in enumerate(read) if item.name in names], dtype=int)
            for item in self.free
        ]

    def places_of_all(self) -> Places:
        """The places of every case."""
        return np.arange(len(self.cases))

    def point(self, values: Parameters) -> Floats:
        """Parameters as a point to start from, just inside their bounds."""
        wanted = np.log([values[item.name] for item in self.free])
        inside: Floats = np.clip(wanted, self.low + 1e-9, self.high - 1e-9)
        return inside

    def values(self, point: Floats) -> Parameters:
        """The parameters at a point."""
        found = {item.name: math.exp(at) for item, at in zip(self.free, point, strict=True)}
        return self.start.replaced(found)

    def errors(self, point: Floats, places: Places) -> Floats:
        """ln(predicted / measured) of the cases at ``places``."""
        values = self.values(point)
        predicted = [math.log(predict(self.cases[place], values)) for place in places]
        found: Floats = np.array(predicted) - self.measured[places]
        return found

    def slopes(self, point: Floats, errors: Floats, places: Places) -> Floats:
        """Change of each error with each parameter, by differences where there can be any."""
        found = np.zeros((len(self.cases), len(point)))
        whole = np.zeros(len(self.cases))
        whole[places] = errors
        for column, dependents in enumerate(self.places):
            own = np.intersect1d(dependents, places, assume_unique=True)
            if len(own):
                moved = point.copy()
                step = STEP if point[column] + STEP < self.high[column] else -STEP
                moved[column] += step
                found[own, column] = (self.errors(moved, own) - whole[own]) / step
        return found[places]

    def solve(self, first: Floats, places: Places, most: int) -> Floats:
        """The point that explains the cases at ``places`` best, in at most ``most`` iterations."""
        weights = self.weights[places]
        last: list[tuple[bytes, Floats]] = []

        def errors(point: Floats) -> Floats:
            key = point.tobytes()
            if not last or last[0][0] != key:
                last[:] = [(key, self.errors(point, places))]
            return last[0][1]

        def residuals(point: Floats) -> Floats:
            own = errors(point)
            robust = np.sign(own) * _soft(np.abs(own) * weights)
            return np.concatenate([robust, (point - self.prior) / self.spread])

        def jacobian(point: Floats) -> Floats:
            own = errors(point)
            scale = _soft_slope(np.abs(own) * weights) * weights
            slopes = self.slopes(point, own, places)
            return np.concatenate([slopes * scale[:, None], np.diag(1.0 / self.spread)])

        solution: Floats = least_squares(
            residuals,
            first,
            jac=jacobian,
            bounds=(self.low, self.high),
            max_nfev=most,
            ftol=CLOSE_ENOUGH,
            xtol=1e-4,
        ).x
        return solution


def fit(
    cases: Sequence[Case], definitions: Sequence[Parameter], start: Parameters, most: int
) -> Parameters:
    """The parameters that explain ``cases`` best, starting from ``start``."""
    problem = Problem(cases, definitions, start)
    found = problem.solve(problem.point(start), problem.places_of_all(), most)
    return problem.values(found)


def folds(
    problem: Problem, fitted: Parameters, groups: Sequence[str], most: int
) -> Iterator[tuple[Places, Parameters]]:
    """For each group the places of its cases and the parameters fitted without them.

    Each starts from ``fitted`` and runs to its own end, which is the same as from the priors, only
    sooner: MdAPE 11.27 against 11.23 % without TensorRT-LLM 1.0, 6.21 against 6.21 % without L40S.
    """
    names = np.array(groups)
    first = problem.point(fitted)
    for group in sorted(set(groups)):
        held = np.nonzero(names == group)[0]
        kept = np.nonzero(names != group)[0]
        found = problem.values(problem.solve(first, kept, most))
        sys.stdout.write(f"  left out {group}\n")
        sys.stdout.flush()
        yield held, found


def row_weights(cases: Sequence[Case]) -> Floats:
    """Rows of one source, model, GPU and metric are near copies: n of them count as sqrt(n)."""
    groups = [(case.row.source, case.row.model, case.row.gpu, case.row.metric) for case in cases]
    sizes = Counter(groups)
    return np.array([sizes[group] ** -0.5 for group in groups])


def log_errors(cases: Sequence[Case], p: Parameters) -> list[float]:
    """ln(predicted / measured) of every case."""
    return [math.log(predict(case, p) / case.row.value) for case in cases]


def _soft(size: Floats) -> Floats:
    """The square root of the soft-L1 loss: linear growth of the loss beyond about one sigma.

    From two sigma on, the rest without its source was 11.5 instead of 11.1 % off.
    """
    robust: Floats = np.sqrt(2.0 * (np.sqrt(1.0 + size**2) - 1.0))
    return robust


def _soft_slope(size: Floats) -> Floats:
    root = np.sqrt(1.0 + np.maximum(size, 1e-6) ** 2)
    slope: Floats = np.sqrt((1.0 + 1.0 / root) / (2.0 * root))
    return slope
