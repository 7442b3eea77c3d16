"""The project's own check of its operators with compiled Triton kernels on the PTX machine.

``python -m tests.compute.kernels.triton_on_ptx OP... [--arch 90] [--dtype D] [--case NAME]``
compiles every kernel for the architecture, as for a card, and runs its PTX on this CPU: Triton's
interpreter multiplies bf16 wrongly, never sees what the compiler makes, and knows no read past a
buffer.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compute.kernels.checking import Check
    from compute.kernels.operator import Backend


def main(argv: Sequence[str] | None = None) -> int:
    """Print every check of the Triton backend; 1 when one is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("operators", nargs="+")
    parser.add_argument("--arch", type=int, default=90)
    parser.add_argument("--dtype", action="append", default=[])
    parser.add_argument("--case", action="append", default=[])
    parser.add_argument("--order", default="together")
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    return 1 if sum(bool(done.why) for done in checks(parser.parse_args(argv))) else 0


def checks(chosen: argparse.Namespace) -> Iterator[Check]:
    """Each check as it is done, printed."""
    os.environ |= {"K2C_CUDA_ON_CPU": "1", "K2C_CUDA_ARCH": str(chosen.arch)}
    os.environ.pop("TRITON_INTERPRET", None)
    import torch
    import triton

    from compute.kernels import places
    from compute.kernels.checking import _line, check
    from compute.kernels.registry import operators
    from tests.fakes.ptx import Machine
    from tests.fakes.ptx.triton_driver import on_machine

    vars(places)["no_place"] = _place
    # Triton adds fp8 sums before it waits for them (max_num_imprecise_acc); ptxas waits instead.
    make = partial(Machine, order=chosen.order, eager_async=chosen.eager, injected_waits=True)
    triton.set_allocator(lambda size, align, stream: torch.zeros(size, dtype=torch.uint8))
    with on_machine(chosen.arch, make):
        for name in chosen.operators:
            operator = operators()[name]
            for dtype in [d for d in operator.dtypes if not chosen.dtype or d in chosen.dtype]:
                for case in operator.adversarial(dtype, chosen.seed, "cpu"):
                    if chosen.case and case.name not in chosen.case:
                        continue
                    for implementation in operator.implementations.values():
                        if implementation.backend == "triton":
                            begun = time.perf_counter()
                            done = check(operator, implementation, case, dtype, "cpu")
                            spent = time.perf_counter() - begun
                            sys.stdout.write(f"{spent:6.2f} s {_line(done)}")
                            sys.stdout.flush()
                            yield done


def _place(backend: Backend, device: str) -> str | None:
    """Triton has one here."""
    return None if backend == "triton" else "not asked for"


if __name__ == "__main__":
    raise SystemExit(main())
