"""The Kernel Benchmark: from a request to rows, on the machine that this runs on."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from compute.bench.asked import CPU, HOST_GIB, Asked, gpus, understand
from compute.bench.asked import needs as machine_of
from compute.bench.card import held_card
from compute.bench.ceilings import ceilings
from compute.bench.device import Device
from compute.bench.files import keep_files
from compute.bench.index import listed
from compute.bench.interpreted import check_apart
from compute.bench.offers import offers
from compute.bench.presets import models
from compute.bench.request import BenchRequest
from compute.bench.result import BenchResult, Compiled
from compute.bench.words import headline, why
from compute.tool import Context, Needs, Refused

if TYPE_CHECKING:
    from compute.bench.measuring import Found
    from compute.kernels.operator import Operator

# Of compiling for other architectures, and then of checking values, after all was measured.
STATIC_S, STATIC_LEAST_S = 60.0, 20.0
NO_TORCH = (
    "Measuring kernels needs PyTorch and Triton, and {0} is not installed here: `pip install "
    "'kernels-to-clusters[worker]'`, or ask a worker."
)
NO_GPU = "There is no CUDA GPU on this machine; with gpu:cpu PyTorch is measured on the CPU."


def needs(request: BenchRequest) -> Needs:
    """The machine that a request takes. Raises ``Refused`` for what none should be asked."""
    return machine_of(request)


def prepare() -> None:
    """Read the lists that requests are checked against."""
    listed()
    models()
    gpus()


async def run(request: BenchRequest, ctx: Context, *, static: bool = True) -> BenchResult:
    """Measure, or with the preset ``explain`` compile alone; ``static`` also adds to what was
    measured what the compiled code tells. Raises ``Refused``.
    """
    asked = understand(request)
    operator = operator_of(asked)
    await ctx.progress(0.0, f"{asked.op.name}: looking at the machine")
    result = _empty(asked, request, operator)
    if not asked.explain:
        result = await _measured(asked, request, operator, result, ctx)
    if static or asked.explain:
        result = await _explained(asked, request, operator, result, ctx)
    result = result.model_copy(update={"complete": True, "fixes": offers(request)})
    await keep_files(result, ctx)
    return result


def operator_of(asked: Asked) -> Operator:
    """The operator with its kernels. Raises ``Refused`` where PyTorch is missing."""
    try:
        from compute.kernels.registry import operators
    except ImportError as error:
        if error.name not in ("torch", "triton"):
            raise
        raise Refused(NO_TORCH.format(error.name)) from None
    return operators()[asked.op.name]


def _empty(asked: Asked, request: BenchRequest, operator: Operator) -> BenchResult:
    from compute.bench.compiled import counts, implementations

    return BenchResult(
        op=asked.op.name,
        title=asked.op.title,
        summary=asked.op.summary,
        dtype=asked.dtype,
        regime=operator.regime,
        implementations=implementations(operator),
        counts=counts(operator),
        headline=f"{asked.op.name}: what it was compiled to" if asked.explain else "",
        seed=request.seed,
        budget_s=request.budget_s,
    )


async def _measured(
    asked: Asked, request: BenchRequest, operator: Operator, empty: BenchResult, ctx: Context
) -> BenchResult:
    if asked.place == CPU:
        return await _on_device(asked, request, operator, empty, ctx)
    async with held_card(ctx):
        return await _on_device(asked, request, operator, empty, ctx)


async def _on_device(
    asked: Asked, request: BenchRequest, operator: Operator, empty: BenchResult, ctx: Context
) -> BenchResult:
    """The card is ours, so that its free memory is ours too."""
    from compute.bench.machine import Unusable, environment, find_device, with_clocks
    from compute.bench.measuring import Measuring
    from compute.bench.precision import precision_of

    try:
        device: Device = find_device(asked.place, HOST_GIB)
    except Unusable as unusable:
        said = f"{unusable} With gpu:cpu PyTorch is measured on the CPU."
        raise Refused(said, field="gpu", given=request.gpu, nearest=("cpu",)) from None
    except LookupError:
        raise Refused(NO_GPU, field="gpu", given=request.gpu, nearest=("cpu",)) from None
    with precision_of(asked.dtype) as precision:
        here = empty.model_copy(update={"environment": environment(device, precision)})

        async def say(share: float, words: str, found: Found) -> None:
            partial = _filled(here, found) if found.rows else None
            await ctx.progress(0.9 * share, words, partial)

        before = device.clocks()
        found = await Measuring(asked, request, operator, device, ceilings(), say).run()
        if found.lost and (give_up := getattr(ctx, "lose_process", None)):
            give_up()
        known = with_clocks(here.environment, before, device.seen(), device.clocks())
    return _filled(here.model_copy(update={"environment": known}), found)


def _filled(here: BenchResult, found: Found) -> BenchResult:
    """The result with what is known so far, and its words."""
    result = here.model_copy(
        update={
            "rows": tuple(found.rows),
            "ceilings": tuple(found.ceilings),
            "left_out": tuple(found.left_out),
            "lost": found.lost,
        }
    )
    return result.model_copy(update={"headline": headline(result), "sentence": why(result)})


async def _explained(
    asked: Asked, request: BenchRequest, operator: Operator, result: BenchResult, ctx: Context
) -> BenchResult:
    """The static table; where kernels could not run, also whether their values are right."""

    from compute.bench.compiled import compile_all
    from compute.kernels.operator import ARCHS

    await ctx.progress(0.9, "reading the compiled code", result if result.rows else None)
    limit_s = min(STATIC_S, max(request.budget_s, STATIC_LEAST_S))
    until = time.monotonic() + limit_s
    archs = [result.environment.sm] if result.environment.sm in ARCHS else ARCHS
    found, said = compile_all(operator, asked.inputs_dtype, archs, lambda: time.monotonic() < until)
    update: dict[str, object] = {"compiled": _shortened(found), "compiled_why": tuple(said)}
    if result.environment.device != "cuda":
        await ctx.progress(0.95, "checking Triton in its interpreter")
        update["checked"] = await check_apart(
            asked.op.name, asked.inputs_dtype, request.seed, limit_s
        )
    return result.model_copy(update=update)


def _shortened(found: list[Compiled], most: int = 200) -> tuple[Compiled, ...]:
    """A result travels in one message of the queue."""
    if len(found) > most:
        sys.stderr.write(f"{len(found) - most} compiled kernels are left out\n")
    return tuple(found[:most])
