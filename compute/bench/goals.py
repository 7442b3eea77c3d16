"""The speeds to reach on one H100, each with its figure or "unmeasured".

Every goal is relative to what the same process measured: a copy of the same size, the library's
product, the best backend of SDPA. What only a GPU can say is unmeasured without one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from compute.bench.index import Dims, Listed, listed
from compute.bench.report import Report
from compute.bench.result import Row

LARGE_BYTES = 512 * 2**20
TOKENS = 262_144  # of a paged cache
WIDE = 131_072  # columns: a vocabulary of 128 k
BACKENDS = ("triton", "cuda")
# Memory-bound operators that the 90 % are asked of; copy itself is the measure.
BOUND = ("vector_add", "rms_norm", "fused_add_rms_norm", "layer_norm", "silu_and_mul",
         "gelu_tanh_and_mul", "rope", "softmax", "quantize_int8", "cross_entropy")  # fmt: skip
Figure = Callable[["Goal", Report], float | None]


@dataclass(frozen=True)
class Goal:
    """``least`` in percent (or ``most`` of a count). ``value`` is None while unmeasured."""

    name: str
    op: str
    dtype: str
    shape: str
    implementation: str
    figure: Figure
    least: float = 0.0
    most: float | None = None
    unit: str = "%"
    value: float | None = None

    @property
    def static(self) -> bool:
        """Whether compiled code answers it, on any machine."""
        return self.figure is _spills

    @property
    def met(self) -> bool | None:
        """None while unmeasured."""
        if self.value is None:
            return None
        return self.value <= self.most if self.most is not None else self.value >= self.least

    def line(self) -> str:
        """For a terminal."""
        bound = f"<= {self.most:g}" if self.most is not None else f">= {self.least:g}"
        wanted = f"{bound} {self.unit}".strip()
        if self.value is None:
            return f"unmeasured  {self.name} ({wanted})"
        return f"{'met' if self.met else 'MISSED':10}  {self.name}: {self.value:.1f} ({wanted})"

    def record(self) -> dict[str, Any]:
        """For JSON; the figure is a number or "unmeasured"."""
        return {
            "goal": self.name,
            "op": self.op,
            "dtype": self.dtype,
            "shape": self.shape,
            "implementation": self.implementation,
            "least": None if self.most is not None else self.least,
            "most": self.most,
            "unit": self.unit,
            "figure": "unmeasured" if self.value is None else round(self.value, 2),
            "met": self.met,
        }


def judged(wanted: Sequence[Goal], report: Report) -> list[Goal]:
    """The goals with the figures that the report gives."""
    return [replace(goal, value=goal.figure(goal, report)) for goal in wanted]


def goals() -> list[Goal]:
    """Every goal for the operators that are there."""
    known = listed()
    found = _products(known)  # first: where time is short they are what is asked for
    for name in BOUND:
        if name in known:
            found += _memory_bound(known[name])
    if "softmax" in known:
        found += [_unspilled(known["softmax"], backend) for backend in BACKENDS]
    return found


def _memory_bound(op: Listed) -> list[Goal]:
    shape = op.text(_grown(op, LARGE_BYTES))
    made = []
    for backend in BACKENDS:
        title = f"{op.name} {backend} at {shape}"
        made.append(
            Goal(f"{title}, of a copy of the same size", op.name, "bf16", shape, backend,
                 _of_copy, least=90)
        )  # fmt: skip
        made.append(
            Goal(f"{title}, speed of torch.compile's or Liger's", op.name, "bf16", shape, backend,
                 _of_compiled, least=97)
        )  # fmt: skip
    return made


def _grown(op: Listed, least_bytes: int) -> Dims:
    """The largest shape of the sweep with its first length grown until it moves that much."""
    largest = max(op.suites["sweep"], key=lambda dims: op.bytes(dims, "bfloat16"))
    dims = dict(largest)
    first = "M" if "M" in dims else "T" if "T" in dims else op.dims[0]
    dims[first] *= max(1, ceil(least_bytes / op.bytes(dims, "bfloat16")))
    return dims


def _unspilled(op: Listed, backend: str) -> Goal:
    return Goal(
        f"{op.name} {backend} spills at {WIDE:,} columns", op.name, "bf16",
        op.text({"M": 1024, "N": WIDE}), backend, _spills, most=0, unit="",
    )  # fmt: skip


def _products(known: dict[str, Listed]) -> list[Goal]:
    """Matrix products and attention against the libraries, decoding against a copy."""
    side = {"M": 8192, "N": 8192, "K": 8192}
    heads = {"B": 1, "H": 32, "HK": 8, "D": 128}
    rows: list[tuple[str, dict[str, int], str, Figure, float, str]] = [
        ("gemm", side, "triton", _of_eager, 85, "of cuBLAS"),
        ("gemm", side, "cuda", _of_eager, 75, "of cuBLAS"),
    ]
    long = {**heads, "SQ": 16_384, "SK": 16_384, "causal": 1}
    cached = {**heads, "B": 64, "TOK": TOKENS}
    narrow = {"M": 1, "N": 8192, "K": 28_672, "G": 128}
    for backend in BACKENDS:
        rows += [
            ("attention", long, backend, _of_library, 80, "of the best SDPA backend"),
            ("paged_decode_attention", cached, backend, _of_copy, 80, "of a copy"),
            ("int4_linear", narrow, backend, _of_copy, 75, "of a copy"),
        ]
    return [
        Goal(f"{name} {backend} at {known[name].text(dims)}, {what}", name, "bf16",
             known[name].text(dims), backend, figure, least=least)
        for name, dims, backend, figure, least, what in rows
        if name in known and set(dims) >= set(known[name].dims)
    ]  # fmt: skip


def _row(goal: Goal, report: Report, implementation: str = "") -> Row | None:
    """The measured row of a GPU; a CPU's says nothing about these goals."""
    if report.environment.device != "cuda":
        return None
    name = implementation or goal.implementation
    return next(
        (r for r in report.rows
         if (r.op, r.shape, r.implementation) == (goal.op, goal.shape, name)
         and r.state == "measured" and r.cache == "cold"), None,
    )  # fmt: skip


def _of_copy(goal: Goal, report: Report) -> float | None:
    row = _row(goal, report)
    return row.copy_pct if row else None


def _of_eager(goal: Goal, report: Report) -> float | None:
    return _against(goal, report, ["torch"])


def _of_compiled(goal: Goal, report: Report) -> float | None:
    return _against(goal, report, ["torch.compile", "liger"])


def _of_library(goal: Goal, report: Report) -> float | None:
    names = [r.implementation for r in report.rows if r.op == goal.op and r.backend == "library"]
    return _against(goal, report, [*dict.fromkeys(names), "torch"])


def _against(goal: Goal, report: Report, names: Sequence[str]) -> float | None:
    """Percent of the fastest of ``names``."""
    row = _row(goal, report)
    others = [other for name in names if (other := _row(goal, report, name))]
    if row is None or not row.median_ms or not others:
        return None
    return 100 * min(other.median_ms or 0.0 for other in others) / row.median_ms


def _spills(goal: Goal, report: Report) -> float | None:
    """Local loads and stores of all this operator's kernels; compiled code tells it alone."""
    kernels = [k for k in report.compiled if k.op == goal.op]
    mine = [k.spilled for k in kernels if k.implementation == goal.implementation]
    return float(sum(mine)) if mine else None
