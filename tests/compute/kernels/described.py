"""Operators by tensor descriptors, in Triton's interpreter as on sm_90:
``python -m tests.compute.kernels.described`` prints how often each ran by descriptors, and what
is wrong.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from compute.kernels.build.emulation import PLAYED, SWITCH

DTYPES = {"gemm": "bfloat16", "attention": "bfloat16", "scaled_mm": "float8_e4m3fn"}


def counted(module: Any, ran: list[bool]) -> Callable[..., bool]:
    """The module's launcher, which notes whether it launched."""
    launch = module.by_descriptors

    def noted(*arguments: Any) -> bool:
        ran.append(launch(*arguments))
        return ran[-1]

    return noted


def wrong(name: str) -> Iterator[str]:
    """The project's own check of every case."""
    from compute.kernels.checking import check
    from compute.kernels.registry import operators

    operator, dtype = operators()[name], DTYPES[name]
    run = operator.implementations["triton"]
    for case in operator.adversarial(dtype, 0, "cpu"):
        done = check(operator, run, case, dtype, "cpu")
        if done.why or done.unsupported:
            yield f"{case.name}: {done.why}{done.unsupported}"


def main() -> int:
    """A line of JSON for each operator."""
    os.environ |= {"TRITON_INTERPRET": "1", SWITCH: "1", PLAYED: "90"}
    for name in DTYPES:
        module, ran = importlib.import_module(f"compute.kernels.{name}"), list[bool]()
        vars(module)["by_descriptors"] = counted(module, ran)
        found = list(wrong(name))
        line = {"operator": name, "by descriptors": sum(ran), "wrong": found}
        sys.stdout.write(json.dumps(line) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
