"""The project's own check of its operators with compiled Triton kernels on the PTX machine.

``python -m tests.compute.kernels.triton_on_ptx OP... [--arch 90] [--dtype D] [--case NAME]``
compiles every kernel for the architecture, as for a card, and runs its PTX on this CPU: Triton's
interpreter multiplies bf16 wrongly, never sees what the compiler makes, and knows no read past a
buffer.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from tests.fakes.ptx import Machine
from tests.fakes.ptx.program import Module
from tests.fakes.ptx.schedule import ORDERS

if TYPE_CHECKING:
    from compute.kernels.checking import Check
    from compute.kernels.operator import Backend


class Machines:
    """One for every launch. Orders of the warps take turns, and so do late and early copies and
    products: a check runs everything twice and compares the results to the bit.
    """

    def __init__(self, orders: Sequence[str]) -> None:
        self.orders = orders
        self.launches = 0

    def __call__(self, module: Module) -> Machine:
        """Triton adds fp8 sums before it waits for them (max_num_imprecise_acc): ptxas waits."""
        order = self.orders[self.launches % len(self.orders)]
        self.launches += 1
        return Machine(module, order, eager_async=self.launches % 2 == 0, injected_waits=True)


def checks(
    names: Sequence[str],
    dtypes: Sequence[str] = (),
    cases: Sequence[str] = (),
    seed: int = 0,
) -> Iterator[Check]:
    """Of Triton kernels on the CPU; no dtypes or cases are all of them."""
    from compute.kernels.checking import check
    from compute.kernels.registry import operators

    for name in names:
        operator = operators()[name]
        runs = [i for i in operator.implementations.values() if i.backend == "triton"]
        for dtype in [d for d in operator.dtypes if not dtypes or d in dtypes]:
            for case in operator.adversarial(dtype, seed, "cpu"):
                if not cases or case.name in cases:
                    for implementation in runs:
                        yield check(operator, implementation, case, dtype, "cpu")


def _place(backend: Backend, device: str) -> str | None:
    """Triton has one here."""
    return None if backend == "triton" else "not asked for"


def main(argv: Sequence[str] | None = None) -> int:
    """Print each check, and how many kernels were launched; 1 when a check is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("operators", nargs="+")
    parser.add_argument("--arch", type=int, default=90)
    parser.add_argument("--dtype", action="append", default=[])
    parser.add_argument("--case", action="append", default=[])
    parser.add_argument("--order", action="append", choices=ORDERS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(argv)
    # Read by the launchers, and by Triton when operators import it.
    os.environ |= {"K2C_CUDA_ON_CPU": "1", "K2C_CUDA_ARCH": str(chosen.arch)}
    os.environ.pop("TRITON_INTERPRET", None)
    from compute.kernels import checking, places
    from tests.fakes.ptx.triton_driver import on_machine

    vars(places)["no_place"] = _place
    machines = Machines(chosen.order or ORDERS)
    wrong = 0
    with on_machine(chosen.arch, machines):
        for done in checks(chosen.operators, chosen.dtype, chosen.case, chosen.seed):
            wrong += bool(done.why)
            line = json.dumps(asdict(done)) + "\n" if chosen.json else checking._line(done)
            sys.stdout.write(line)
            sys.stdout.flush()
    sys.stderr.write(f"{machines.launches} launches\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
