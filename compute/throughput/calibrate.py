"""``python -m compute.throughput.calibrate``: fit the parameters to the published measurements.

Every parameter is moved in its logarithm, inside its bounds, and pulled to its prior; the loss is
the log error of each row, robust to outliers, a group of near copies counting as its square root.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
from scipy.optimize import least_squares

from compute.throughput.cases import Case, build_cases, predict
from compute.throughput.parameters import (
    FILE,
    Parameter,
    Parameters,
    load_definitions,
    save_definitions,
)
from compute.throughput.report import (
    DOCS,
    group_table,
    parameter_table,
    score_table,
    write_docs,
)
from compute.throughput.scores import print_scores, score
from content.gpus import load_gpus
from content.measurements import load_measurements
from content.models import load_models

NOISE = 0.15  # ln units: the same configuration published twice differs by 14 % in the median
PULL = 1.0
EVALUATIONS = 12
FOLD_EVALUATIONS = 8  # from the priors, so that nothing of the held-out group leaks in
COVERED = 0.80


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, write parameters.toml, print the score table. 0 when it went well."""
    options = _options(arguments)
    cases = build_cases(load_measurements(), load_gpus(), load_models())
    definitions, _ = load_definitions(FILE)
    start = starting_point(definitions)
    fitted = fit(cases, definitions, start, EVALUATIONS)
    errors = {"nothing (in sample)": log_errors(cases, fitted)}
    if options.folds:
        errors |= {
            f"its own {name}": fold_errors(cases, definitions, start, name)
            for name in ("source", "gpu")
        }
        fitted = fitted.replaced(half_widths(cases, list(errors.values())[1:]))
    for title, own in errors.items():
        print_scores(f"fitted without {title}", cases, own, fitted, detailed=True)
    if not options.dry:
        _write(cases, definitions, fitted, errors)
    return 0


def starting_point(definitions: Sequence[Parameter]) -> Parameters:
    """What is fitted starts at its prior; the rest (interval widths) keeps its value."""
    return Parameters(
        {item.name: item.prior if item.spread > 0 else item.value for item in definitions}, {}
    )


def _write(
    cases: Sequence[Case],
    definitions: Sequence[Parameter],
    fitted: Parameters,
    errors: Mapping[str, Sequence[float]],
) -> None:
    """parameters.toml, and the tables of the page where something was held out."""
    save_definitions(definitions, fitted, _provenance(cases, errors), FILE)
    tables = {"parameters": parameter_table(definitions, fitted)}
    if len(errors) > 1:
        tables["scores"] = score_table(cases, errors, fitted)
        tables["groups"] = group_table(cases, errors)
    write_docs(tables)
    sys.stdout.write(f"wrote {FILE.name} and {DOCS.name}\n")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folds", action="store_true", help="also leave each source and GPU out")
    parser.add_argument("--dry", action="store_true", help="do not write parameters.toml")
    return parser.parse_args(arguments)


def fit(
    cases: Sequence[Case], definitions: Sequence[Parameter], start: Parameters, most: int
) -> Parameters:
    """The parameters that explain ``cases`` best, starting from ``start``."""
    free = [item for item in definitions if item.spread > 0]
    low = np.log([item.low for item in free])
    high = np.log([item.high for item in free])
    prior = np.log([item.prior for item in free])
    spread = np.array([item.spread for item in free]) / PULL
    weights = np.sqrt(row_weights(cases)) / NOISE

    def values(point: np.ndarray) -> Parameters:
        found = {item.name: math.exp(at) for item, at in zip(free, point, strict=True)}
        return start.replaced(found)

    def residuals(point: np.ndarray) -> np.ndarray:
        errors = np.array(log_errors(cases, values(point)))
        robust = np.sign(errors) * _soft(np.abs(errors) * weights)
        return np.concatenate([robust, (point - prior) / spread])

    first = np.clip(np.log([start[item.name] for item in free]), low + 1e-9, high - 1e-9)
    found = least_squares(
        residuals, first, bounds=(low, high), max_nfev=most, diff_step=1e-3, ftol=1e-4
    )
    return values(found.x)


def _soft(size: np.ndarray) -> np.ndarray:
    """The square root of the soft-L1 loss: linear growth of the loss beyond about two sigma."""
    scaled = size / 2.0
    return 2.0 * np.sqrt(2.0 * (np.sqrt(1.0 + scaled**2) - 1.0))


def row_weights(cases: Sequence[Case]) -> np.ndarray:
    """Rows of one source, model, GPU and metric are near copies: n of them count as sqrt(n)."""
    groups = [(case.row.source, case.row.model, case.row.gpu, case.row.metric) for case in cases]
    sizes = Counter(groups)
    return np.array([sizes[group] ** -0.5 for group in groups])


def log_errors(cases: Sequence[Case], p: Parameters) -> list[float]:
    """ln(predicted / measured) of every case."""
    return [math.log(predict(case, p) / case.row.value) for case in cases]


def fold_errors(
    cases: Sequence[Case], definitions: Sequence[Parameter], start: Parameters, field: str
) -> list[float]:
    """Errors of every case by parameters fitted without its whole group."""
    errors = [0.0] * len(cases)
    for group in sorted({str(getattr(case.row, field)) for case in cases}):
        kept = [case for case in cases if str(getattr(case.row, field)) != group]
        p = fit(kept, definitions, start, FOLD_EVALUATIONS)
        for place, case in enumerate(cases):
            if str(getattr(case.row, field)) == group:
                errors[place] = log_errors([case], p)[0]
        sys.stdout.write(f"  left out {group}\n")
        sys.stdout.flush()
    return errors


def half_widths(cases: Sequence[Case], held: Sequence[Sequence[float]]) -> dict[str, float]:
    """Half the 80 % interval by metric, from the errors of all ways of holding out."""
    found = {}
    for metric in sorted({case.row.metric for case in cases}):
        places = [place for place, case in enumerate(cases) if case.row.metric == metric]
        own = sorted(abs(errors[place]) for errors in held for place in places)
        found[f"interval.half_{metric}"] = own[int(COVERED * (len(own) - 1))]
    return found


def _provenance(
    cases: Sequence[Case], errors: Mapping[str, Sequence[float]]
) -> dict[str, str | int | float]:
    found: dict[str, str | int | float] = {
        "what": "fitted by python -m compute.throughput.calibrate",
        "data": "content/catalogue/measurements.csv",
        "rows": len(cases),
        "date": date.today().isoformat(),
    }
    for title, own in errors.items():
        name = "in_sample" if "sample" in title else "without_" + title.rpartition(" ")[2]
        found[f"mdape_{name}"] = round(score(own).mdape, 4)
    return found


if __name__ == "__main__":
    sys.exit(main())
