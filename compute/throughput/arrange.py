"""From a request to a deployment: engine, formats and split, chosen where they are left open."""

from __future__ import annotations

from typing import Protocol

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
from compute.throughput.speculation import Drafting, names_model, plan_drafting
from compute.tool import Refused


class Asked(Protocol):
    """What a request and a line of a batch file both say of the load and of drafting."""

    @property
    def isl(self) -> int:
        """Prompt tokens."""

    @property
    def osl(self) -> int:
        """Generated tokens."""

    @property
    def prefix_cache_hit_rate(self) -> float:
        """Share of the prompt in the prefix cache."""

    @property
    def num_speculative_tokens(self) -> int | None:
        """Tokens drafted per step; None = as usual for the method."""

    @property
    def draft_model(self) -> str:
        """What drafts, as typed."""

    @property
    def acceptance_rate(self) -> float | None:
        """Chance that a drafted token is kept."""

    @property
    def acceptance_length(self) -> float | None:
        """Tokens kept per step, one's own included."""


def load_of(asked: Asked, concurrency: int | None) -> Load:
    """The load; at least the prompt's last token is computed whatever the cache holds."""
    cached = min(asked.isl - 1, int(asked.isl * asked.prefix_cache_hit_rate))
    return Load(asked.isl, asked.osl, concurrency, cached)


def drafting_of(
    asked: Asked, model: ModelSpec, library: Library, draft: ModelSpec | None = None
) -> Drafting | None:
    """How tokens are drafted, by ``draft`` where its config was fetched. Raises ``Refused``."""
    if draft is None and names_model(asked.draft_model) and asked.num_speculative_tokens != 0:
        found = library.models.find(asked.draft_model)
        if found is None:
            raise unknown_draft(asked.draft_model, library)
        draft = library.spec(found.id, found.config)
    return plan_drafting(
        model,
        asked.draft_model,
        asked.num_speculative_tokens,
        asked.acceptance_rate,
        asked.acceptance_length,
        draft,
    )


def unknown_draft(typed: str, library: Library) -> Refused:
    """No such model to draft with."""
    nearest = tuple(model.id for model in library.models.nearest(typed))
    return Refused(
        "I don't know that draft; give eagle, mtp, ngram, a size such as 0.5B, or a model's id.",
        field="draft_model",
        given=typed[:100],
        nearest=nearest,
        example="eagle",
    )


def arrange(
    request: ThroughputRequest,
    model: ModelSpec,
    device: Device,
    library: Library,
    draft: ModelSpec | None = None,
) -> Question:
    """The deployment a request means on one GPU. Raises ``Refused``."""
    load = load_of(request, None if request.concurrency == "max" else request.concurrency)
    engine = pick_engine(request.engine, request.weight_dtype, device)
    weights = weight_dtype(request.weight_dtype, model, device, engine.name)
    if request.engine != "auto":  # what we chose ourselves is no reason to refuse
        check_pairing(engine, weights, device)
    wanted = parse_parallel(request.parallel)
    usual = choose_layout(wanted, request.n_gpus, model, device, engine.name)
    drafting = drafting_of(request, model, library, draft)

    def laid_out(layout: Layout) -> Deployment:
        return deploy(model, device, layout, engine, weights, request.kv_dtype, drafting)

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
