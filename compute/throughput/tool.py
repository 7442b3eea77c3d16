"""The Throughput Calculator: a request about GPUs, a model and a load to its full answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from compute.hub import is_model_id, model_config
from compute.throughput.answer import assumptions_for
from compute.throughput.arrange import arrange
from compute.throughput.estimate import Question, estimate
from compute.throughput.fit import fits, fixes_for
from compute.throughput.hardware import Device, resolve_gpus
from compute.throughput.jsonl import answer_lines
from compute.throughput.library import Library
from compute.throughput.model import ModelSpec, build_model
from compute.throughput.plan import make_plan
from compute.throughput.request import ThroughputRequest
from compute.throughput.result import SloPlan, ThroughputResult
from compute.throughput.targets import parse_targets
from compute.tool import Context, Fix, Refused
from content.validate import validate_catalogues


class Calculator:
    """Answers requests from one library of catalogues."""

    def __init__(self, library: Library) -> None:
        self.library = library

    def waits(self, request: ThroughputRequest) -> bool:
        """Whether the model has to be fetched from the hub."""
        known = self.library.models.find(request.model)
        return request.config is None and known is None and is_model_id(request.model)

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
        return self.answer(request, model, devices)

    def answer(
        self, request: ThroughputRequest, model: ModelSpec, devices: list[Device]
    ) -> ThroughputResult:
        """The same once GPUs and model are known: pure arithmetic."""
        questions = [arrange(request, model, device, self.library) for device in devices]
        first = questions[0]
        return ThroughputResult(
            model=model.id,
            model_name=model.name,
            params_b=model.total_params / 1e9,
            active_params_b=model.active_params / 1e9,
            isl=request.isl,
            osl=request.osl,
            estimates=[estimate(question, self.library) for question in questions],
            plan=self._plan(request, first),
            fixes=self._fixes(request, questions),
            assumptions=assumptions_for(first, self.library),
        )

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

    def _plan(self, request: ThroughputRequest, first: Question) -> SloPlan | None:
        if not (request.slo or request.rate) or not fits(first.deployment, first.load):
            return None
        return make_plan(
            first.deployment,
            first.rates,
            first.load,
            parse_targets(request.slo),
            request.rate,
            first.parameters,
        )

    def _fixes(self, request: ThroughputRequest, questions: list[Question]) -> list[Fix]:
        """Repairs for the first GPU, where none of those compared can serve the request."""
        if any(fits(question.deployment, question.load) for question in questions):
            return []
        first = questions[0]
        return fixes_for(first.deployment, first.load, request.kv_dtype, self.library.gpus)
