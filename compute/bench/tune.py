"""``k2c bench tune OP``: find better configurations on this GPU and keep them.

``--plan`` shows what would be timed, on any machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from compute.bench.asked import HOST_GIB, Asked, understand
from compute.bench.candidates import Candidate, buckets, candidates, choices, line_of
from compute.bench.card import held_card
from compute.bench.device import Lost
from compute.bench.machine import environment, find_device, own_version
from compute.bench.precision import precision_of
from compute.bench.request import BenchRequest
from compute.bench.tool import operator_of
from compute.bench.tuning import Tried, Tuning, Verdict, decide, try_all
from compute.inputs import check_inputs
from compute.kernels.build.places import multiprocessors
from compute.kernels.operator import ARCHS
from compute.kernels.plans.choosing import PROCESSORS, forget_tuned
from compute.kernels.plans.tuned import Winner, compiler_of, own_folder, store
from compute.tool import Refused

if TYPE_CHECKING:
    from compute.bench.device import Device
    from compute.kernels.operator import Dims, Operator
    from compute.kernels.plans.choosing import Choice, Config

BUDGET_S = 20.0
USUAL_ARCH = 90
NO_GPU = (
    "There is no CUDA GPU on this machine, so nothing was timed and nothing is kept. These are the "
    "candidates and what they were compiled to for sm_{arch}."
)
STOPPED = "k2c: the GPU stopped at {0}. What was kept before stays; tune the rest in a new run.\n"
NOTHING = "{op} has nothing to tune{where}: its launchers choose nothing."


def main(argv: Sequence[str]) -> int:
    """0 when it tuned or showed the plan, 1 where it could only show the plan. Raises ``Refused``
    for what cannot be measured.
    """
    chosen = _parser().parse_args(argv)
    asked = _asked(chosen)
    operator = operator_of(asked)
    found = choices(operator, [chosen.implementation] if chosen.implementation else ())
    if not found:
        where = f" in {chosen.implementation}" if chosen.implementation else ""
        raise Refused(NOTHING.format(op=operator.name, where=where), field="op")
    if not chosen.plan and _has_gpu():
        return asyncio.run(_tune(asked, operator, found, chosen))
    if not chosen.plan:
        sys.stdout.write(NO_GPU.format(arch=chosen.arch) + "\n")
    plan(asked, operator, found, chosen.arch, sys.stdout)
    return 0 if chosen.plan else 1


def plan(asked: Asked, operator: Operator, found: Sequence[Choice], arch: int, out: TextIO) -> None:
    """Every bucket's candidates with their static facts, as they are compiled."""
    dtype = asked.inputs_dtype
    for choice in found:
        for bucket, shapes in buckets(choice, asked.shapes, dtype, PROCESSORS[arch]).items():
            out.write(_heading(asked, choice, bucket, shapes, arch) + "\n")
            for one in candidates(choice, operator.regime, dtype, arch, bucket):
                out.write(line_of(choice, one) + "\n")
                out.flush()


def _heading(asked: Asked, choice: Choice, bucket: str, shapes: Sequence[Dims], arch: int) -> str:
    few = ", ".join(asked.op.text(dims) for dims in shapes[:4]) + ", ..." * (len(shapes) > 4)
    return f"{choice.operator} {choice.implementation} sm_{arch}, {bucket} ({few})"


async def _tune(
    asked: Asked, operator: Operator, found: Sequence[Choice], chosen: argparse.Namespace
) -> int:
    folder = Path(chosen.folder) if chosen.folder else own_folder()
    async with held_card(None):
        device = find_device("cuda", HOST_GIB)
        try:
            await tune_on(asked, operator, found, device, chosen.budget, folder, sys.stdout)
        except Lost as lost:
            sys.stdout.flush()
            sys.stderr.write(STOPPED.format(lost))
            sys.stderr.flush()
            os._exit(1)  # CUDA's own end would wait for a kernel that hangs
    return 0


async def tune_on(
    asked: Asked,
    operator: Operator,
    found: Sequence[Choice],
    device: Device,
    budget_s: float,
    folder: Path,
    out: TextIO,
) -> None:
    """Every choice and kind of shape in turn; a winner is written as soon as it is known."""
    with precision_of(asked.dtype) as precision:
        here = environment(device, precision)
        dtype, arch = asked.inputs_dtype, here.sm
        for choice in found:
            kinds = buckets(choice, asked.shapes, dtype, _processors(device))
            for bucket, shapes in kinds.items():
                out.write(_heading(asked, choice, bucket, shapes, arch) + "\n")
                kept = _kept(choice, operator, dtype, arch, bucket, out)
                each_s = budget_s / len(shapes)
                tried = await _try(asked, operator, choice, device, kept, shapes, each_s)
                verdict = _decided(choice, dtype, arch, bucket, tried, out)
                if verdict.best is not None:
                    winner = winner_of(choice, dtype, arch, verdict, here.driver, here.torch)
                    out.write(f"  kept in {store(here.name, [winner], folder)}\n")
                    forget_tuned()


def _kept(
    choice: Choice, operator: Operator, dtype: str, arch: int, bucket: str, out: TextIO
) -> list[Config]:
    kept: list[Candidate] = []
    for one in candidates(choice, operator.regime, dtype, arch, bucket):
        out.write(line_of(choice, one) + "\n")
        kept += [] if one.out else [one]
    return [one.config for one in kept]


async def _try(
    asked: Asked,
    operator: Operator,
    choice: Choice,
    device: Device,
    configs: Sequence[Config],
    shapes: Sequence[Dims],
    budget_s: float,
) -> dict[str, list[Tried]]:
    async def say(words: str) -> None:
        sys.stderr.write(f"  {words}\n" if sys.stderr.isatty() else "")

    tuning = Tuning(operator, asked.dtype, device, budget_s, say)
    return {asked.op.text(dims): await try_all(tuning, choice, configs, dims) for dims in shapes}


def _decided(
    choice: Choice,
    dtype: str,
    arch: int,
    bucket: str,
    tried: dict[str, list[Tried]],
    out: TextIO,
) -> Verdict:
    for shape, ones in tried.items():
        for one in ones:
            config = " ".join(f"{k}={v}" for k, v in choice.named(one.config).items())
            times = one.why
            if one.times is not None:
                median, q1, q3 = (1e3 * t for t in (one.times.median, one.times.q1, one.times.q3))
                times = f"{median:.4g} ms [{q1:.4g}-{q3:.4g}]" + " unstable" * one.unstable
            out.write(f"  {shape:22} {config:54} {times}\n")
    verdict = decide(bucket, choice.usual(dtype, arch, bucket), tried)
    if verdict.best is None:
        out.write(f"  {verdict.why}\n")
    else:
        config = " ".join(f"{k}={v}" for k, v in choice.named(verdict.best).items())
        out.write(f"  faster: {config}, {verdict.speedup:.2f}x the table's\n")
    return verdict


def winner_of(
    choice: Choice, dtype: str, arch: int, verdict: Verdict, driver: str, torch: str
) -> Winner:
    """What is kept of a verdict that has a best."""
    assert verdict.best is not None and verdict.won is not None and verdict.usual is not None
    return Winner(
        operator=choice.operator,
        implementation=choice.implementation,
        dtype=dtype,
        bucket=verdict.bucket,
        config=choice.named(verdict.best),
        usual=choice.named(choice.usual(dtype, arch, verdict.bucket)),
        shape=verdict.shape,
        median_ms=verdict.won.median * 1e3,
        q1_ms=verdict.won.q1 * 1e3,
        q3_ms=verdict.won.q3 * 1e3,
        usual_ms=verdict.usual.median * 1e3,
        compiler=compiler_of(choice.implementation),
        torch=torch,
        driver=driver,
        version=own_version(),
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
    )


def _asked(chosen: argparse.Namespace) -> Asked:
    from compute.bench import TOOL

    inputs = {"op": chosen.op, "dtype": chosen.dtype, "shapes": chosen.shapes}
    inputs["preset"] = chosen.preset or ("" if chosen.shapes else "models")
    inputs["implementations"] = chosen.implementation
    request = check_inputs(TOOL, {name: value for name, value in inputs.items() if value})
    assert isinstance(request, BenchRequest)
    return understand(request)


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _processors(device: Device) -> int:
    import torch

    if device.kind != "cuda":
        return PROCESSORS[USUAL_ARCH]
    return multiprocessors(torch.cuda.current_device())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="k2c bench tune", description=__doc__)
    parser.add_argument("op", metavar="OP")
    parser.add_argument("--dtype", default="", help="left out: bf16 where the operator has it")
    parser.add_argument("--shapes", default="", help="such as 4096x4096; left out: the models'")
    parser.add_argument("--preset", default="", help="a suite's or a model's shapes instead")
    parser.add_argument("--implementation", default="", choices=("", "triton", "cuda"))
    parser.add_argument("--plan", action="store_true", help="show the candidates, time nothing")
    parser.add_argument("--arch", type=int, default=USUAL_ARCH, choices=ARCHS,
                        help="of the plan, without a GPU")  # fmt: skip
    parser.add_argument("--budget", type=float, default=BUDGET_S, metavar="S",
                        help=f"seconds for a kind of shape (default {BUDGET_S:.0f})")  # fmt: skip
    parser.add_argument("--folder", default="", help="where winners are kept")
    return parser
