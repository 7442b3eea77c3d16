"""Checks every implementation against float64: values, inputs left alone, outputs of its own.

Run ``python -m compute.kernels.checking [OP ...]``: on a GPU all backends as they are, without one
PyTorch, Triton in its interpreter and CUDA by emulation. Each check is a line; the exit code is 1
when one is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from compute.kernels.build.emulation import PLAYED
from compute.kernels.build.emulation import SWITCH as CUDA_ON_CPU

if TYPE_CHECKING:
    import torch

    from compute.kernels.operator import Case, Implementation, Operator


@dataclass(frozen=True)
class Check:
    """One implementation on one case. ``unsupported`` or ``why`` is "" when it does not apply."""

    operator: str
    implementation: str
    dtype: str
    case: str
    error: float
    allowed: float
    why: str = ""
    unsupported: str = ""


def check_all(
    names: Sequence[str], backends: Sequence[str], dtypes: Sequence[str], device: str, seed: int
) -> Iterator[Check]:
    """Every check of the named operators, backends and dtypes (empty = all)."""
    from compute.kernels.registry import operators

    for name, operator in operators().items():
        if names and name not in names:
            continue
        for dtype in [d for d in operator.dtypes if not dtypes or d in dtypes]:
            cases = operator.adversarial(dtype, seed, device)
            for implementation in operator.implementations.values():
                if not backends or implementation.backend in backends:
                    for case in cases:
                        yield check(operator, implementation, case, dtype, device)


def check(
    operator: Operator, implementation: Implementation, case: Case, dtype: str, device: str
) -> Check:
    """Run once and judge. Whatever it raises is its fault, and said."""
    from compute.kernels.build.torch_compile import forget_shapes
    from compute.kernels.judging import as_tuple, judge, slack_of

    inputs = case.inputs
    said = (operator.name, implementation.name, dtype, case.name)
    reason = implementation.unsupported(inputs, device)
    if reason:
        return Check(*said, 0.0, 0.0, unsupported=reason)
    before = _copies(inputs)
    try:
        got = implementation(**inputs)
        again = implementation(**inputs)
    except Exception as error:
        return Check(*said, float("inf"), 0.0, why=f"raises {type(error).__name__}: {error}")
    finally:
        if implementation.backend == "torch.compile":
            forget_shapes()  # after eight shapes of a function torch runs the ninth uncompiled
    slack = slack_of(implementation.backend)
    verdict = judge(operator, inputs, got, operator.reference(**before), dtype, slack)
    why = verdict.why or _manners(implementation, inputs, before, as_tuple(got), as_tuple(again))
    return Check(*said, verdict.error, verdict.allowed, why=why)


def _copies(inputs: dict[str, Any]) -> dict[str, Any]:
    return {k: v.clone() if hasattr(v, "clone") else v for k, v in inputs.items()}


def _manners(
    implementation: Implementation,
    inputs: dict[str, Any],
    before: dict[str, Any],
    got: tuple[torch.Tensor, ...],
    again: tuple[torch.Tensor, ...],
) -> str:
    """What a result with right values may still have done wrong."""
    for name, value in before.items():
        if hasattr(value, "clone") and not _same(value, inputs[name]):
            return f"it changed its input {name}"
    owned = {t.untyped_storage().data_ptr() for t in inputs.values() if hasattr(t, "clone")}
    if any(t.numel() and t.untyped_storage().data_ptr() in owned for t in got):
        return "its result shares memory with an input"
    if implementation.deterministic and not all(map(_same, got, again)):
        return "two calls on the same inputs differ"
    return ""


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """To the bit, NaNs included."""
    import torch

    if one.dtype.is_floating_point:
        one, other = one.float(), other.float()
        return torch.equal(one.isnan(), other.isnan()) and torch.equal(
            one.nan_to_num(), other.nan_to_num()
        )
    return torch.equal(one, other)


def main(argv: Sequence[str] | None = None) -> int:
    """Print every check, or with ``--json`` one JSON object a line."""
    parser = argparse.ArgumentParser(prog="python -m compute.kernels.checking", description=__doc__)
    parser.add_argument("operators", nargs="*")
    parser.add_argument("--backend", action="append", default=[])
    parser.add_argument("--dtype", action="append", default=[])
    parser.add_argument("--device", choices=("cpu", "cuda"))
    parser.add_argument("--arch", type=int, choices=(80, 89, 90, 100), help="played on a CPU")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(argv)
    device = chosen.device or _device()
    if chosen.arch:
        os.environ[PLAYED] = str(chosen.arch)
    wrong = 0
    for done in check_all(chosen.operators, chosen.backend, chosen.dtype, device, chosen.seed):
        wrong += bool(done.why)
        sys.stdout.write(json.dumps(asdict(done)) + "\n" if chosen.json else _line(done))
        sys.stdout.flush()
    return 1 if wrong else 0


def _device() -> str:
    """The GPU, or else the CPU with interpreter and emulation, on before Triton is imported."""
    if "triton" not in sys.modules and os.environ.get("CUDA_VISIBLE_DEVICES") != "":
        import torch

        if torch.cuda.is_available():
            return "cuda"
    os.environ.setdefault("TRITON_INTERPRET", "1")
    os.environ.setdefault(CUDA_ON_CPU, "1")
    return "cpu"


def _line(done: Check) -> str:
    name = f"{done.operator} {done.implementation} {done.dtype}"
    if done.unsupported:
        return f"-     {name:48} {done.case:28} {done.unsupported}\n"
    state = "WRONG" if done.why else "ok"
    return f"{state:5} {name:48} {done.case:28} {done.error:.1e} of {done.allowed:.1e} {done.why}\n"


if __name__ == "__main__":
    raise SystemExit(main())
