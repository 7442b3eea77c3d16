"""Writes operators.json from the registry: ``python -m compute.bench.indexing``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from compute.bench.index import PATH

if TYPE_CHECKING:
    from compute.kernels.operator import Operator

# Dimensions that do not multiply the rest: a group's size divides, a mask is on or off.
SETTLED = frozenset({"causal", "G"})


def text() -> str:
    """The file's content. Loads torch and triton."""
    from compute.kernels.registry import operators

    records = [record(operator) for operator in operators().values()]
    return "[\n" + ",\n".join(json.dumps(r) for r in records) + "\n]\n"


def record(operator: Operator) -> dict[str, Any]:
    """One operator, as ``Listed`` has it."""
    return {
        "name": operator.name,
        "title": operator.title,
        "summary": operator.summary,
        "also": list(operator.also),
        "regime": operator.regime,
        "dims": list(operator.dims),
        "dtypes": list(operator.dtypes),
        "implementations": {n: i.backend for n, i in operator.implementations.items()},
        "suites": {n: [dict(d) for d in dims] for n, dims in operator.suites.items()},
        "presets": {n: [dict(d) for d in dims] for n, dims in operator.presets.items()},
        "terms": {dtype: terms(operator, dtype) for dtype in operator.dtypes},
    }


def terms(operator: Operator, dtype: str) -> list[tuple[float, tuple[str, ...]]]:
    """Bytes as a sum of products of dimensions, by differences: exact, as every formula is linear
    in each dimension, except in ``SETTLED`` ones, which keep the value of the largest shape.
    """
    base = max(
        (dims for suite in operator.suites.values() for dims in suite),
        key=lambda dims: operator.bytes(dims, dtype),
    )
    free = [name for name in operator.dims if name not in SETTLED]
    values = {
        chosen: operator.bytes({**base, **{n: base[n] * (n in chosen) for n in free}}, dtype)
        for chosen in _subsets(free)
    }
    found = []
    for chosen in _subsets(free):
        part = sum((-1) ** (len(chosen) - len(s)) * values[s] for s in _subsets(chosen))
        if part:
            scale = 1
            for name in chosen:
                scale *= base[name]
            found.append((part / scale, chosen))
    return found


def _subsets(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for count in range(len(names) + 1):
        yield from combinations(names, count)


def main() -> int:
    """Write the file, and say what stands in it."""
    content = text()
    PATH.write_text(content, encoding="utf-8")
    sys.stdout.write(f"{PATH.name}: {len(json.loads(content))} operators\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
