"""A model on GPUs under an engine: everything that does not depend on the load."""

from __future__ import annotations

from dataclasses import dataclass

from compute.throughput.dtypes import WeightDtype, compute_dtype, kv_bits, module_bits
from compute.throughput.engines import Engine
from compute.throughput.hardware import Device
from compute.throughput.memory import MemoryFit, fit_memory
from compute.throughput.model import ModelSpec
from compute.throughput.operators import Operator, operators
from compute.throughput.parallel import Layout
from compute.throughput.parameters import Parameters
from compute.throughput.rates import Rates, build_rates


@dataclass(frozen=True)
class Deployment:
    """What serves the load: one copy's operators and memory; ``layout.replicas`` copies."""

    model: ModelSpec
    device: Device
    layout: Layout
    engine: Engine
    weights: WeightDtype
    compute: str
    kv_name: str
    operators: tuple[Operator, ...]
    memory: MemoryFit


def deploy(
    model: ModelSpec,
    device: Device,
    layout: Layout,
    engine: Engine,
    weights: WeightDtype,
    kv_dtype: str,
) -> Deployment:
    """Lay a model out over GPUs. Raises ``Refused`` for an unknown cache format."""
    kv_name, bits_kv = kv_bits(kv_dtype, weights, engine.name)
    bits = module_bits(weights, model, engine.name)
    compute = compute_dtype(weights, device, engine.name)
    found = operators(model, layout, bits, weights, compute, bits_kv)
    memory = fit_memory(model, device, layout, engine, bits, found)
    return Deployment(model, device, layout, engine, weights, compute, kv_name, found, memory)


def rates_of(deployment: Deployment, p: Parameters) -> Rates:
    """What the deployment achieves under the calibrated parameters."""
    return build_rates(
        deployment.operators,
        deployment.model,
        deployment.device,
        deployment.layout,
        deployment.engine,
        deployment.weights,
        p,
    )
