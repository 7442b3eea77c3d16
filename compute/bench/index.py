"""The operators as a light list, read without torch: names, dimensions, dtypes, shapes, bytes.

``operators.json`` is written from the registry by ``python -m compute.bench.indexing``; a test
compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path

from content.names import Entry, entry, nearest, suggest

PATH = Path(__file__).with_name("operators.json")
Dims = Mapping[str, int]
# What people type for torch's names; tf32 is fp32 inputs on tensor cores, a dtype of its own here.
SHORT = {
    "float32": "fp32",
    "float16": "fp16",
    "bfloat16": "bf16",
    "float8_e4m3fn": "fp8",
    "tf32": "tf32",
}
SPELLINGS = {
    **{short: name for name, short in SHORT.items()},
    **{name: name for name in SHORT},
    "f32": "float32",
    "float": "float32",
    "f16": "float16",
    "half": "float16",
    "float8": "float8_e4m3fn",
    "e4m3": "float8_e4m3fn",
    "fp8_e4m3": "float8_e4m3fn",
}
PREFERRED = ("bfloat16", "float8_e4m3fn", "float16", "float32")


@dataclass(frozen=True)
class Listed:
    """One operator. ``terms``: dtype -> coefficients of the products of dimensions that its bytes
    at least are, ``(coefficient, names)``; ``suites`` and ``presets``: name -> shapes.
    """

    name: str
    title: str
    summary: str
    also: tuple[str, ...]
    regime: str
    dims: tuple[str, ...]
    dtypes: tuple[str, ...]
    implementations: Mapping[str, str]
    suites: Mapping[str, Sequence[Dims]]
    presets: Mapping[str, Sequence[Dims]]
    terms: Mapping[str, Sequence[tuple[float, tuple[str, ...]]]]

    @property
    def takes_tf32(self) -> bool:
        """Whether TF32 means something for it: a matrix product with fp32 inputs."""
        return self.regime == "compute" and "float32" in self.dtypes

    @property
    def offered(self) -> tuple[str, ...]:
        """Every dtype that may be asked for, as people type it."""
        kept = [SHORT.get(name, name) for name in self.dtypes]
        return (*kept, "tf32") if self.takes_tf32 else tuple(kept)

    @property
    def usual_dtype(self) -> str:
        """What is measured when nothing is said."""
        return next((name for name in PREFERRED if name in self.dtypes), self.dtypes[0])

    def bytes(self, dims: Dims, dtype: str) -> float:
        """About the least that must be moved (exact where bytes are products of dimensions)."""
        terms = self.terms["float32" if dtype == "tf32" else dtype]
        return sum(factor * prod(dims[name] for name in names) for factor, names in terms)

    def text(self, dims: Dims) -> str:
        """``4096x4096``: the dimensions in order."""
        return "x".join(str(dims[name]) for name in self.dims)


@cache
def listed() -> dict[str, Listed]:
    """Every operator by name."""
    records = json.loads(PATH.read_text(encoding="utf-8"))
    return {record["name"]: _listed(record) for record in records}


def _listed(record: dict[str, object]) -> Listed:
    made = {key: tuple(v) if isinstance(v, list) else v for key, v in record.items()}
    return Listed(**made)  # type: ignore[arg-type]


@cache
def _entries() -> tuple[Entry, ...]:
    return tuple(
        entry(f"{op.name} ({op.title})", op.name, [op.title, *op.also]) for op in listed().values()
    )


def nearest_ops(text: str) -> tuple[str, ...]:
    """Operators that are spelled alike, those of about that length first: what ``rms_nrom`` is
    like stands in two names, and only one of them was meant.
    """
    found = [item.value for item in nearest(text, _entries())]
    return tuple(sorted(found, key=lambda name: abs(len(name) - len(text.strip()))))


def suggest_ops(text: str) -> list[tuple[str, str]]:
    """(label, value) of operators that go with what is typed so far."""
    return suggest(text, _entries())


def suggest_dtypes(text: str) -> list[tuple[str, str]]:
    """All dtypes in short; which of them an operator has is checked when it is known."""
    return [(name, name) for name in SHORT.values() if text.strip().lower() in name]
