"""From a request to a deployment: engine, formats and split, chosen where they are left open."""

from __future__ import annotations

from compute.throughput.deployment import Deployment, deploy
from compute.throughput.dtypes import weight_dtype
from compute.throughput.engines import pick_engine
from compute.throughput.estimate import Question, ask
from compute.throughput.fit import fits
from compute.throughput.hardware import Device
from compute.throughput.library import Library
from compute.throughput.model import ModelSpec
from compute.throughput.pairing import check_pairing
from compute.throughput.parallel import Layout, choose_layout, parse_parallel
from compute.throughput.request import ThroughputRequest
from compute.throughput.serving import Load


def arrange(
    request: ThroughputRequest, model: ModelSpec, device: Device, library: Library
) -> Question:
    """The deployment a request means on one GPU. Raises ``Refused``."""
    load = Load(
        request.isl, request.osl, None if request.concurrency == "max" else request.concurrency
    )
    engine = pick_engine(request.engine, request.weight_dtype, device)
    weights = weight_dtype(request.weight_dtype, model, device, engine.name)
    if request.engine != "auto":  # what we chose ourselves is no reason to refuse
        check_pairing(engine, weights, device)
    wanted = parse_parallel(request.parallel)
    usual = choose_layout(wanted, request.n_gpus, model, device, engine.name)

    def laid_out(layout: Layout) -> Deployment:
        return deploy(model, device, layout, engine, weights, request.kv_dtype)

    question = ask(laid_out(usual), load, library.parameters)
    if wanted or load.concurrency is not None or request.n_gpus == 1:
        return question
    return _fastest(question, [laid_out(layout) for layout in _copies(usual)], library)


def _copies(usual: Layout) -> list[Layout]:
    """The usual split halved again and again into more copies of the model."""
    found = []
    tp, replicas = usual.tp, usual.replicas
    while tp % 2 == 0 and usual.pp == 1:
        tp, replicas = tp // 2, replicas * 2
        found.append(Layout(tp, 1, 1, 1, replicas))
    return found


def _fastest(question: Question, others: list[Deployment], library: Library) -> Question:
    """At full load: whichever number of copies gives the most tokens."""
    best, speed = question, _speed(question)
    for deployment in others:
        asked = ask(deployment, question.load, library.parameters)
        if (faster := _speed(asked)) > speed:
            best, speed = asked, faster
    return best


def _speed(question: Question) -> float:
    if not fits(question.deployment, question.load):
        return 0.0
    return question.served(None).total_tps
