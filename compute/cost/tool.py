"""The Cost Calculator: a model and its traffic to the month at every provider and on every GPU."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from functools import cached_property

from compute.cost import replica
from compute.cost.answer import Compared, answer_of
from compute.cost.choices import USUAL, Choice, choices_of
from compute.cost.load import Load, load_of
from compute.cost.offers import RENTS, Offer, offers_of, parse_pricing, sellers_of
from compute.cost.pricebook import BOOKS, Pricebook, Seller
from compute.cost.prices import unknown_model
from compute.cost.replica import Machine, Spec
from compute.cost.request import DEFAULT_SLO, CostRequest
from compute.cost.result import CostResult
from compute.tool import Context, FetchError, Refused
from content.gpu_prices import GpuPrices, load_gpu_prices
from content.names import squeeze
from content.traffic import TrafficCatalogue, load_traffic
from content.validate import validate_catalogues

CHOICES = (*RENTS, "standard", "batch", "flex", "priority")
LEAST_TYPED = 5  # letters and digits that a name must have to stand for a longer one
Clock = Callable[[], dt.datetime]


def now_utc() -> dt.datetime:
    """The time of day in UTC."""
    return dt.datetime.now(dt.UTC)


class Calculator:
    """Answers requests from the catalogues and the newest price data."""

    def __init__(self, clock: Clock = now_utc) -> None:
        self._clock = clock

    @cached_property
    def gpu_prices(self) -> GpuPrices:
        """The snapshot of GPU prices."""
        return load_gpu_prices()

    @cached_property
    def traffic(self) -> TrafficCatalogue:
        """The published traffic profiles."""
        return load_traffic()

    def prepare(self) -> None:
        """Read every catalogue and the price data: 1 s, in a thread at start."""
        validate_catalogues()
        replica.prepare()
        BOOKS.newest()
        assert self.gpu_prices is not None and self.traffic is not None

    def waits(self, request: CostRequest) -> bool:
        """Whether the model's shape has to be fetched from the hub."""
        return replica.on_hub(request.model) and _may_be_open(request)

    async def run(self, request: CostRequest, ctx: Context) -> CostResult:
        """The whole answer. Raises ``Refused`` for what cannot be understood."""
        parse_pricing(request.pricing)
        slo = request.slo or DEFAULT_SLO
        replica.check_slo(slo)
        book, sellers = await asyncio.to_thread(_market, request)
        spec, trouble = await self._spec(request, sellers, book, ctx)
        # 30 to 150 ms of arithmetic, which the event loop must not wait for.
        return await asyncio.to_thread(self._answer, request, book, sellers, spec, trouble)

    def suggest_models(self, text: str) -> Sequence[tuple[str, str]]:
        """(label, value): names providers sell, then catalogue models; from memory."""
        sold = BOOKS.newest().suggest_models(text)
        return list(dict.fromkeys((*replica.suggest_known(text), *sold)))

    def suggest_gpus(self, text: str) -> Sequence[tuple[str, str]]:
        """(label, value) of GPUs; of a comma list the last is completed."""
        return replica.suggest_gpus(text)

    def suggest_traffic(self, text: str) -> Sequence[tuple[str, str]]:
        """(label, value) of traffic profiles."""
        return self.traffic.suggest(text)

    def suggest_pricing(self, text: str) -> Sequence[tuple[str, str]]:
        """(label, value) of ways to pay; the last word is completed."""
        *done, last = text.casefold().split(" ")
        head = " ".join([*done, ""])
        return [(head + word, head + word) for word in CHOICES if word.startswith(last)]

    async def _spec(
        self, request: CostRequest, sellers: Sequence[Seller], book: Pricebook, ctx: Context
    ) -> tuple[Spec | None, str]:
        """The model's shape, or why it cannot be self-hosted. Raises ``Refused`` if unknown."""
        known = replica.known_model(request.model)
        if known is not None:
            return known, ""
        if self.waits(request):
            try:
                return await replica.hub_model(request.model, ctx), ""
            except (Refused, FetchError) as error:
                if not sellers and request.api_usd_per_mtok_in is None:
                    raise
                return None, f"Self-hosting is left out: {error}"
        if sellers or request.api_usd_per_mtok_in is not None:
            return None, _no_weights(request, sellers)
        refusal = unknown_model(book, request.model).refusal
        near = tuple(dict.fromkeys((*refusal.nearest, *replica.nearest_known(request.model))))
        raise Refused(
            "I don't know that model: no provider in the price data sells it, and it is not in"
            " the catalogue; any Hugging Face id works too (organisation/name).",
            field="model",
            given=refusal.given,
            nearest=near[:4],
            example=refusal.example,
        )

    def _answer(
        self,
        request: CostRequest,
        book: Pricebook,
        sellers: Sequence[Seller],
        spec: Spec | None,
        trouble: str,
    ) -> CostResult:
        """Everything once the model is known: pure arithmetic."""
        at = self._moment(request)
        load = load_of(request, self.traffic)
        offers = offers_of(request, load, book, sellers, at)
        choices = self._choices(request, load, spec, at.date())
        compared = Compared(request, load, at, offers, choices, book, trouble)
        return answer_of(
            compared,
            self._recached(request, load, spec, compared.best),
            model_name=_display(request, spec, offers),
            hub_id=spec.id if spec is not None else None,
            maybe_hub_id=_hub_id(request, spec, sellers),
            gpu_prices_date=_newest(self.gpu_prices),
        )

    def _moment(self, request: CostRequest) -> dt.datetime:
        if request.start is None:
            return self._clock()
        return dt.datetime(
            request.start.year, request.start.month, request.start.day, tzinfo=dt.UTC
        )

    def _choices(
        self, request: CostRequest, load: Load, spec: Spec | None, today: dt.date
    ) -> list[Choice]:
        if spec is None:
            return []
        question = _question(request, load, load.cached_share)
        devices = replica.devices_for(request.gpu, USUAL)
        machines = [replica.machine(device, spec, question) for device in devices]
        rent, _ = parse_pricing(request.pricing)
        return choices_of(request, load, machines, self.gpu_prices, rent, today)

    def _recached(
        self, request: CostRequest, load: Load, spec: Spec | None, best: Choice | None
    ) -> Callable[[float], Machine | None]:
        """The best GPU's replicas with another share of the prompt in the cache."""

        def again(share: float) -> Machine | None:
            if spec is None or best is None:
                return None
            devices = replica.devices_for(request.gpu, USUAL)
            same = [d for d in devices if (d.key or d.name) == best.machine.gpu]
            return replica.machine(same[0], spec, _question(request, load, share))

        return again


def _market(request: CostRequest) -> tuple[Pricebook, list[Seller]]:
    """The newest prices and who sells the model."""
    book = BOOKS.newest()
    return book, sellers_of(request, book)


def _question(request: CostRequest, load: Load, cached_share: float) -> replica.Question:
    return replica.Question(
        isl=max(1, round(load.isl)),
        osl=round(load.osl),
        slo=request.slo or DEFAULT_SLO,
        cached_share=cached_share,
        weight_dtype=request.weight_dtype,
        n_gpus=request.n_gpus,
    )


def _may_be_open(request: CostRequest) -> bool:
    """Whether the hub may know the weights: nobody sells it, or a seller of open weights does."""
    sellers = BOOKS.newest().sellers(request.model)
    asked = bool(request.gpu)
    return asked or not sellers or any(s.provider.id.startswith("huggingface") for s in sellers)


def _no_weights(request: CostRequest, sellers: Sequence[Seller]) -> str:
    found = _hub_id(request, None, sellers)
    hint = f" Its Hugging Face id may be {found}." if found else ""
    return f"Self-hosting is left out: no open weights of {request.model[:80]} are known.{hint}"


def _hub_id(request: CostRequest, spec: Spec | None, sellers: Sequence[Seller]) -> str | None:
    """Where the weights of a model that the catalogue lacks may be: the id under which a seller
    of open weights lists it, else the catalogue's model whose name holds the typed one."""
    if spec is not None:
        return None
    ids = [s.model.id for s in sellers if s.provider.id.startswith("huggingface")]
    typed = squeeze(request.model.rpartition("/")[2])
    if len(typed) >= LEAST_TYPED:
        ids += [known for known in replica.nearest_known(request.model) if typed in squeeze(known)]
    return next((one for one in ids if one.casefold() != request.model.casefold()), None)


def _display(request: CostRequest, spec: Spec | None, offers: Sequence[Offer]) -> str:
    if spec is not None:
        return spec.name
    return next((offer.model_name for offer in offers), request.model)


def _newest(prices: GpuPrices) -> str:
    return max((o.date.isoformat() for o in prices if o.date is not None), default="")
