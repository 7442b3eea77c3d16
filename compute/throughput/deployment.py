"""A model on GPUs under an engine: everything that does not depend on the load."""

from __future__ import annotations

from dataclasses import dataclass, replace

from compute.throughput.dtypes import (
    WeightDtype,
    compute_dtype,
    kv_bits,
    module_bits,
    weight_dtype,
)
from compute.throughput.engines import Engine
from compute.throughput.hardware import Device
from compute.throughput.memory import MemoryFit, fit_memory
from compute.throughput.model import ModelSpec
from compute.throughput.operators import Operator, operators
from compute.throughput.parallel import Layout
from compute.throughput.parameters import Parameters
from compute.throughput.rates import Rates, Speculation, build_rates
from compute.throughput.speculation import Drafting, beside


@dataclass(frozen=True)
class Deployment:
    """What serves the load: one copy's operators and memory; ``layout.replicas`` copies.

    ``drafting``: how tokens are drafted, by ``draft`` where that takes the GPU's time; ``memory``
    has room taken out for both.
    """

    model: ModelSpec
    device: Device
    layout: Layout
    engine: Engine
    weights: WeightDtype
    compute: str
    kv_name: str
    operators: tuple[Operator, ...]
    memory: MemoryFit
    drafting: Drafting | None = None
    draft: Deployment | None = None


def deploy(
    model: ModelSpec,
    device: Device,
    layout: Layout,
    engine: Engine,
    weights: WeightDtype,
    kv_dtype: str,
    drafting: Drafting | None = None,
) -> Deployment:
    """Lay a model out over GPUs. Raises ``Refused`` for an unknown cache format."""
    kv_name, bits_kv = kv_bits(kv_dtype, weights, engine.name)
    bits = module_bits(weights, model, engine.name)
    compute = compute_dtype(weights, device, engine.name)
    found = operators(model, layout, bits, weights, compute, bits_kv)
    memory = fit_memory(model, device, layout, engine, bits, found)
    plain = Deployment(model, device, layout, engine, weights, compute, kv_name, found, memory)
    return plain if drafting is None else _with_draft(plain, drafting, kv_dtype)


def _with_draft(target: Deployment, drafting: Drafting, kv_dtype: str) -> Deployment:
    """The same GPUs with what drafts tokens beside the model, split in the same way."""
    if drafting.model is None:
        return replace(target, drafting=drafting)
    weights = target.weights
    if drafting.own_format:
        weights = weight_dtype("auto", drafting.model, target.device, target.engine.name)
    layout, engine = target.layout, target.engine
    draft = deploy(drafting.model, target.device, layout, engine, weights, kv_dtype)
    memory = beside(target.memory, draft.memory, draft.operators, drafting.shares_head, layout.pp)
    return replace(target, drafting=drafting, draft=draft, memory=memory)


def rates_of(deployment: Deployment, p: Parameters) -> Rates:
    """What the deployment achieves under the calibrated parameters."""
    rates = _own_rates(deployment, p)
    drafting, draft = deployment.drafting, deployment.draft
    if drafting is None:
        return rates
    # the scheduler runs once a step; a drafted token's head and sampling cost as much as a layer
    inner = p.replaced({"overhead.step_us": p["overhead.layer_us"]})
    own = None if draft is None else replace(_own_rates(draft, inner), sequence_s=0.0)
    return replace(rates, speculation=Speculation(drafting.drafted, drafting.accepted, own))


def _own_rates(deployment: Deployment, p: Parameters) -> Rates:
    return build_rates(
        deployment.operators,
        deployment.model,
        deployment.device,
        deployment.layout,
        deployment.engine,
        deployment.weights,
        p,
    )
