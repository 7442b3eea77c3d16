"""What both runners on the PTX machine share: their options, the checks they make, how these are
printed; and for tests what a runner finds wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fakes.ptx.schedule import ORDERS

if TYPE_CHECKING:
    from compute.kernels.checking import Check

ROOT = Path(__file__).parents[3]
FP8_BEGINS = "fp8 tensor cores begin"  # the reason of an architecture without them


def options(description: str | None, argv: Sequence[str] | None) -> argparse.Namespace:
    """As they were typed; the architecture is played from here on."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("operators", nargs="+")
    parser.add_argument("--arch", type=int, default=90)
    parser.add_argument("--dtype", action="append", default=[])
    parser.add_argument("--case", action="append", default=[])
    parser.add_argument("--order", action="append", choices=ORDERS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(argv)
    # Read by the launchers, when operators are imported.
    os.environ |= {"K2C_CUDA_ON_CPU": "1", "K2C_CUDA_ARCH": str(chosen.arch)}
    return chosen


def checks(
    backend: str,
    names: Sequence[str],
    dtypes: Sequence[str] = (),
    cases: Sequence[str] = (),
    seed: int = 0,
) -> Iterator[Check]:
    """Of one backend's kernels on the CPU; no dtypes or cases are all of them."""
    from compute.kernels.checking import check
    from compute.kernels.registry import operators

    for name in names:
        operator = operators()[name]
        runs = [i for i in operator.implementations.values() if i.backend == backend]
        for dtype in [d for d in operator.dtypes if not dtypes or d in dtypes]:
            for case in operator.adversarial(dtype, seed, "cpu"):
                if not cases or case.name in cases:
                    for implementation in runs:
                        yield check(operator, implementation, case, dtype, "cpu")


def printed(found: Iterable[Check], *, as_json: bool) -> int:
    """Each check on a line; how many are wrong."""
    from compute.kernels import checking

    wrong = 0
    for done in found:
        wrong += bool(done.why)
        sys.stdout.write(json.dumps(asdict(done)) + "\n" if as_json else checking._line(done))
        sys.stdout.flush()
    return wrong


def wrong(runner: str, *arguments: str) -> list[str]:
    """What ``tests.compute.kernels.<runner>`` finds wrong; it has to have launched something."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.compute.kernels.{runner}", *arguments, "--json"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode in (0, 1), done.stderr
    launches = int(done.stderr.split()[-2])
    made = [json.loads(line) for line in done.stdout.splitlines()]
    asked = [c for c in made if FP8_BEGINS not in c["unsupported"]]
    assert launches >= len(asked) and made, done.stderr
    return [
        f"{c['operator']} {c['dtype']} {c['case']}: {c['why']}{c['unsupported']}"
        for c in asked
        if c["why"] or c["unsupported"]
    ]
