"""``python -m compute.throughput.calibrate``: fit the parameters to the published measurements.

Prints the score table: in sample, and for every row by parameters fitted without its source, its
GPU and its model's architecture; writes parameters.toml and the tables of the docs page.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import date

from compute.throughput.cases import Case, build_cases
from compute.throughput.fitting import Problem, folds, log_errors
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

EVALUATIONS = 20
FOLD_EVALUATIONS = 5
COVERED = 0.80
LEFT_OUT = ("source", "gpu", "architecture")


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, write parameters.toml, print the score table. 0 when it went well."""
    options = _options(arguments)
    cases = build_cases(load_measurements(), load_gpus(), load_models())
    definitions, _ = load_definitions(FILE)
    problem = Problem(cases, definitions, starting_point(definitions))
    fitted = fit_all(problem)
    errors = {"nothing (in sample)": log_errors(cases, fitted)}
    if not options.quick:
        errors |= {f"its own {name}": fold_errors(problem, fitted, name) for name in LEFT_OUT}
        fitted = fitted.replaced(half_widths(cases, list(errors.values())[1:]))
    for title, own in errors.items():
        print_scores(title, cases, own, fitted, detailed=True)
    if not options.dry:
        _write(cases, definitions, fitted, errors)
    return 0


def starting_point(definitions: Sequence[Parameter]) -> Parameters:
    """The priors; fixed values and interval widths as they stand in the file."""
    return Parameters({i.name: i.prior if i.spread else i.value for i in definitions}, {})


def fit_all(problem: Problem) -> Parameters:
    """The parameters fitted to every case, from the priors."""
    every = problem.places_of_all()
    return problem.values(problem.solve(problem.point(problem.start), every, EVALUATIONS))


def group_names(cases: Sequence[Case], field: str) -> list[str]:
    """What each case is left out with: a field of its row, or its model's architecture."""
    if field == "architecture":
        return [architecture(case) for case in cases]
    return [str(getattr(case.row, field)) for case in cases]


def architecture(case: Case) -> str:
    """Models of the same shape (a chat and a base model, say) are one architecture."""
    model = case.deployment.model
    experts = sum(ffn.experts for ffn in model.feed_forwards)
    return f"{model.model_class} {model.layers} x {model.hidden}, {experts} experts"


def fold_errors(problem: Problem, fitted: Parameters, field: str) -> list[float]:
    """Errors of every case by parameters fitted without its whole group."""
    errors = [0.0] * len(problem.cases)
    groups = group_names(problem.cases, field)
    for held, found in folds(problem, fitted, groups, FOLD_EVALUATIONS):
        own = log_errors([problem.cases[place] for place in held], found)
        for place, error in zip(held, own, strict=True):
            errors[place] = error
    return errors


def half_widths(cases: Sequence[Case], held: Sequence[Sequence[float]]) -> dict[str, float]:
    """Half the 80 % interval by metric, from the errors of all ways of holding out."""
    found = {}
    for metric in sorted({case.row.metric for case in cases}):
        places = [place for place, case in enumerate(cases) if case.row.metric == metric]
        own = sorted(abs(errors[place]) for errors in held for place in places)
        found[f"interval.half_{metric}"] = own[int(COVERED * (len(own) - 1))]
    return found


def _write(
    cases: Sequence[Case],
    definitions: Sequence[Parameter],
    fitted: Parameters,
    errors: Mapping[str, Sequence[float]],
) -> None:
    """parameters.toml and the tables of the docs page."""
    save_definitions(definitions, fitted, _provenance(cases, errors), FILE)
    tables = {"parameters": parameter_table(definitions, fitted)}
    if len(errors) > 1:
        tables["scores"] = score_table(cases, errors, fitted)
        tables["groups"] = group_table(cases, errors)
    write_docs(tables)
    sys.stdout.write(f"wrote {FILE.name} and {DOCS.name}\n")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="leave nothing out: in sample only")
    parser.add_argument("--dry", action="store_true", help="do not write parameters.toml")
    return parser.parse_args(arguments)


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
