"""The project's own check of its operators with compiled Triton kernels on the PTX machine.

``python -m tests.compute.kernels.triton_on_ptx OP... [--arch 90] [--dtype D] [--case NAME]``
compiles every kernel for the architecture, as for a card, and runs its PTX on this CPU: Triton's
interpreter multiplies bf16 wrongly, never sees what the compiler makes, and knows no read past a
buffer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.compute.kernels.on_machine import checks, options, printed
from tests.fakes.ptx import Machine
from tests.fakes.ptx.program import Module
from tests.fakes.ptx.schedule import ORDERS

if TYPE_CHECKING:
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


def _place(backend: Backend, device: str) -> str | None:
    """Triton has one here."""
    return None if backend == "triton" else "not asked for"


def main(argv: Sequence[str] | None = None) -> int:
    """Print each check, and how many kernels were launched; 1 when a check is wrong."""
    chosen = options(__doc__, argv)
    os.environ.pop("TRITON_INTERPRET", None)
    from compute.kernels.build import places
    from tests.fakes.ptx.triton_driver import on_machine

    vars(places)["no_place"] = _place
    machines = Machines(chosen.order or ORDERS)
    with on_machine(chosen.arch, machines):
        found = checks("triton", chosen.operators, chosen.dtype, chosen.case, chosen.seed)
        wrong = printed(found, as_json=chosen.json)
    sys.stderr.write(f"{machines.launches} launches\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
