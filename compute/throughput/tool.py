"""The Throughput Calculator: a request about GPUs, a model and a load to its full answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from compute.hub import is_model_id, model_config
from compute.throughput.answer import assumptions_for
from compute.throughput.arrange import arrange, unknown_draft
from compute.throughput.compare import Arrange, Choice, arrange_all, choices_of, repairs
from compute.throughput.estimate import Question, estimate
from compute.throughput.fit import fits
from compute.throughput.hardware import Device, resolve_gpus
from compute.throughput.jsonl import answer_lines
from compute.throughput.library import Library
from compute.throughput.model import ModelSpec, build_model
from compute.throughput.plan import fewest_gpus, make_plan
from compute.throughput.reach import reaching
from compute.throughput.request import ThroughputRequest
from compute.throughput.result import Estimate, ThroughputResult
from compute.throughput.speculation import names_model
from compute.throughput.targets import Targets, parse_targets
from compute.tool import Context, Fix, Refused
from content.validate import validate_catalogues


class Calculator:
    """Answers requests from one library of catalogues."""

    def __init__(self, library: Library) -> None:
        self.library = library

    def waits(self, request: ThroughputRequest) -> bool:
        """Whether the model or its draft has to be fetched from the hub."""
        names = [request.draft_model] if _drafts_with_model(request) else []
        names += [request.model] if request.config is None else []
        return any(self.library.models.find(name) is None and is_model_id(name) for name in names)

    def prepare(self) -> None:
        """Read every catalogue; raises ``CatalogueError`` for the first cell that is wrong."""
        validate_catalogues()
        self.library.read_all()

    def batch(self, lines: Iterable[str], out: TextIO) -> tuple[int, int]:
        """One JSON answer for each line: how many were answered, how many were impossible."""
        return answer_lines(lines, out, self.library)

    async def run(self, request: ThroughputRequest, ctx: Context) -> ThroughputResult:
        """The whole answer. Raises ``Refused`` for what cannot be understood."""
        devices = resolve_gpus(request.gpu, self.library.gpus)
        parse_targets(request.slo)
        model = await self._model(request, ctx)
        return self.answer(request, model, devices, await self._draft(request, ctx))

    def answer(
        self,
        request: ThroughputRequest,
        model: ModelSpec,
        devices: list[Device],
        draft: ModelSpec | None = None,
    ) -> ThroughputResult:
        """The same once GPUs and models are known: pure arithmetic."""

        def arranged(changed: ThroughputRequest, device: Device) -> Question:
            return arrange(changed, model, device, self.library, draft)

        choices = choices_of(request, devices)
        questions, choices, left_out = arrange_all(choices, arranged)
        estimates = [
            self._estimate(question, choice, arranged)
            for question, choice in zip(questions, choices, strict=True)
        ]
        return ThroughputResult(
            model=model.id,
            model_name=model.name,
            params_b=model.total_params / 1e9,
            active_params_b=model.active_params / 1e9,
            isl=request.isl,
            osl=request.osl,
            estimates=estimates,
            plan=estimates[0].plan,
            fixes=repairs(request, questions, choices, self.library, arranged)
            or self._reaching(estimates, questions, choices, arranged),
            assumptions=assumptions_for(questions[0], self.library),
            left_out=left_out,
            fewest_gpus=fewest_gpus([found.plan for found in estimates]),
        )

    def _estimate(self, question: Question, choice: Choice, arranged: Arrange) -> Estimate:
        """The estimate with its plan, at the load of the plan where none was asked for."""
        request = choice.request
        if not (request.slo or request.rate):
            return estimate(question, self.library)
        targets = parse_targets(request.slo)
        if "concurrency" not in request.model_fields_set:
            question = _at_most(question, choice, targets, arranged)
        found = estimate(question, self.library)
        if not found.fits:
            return found
        speed = found.output_tps if request.osl else found.prefill_tps
        plan = make_plan(question, targets, request.rate, speed)
        return found.model_copy(update={"plan": plan})

    def _reaching(
        self,
        estimates: list[Estimate],
        questions: list[Question],
        choices: list[Choice],
        arranged: Arrange,
    ) -> list[Fix]:
        """Where no choice holds the targets: what would, for the choice nearest to them."""
        plans = [found.plan for found in estimates]
        if any(plan is None or plan.met for plan in plans):
            return []
        near = min(range(len(estimates)), key=lambda place: estimates[place].tpot_ms.value)
        targets = parse_targets(choices[near].request.slo)
        return reaching(questions[near], choices[near], targets, arranged, self.library.gpus)

    async def _model(self, request: ThroughputRequest, ctx: Context) -> ModelSpec:
        if request.config is not None:
            return build_model(request.model, request.config)
        found = self.library.models.find(request.model)
        if found is not None:
            return self.library.spec(found.id, found.config)
        nearest = tuple(model.id for model in self.library.models.nearest(request.model))
        if not is_model_id(request.model):
            raise Refused(
                "I don't know that model; any Hugging Face id works too (organisation/name).",
                field="model",
                given=request.model[:100],
                nearest=nearest,
                example=nearest[0] if nearest else "meta-llama/Llama-3.1-8B",
            )
        return build_model(request.model, await model_config(request.model, ctx, nearest))

    async def _draft(self, request: ThroughputRequest, ctx: Context) -> ModelSpec | None:
        """The draft's spec where it is a model of its own that the catalogue lacks."""
        name = request.draft_model
        if not _drafts_with_model(request) or self.library.models.find(name) is not None:
            return None
        if not is_model_id(name):
            raise unknown_draft(name, self.library)
        try:
            return build_model(name, await model_config(name, ctx))
        except Refused as refused:
            refusal = refused.refusal.model_copy(update={"field": "draft_model"})
            raise Refused(**refusal.model_dump(exclude={"our_fault", "fixes"})) from refused


def _at_most(question: Question, choice: Choice, targets: Targets, arranged: Arrange) -> Question:
    """The same under the most requests in flight that hold ``targets``, where any do."""
    if not fits(question.deployment, question.load):
        return question
    most = make_plan(question, targets, None).max_concurrency
    if most <= 1:
        return question
    return arranged(choice.request.model_copy(update={"concurrency": most}), choice.device)


def _drafts_with_model(request: ThroughputRequest) -> bool:
    return request.num_speculative_tokens != 0 and names_model(request.draft_model)
