"""The tables in docs/how-the-estimate-works.md, written by the calibration so they never drift."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from compute.throughput.cases import Case
from compute.throughput.parameters import Parameter, Parameters
from compute.throughput.scores import coverage, score, spearman

DOCS = Path(__file__).parents[2] / "docs" / "how-the-estimate-works.md"
GROUPED = ("source", "engine", "model_class", "metric", "gpu")
FEWEST = 10


def score_table(
    cases: Sequence[Case], errors: Mapping[str, Sequence[float]], p: Parameters
) -> list[str]:
    """One line for each way of holding out: all rows."""
    lines = ["| fitted without | MdAPE | within 25 % | within 2x | Spearman | in the range |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    measured = [case.row.value for case in cases]
    for title, own in errors.items():
        predicted = [value * math.exp(error) for value, error in zip(measured, own, strict=True)]
        found = score(own)
        twice = sum(abs(error) <= math.log(2) for error in own) / len(own)
        lines.append(
            f"| {title} | {100 * found.mdape:.1f} % | {100 * found.within:.1f} %"
            f" | {100 * twice:.1f} % | {spearman(measured, predicted):.3f}"
            f" | {100 * coverage(cases, own, p):.0f} % |"
        )
    return lines


def group_table(cases: Sequence[Case], errors: Mapping[str, Sequence[float]]) -> list[str]:
    """MdAPE and share within 25 % of every group with enough rows, for each way of holding out."""
    lines = ["| group | rows | " + " | ".join(errors) + " |"]
    lines.append("| --- | --- | " + " | ".join("---" for _ in errors) + " |")
    for field in GROUPED:
        places: dict[str, list[int]] = defaultdict(list)
        for place, case in enumerate(cases):
            places[str(getattr(case.row, field))].append(place)
        for name, own in sorted(places.items(), key=lambda group: -len(group[1])):
            if len(own) >= FEWEST:
                cells = [_cell([each[place] for place in own]) for each in errors.values()]
                lines.append(f"| {field}: {name} | {len(own)} | " + " | ".join(cells) + " |")
    return lines


def _cell(errors: Sequence[float]) -> str:
    found = score(errors)
    return f"{100 * found.mdape:.0f} % ({100 * found.within:.0f} %)"


def parameter_table(definitions: Sequence[Parameter], p: Parameters) -> list[str]:
    """Every parameter: value, bounds, meaning."""
    lines = ["| parameter | value | bounds | unit | meaning |", "| --- | --- | --- | --- | --- |"]
    for item in definitions:
        lines.append(
            f"| `{item.name}` | {p[item.name]:.3g} | {item.low:g} to {item.high:g} | {item.unit}"
            f" | {item.meaning} |"
        )
    return lines


def replace_between(text: str, mark: str, lines: Sequence[str]) -> str:
    """``text`` with what stands between ``<!-- mark -->`` and ``<!-- end mark -->`` replaced."""
    start, end = f"<!-- {mark} -->", f"<!-- end {mark} -->"
    before, found, rest = text.partition(start)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"no {start} ... {end} in the text")
    return before + start + "\n" + "\n".join(lines) + "\n" + end + after


def write_docs(tables: Mapping[str, Sequence[str]], path: Path = DOCS) -> None:
    """Put each table into the page at its mark."""
    text = path.read_text(encoding="utf-8")
    for mark, lines in tables.items():
        text = replace_between(text, mark, lines)
    path.write_text(text, encoding="utf-8")
