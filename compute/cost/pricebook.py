"""Who sells which model: the price data of genai-prices, found by any usual name.

The data loads on first use (0.6 s, 40 MB), never when this module is imported. A background
thread may replace it (``start_refresh``); a refresh that fails leaves what was there.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from content.name_index import NameIndex
from content.names import Entry, entry, nearest, squeeze, words

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, Provider

PACKAGE = "genai-prices"
# The package carries no date of its own: the newest price of 0.2.3 that was in force when it was
# released; later start dates in it are announcements.
NEWEST_PRICE = {"0.2.3": dt.date(2026, 11, 9)}
LEAST_SHARE = 0.5  # of the models known so far that a refreshed list must have to be believed
ENDINGS = ("instruct", "it", "chat", "hf")
# One product under a seller's own word: its only listing of the plain model.
SOLD_AS = {"groq": ("versatile",), "together": ("turbo",), "cloudflare": ("fp8fast", "fp8")}
REGION = re.compile(r"^(?:global|regional|us|eu|apac|in|jp|au|ca)\.")
VENDOR = re.compile(r"^[a-z][a-z0-9-]*\.(?=[a-z])")
REVISION = re.compile(r"-v?\d+:\d+$")


# Sellers of their own models, whose names without a date mean the newest.
MAKERS = ("anthropic", "azure", "cohere", "deepseek", "google", "mistral", "openai", "x-ai")
NEUTRAL = (*ENDINGS, "latest", "preview", "exp")
SIZED = re.compile(r"\d+x?\d*[bme]")
# v0.1, 001, 2025-04-16, 06-17
VERSION = re.compile(r"(?<=[-_@])(?:v\d+(?:\.\d+)?|00\d|(?:20\d\d-)?\d\d-\d\d)\b")


@dataclass(frozen=True)
class Seller:
    """One provider's listing of a model."""

    provider: Provider
    model: ModelInfo


class Pricebook:
    """One state of the price data, indexed by the models' plain names."""

    def __init__(self, snapshot: DataSnapshot) -> None:
        self.providers: list[Provider] = snapshot.providers
        refreshed = snapshot.timestamp if snapshot.from_auto_update else None
        release = version(PACKAGE)
        self.source = f"{PACKAGE} {release}" + (", refreshed" if refreshed else ", bundled data")
        self.date = refreshed.date() if refreshed else _bundled_date(release, self.providers)
        self._index: dict[str, dict[str, Seller]] = {}
        self._ids = {(p.id, m.id.casefold()): m for p in self.providers for m in p.models}
        names: dict[str, str] = {}
        for provider in self.providers:
            for model in provider.models:
                self._add(Seller(provider, model), names)
        self._entries = tuple(_entry(name) for name in names.values())
        self._completion = NameIndex(self._entries)

    def _add(self, seller: Seller, names: dict[str, str]) -> None:
        key = plain_name(seller.provider.id, seller.model.id)
        here = self._index.setdefault(key, {})
        known = here.get(seller.provider.id)
        if known is None or len(seller.model.id) < len(known.model.id):
            here[seller.provider.id] = seller
        if seller.provider.id != "aws":  # its ids are nothing anybody types
            names.setdefault(key, seller.model.id)

    def sellers(self, name: str) -> list[Seller]:
        """Every provider's listing of the model, in the data's order of providers.

        Under the very id, else under the same plain name, else where the provider takes that name
        for the same model.
        """
        typed = name[:200].casefold()
        same = self._index.get(plain_name("", typed), {})
        found = []
        for provider in self.providers:
            exact = self._ids.get((provider.id, typed))
            if exact is None and provider.id in same:
                found.append(same[provider.id])
                continue
            own = exact or self.taken_for(provider, typed)
            if own is not None and (exact or same_model(provider.id, typed, own.id)):
                found.append(Seller(provider, own))
        return found

    def taken_for(self, provider: Provider, name: str) -> ModelInfo | None:
        """What the provider sells to who asks for ``name``; it may be another model's successor."""
        return provider.find_model(name[:200].casefold())

    def provider(self, name: str) -> Provider | None:
        """The provider of that id or display name, or nothing."""
        typed = squeeze(name)
        for provider in self.providers:
            if typed in (squeeze(provider.id), squeeze(provider.name)):
                return provider
        return None

    def nearest_models(self, name: str, limit: int = 3) -> tuple[str, ...]:
        """Models sold under a name close to ``name``, best first."""
        return tuple(item.value for item in nearest(name, self._entries, limit))

    def nearest_providers(self, name: str, limit: int = 3) -> tuple[str, ...]:
        """Provider ids close to ``name``, best first."""
        entries = [entry(p.id, p.id, (p.name,)) for p in self.providers]
        return tuple(item.value for item in nearest(name, entries, limit))

    def suggest_models(self, text: str, limit: int = 25) -> list[tuple[str, str]]:
        """(label, value) for completion."""
        return self._completion.suggest(text, limit)


def plain_name(provider_id: str, model_id: str) -> str:
    """The spelling under which a listing is the same model: no maker, no seller, no revision.

    ``openai/gpt-oss-120b``, ``accounts/fireworks/models/gpt-oss-120b`` and
    ``openai.gpt-oss-120b-1:0`` are all ``gptoss120b``; a ``:free`` or ``:batch`` is not.
    """
    name = model_id.casefold().strip().lstrip("~")
    if provider_id == "aws":
        name = VENDOR.sub("", REGION.sub("", REVISION.sub("", name)))
    name = name.rpartition("/")[2].removeprefix("databricks-").removeprefix("meta-")
    if ":" in name:
        return squeeze(model_id)
    if provider_id == "fireworks":
        name = re.sub(r"(?<=\d)p(?=\d)", ".", name)
    short = squeeze(name)
    for ending in (*SOLD_AS.get(provider_id, ()), *ENDINGS):
        short = short.removesuffix(ending) or short
    return short


def same_model(provider_id: str, typed: str, listed: str) -> bool:
    """Whether a listing that the price data matches to ``typed`` is that model, not its kin.

    The data matches by beginnings too: MiniMax-M2.7 to MiniMax-M2, a distilled Llama to
    deepseek-reasoner. What ``typed`` says more than the listing may only be a size, a kind of
    tuning or a date; a date of four digits names other weights, except at a maker's own API.
    """
    tail = VERSION.sub(" ", typed.casefold().rpartition("/")[2])
    more = [word for word in words(tail) if word not in words(listed.casefold())]
    maker = provider_id in MAKERS
    return all(
        word in NEUTRAL or SIZED.fullmatch(word) or _is_date(word, 4 if maker else 6)
        for word in more
    )


def sold_as(seller: Seller, typed: str) -> bool:
    """Whether what ``seller`` lists is the model that ``typed`` names."""
    provider, listed = seller.provider.id, seller.model.id
    plain = plain_name("", typed.casefold()) == plain_name(provider, listed)
    return plain or same_model(provider, typed, listed)


def _is_date(word: str, digits: int) -> bool:
    return word.isdigit() and digits <= len(word) <= 8


def _entry(model_id: str) -> Entry:
    return entry(model_id, model_id, (model_id.rpartition("/")[2],))


def _bundled_date(release: str, providers: Sequence[Provider]) -> dt.date:
    """The day of the newest price that the release knew to be in force."""
    if release in NEWEST_PRICE:
        return NEWEST_PRICE[release]
    today = dt.datetime.now(dt.UTC).date()
    starts = (start for p in providers for m in p.models for start in start_dates(m))
    return max((start for start in starts if start <= today), default=today)


def start_dates(model: ModelInfo) -> set[dt.date]:
    """The days on which a price of the model starts, announced ones included."""
    conditions: list[Any] = [*(model.price_variants or ())]
    if isinstance(model.prices, list):
        conditions += model.prices
    starts = (getattr(one.constraint, "start_date", None) for one in conditions)
    return {start for start in starts if start is not None}


class Books:
    """The index of the newest price data, built once for each state of it."""

    def __init__(self) -> None:
        self._snapshot: DataSnapshot | None = None
        self._book: Pricebook | None = None

    def newest(self) -> Pricebook:
        """The prices as they are now: refreshed where a refresh worked, bundled otherwise."""
        from genai_prices.data_snapshot import get_snapshot

        snapshot = get_snapshot()
        if self._book is None or self._snapshot is not snapshot:
            self._book, self._snapshot = Pricebook(snapshot), snapshot
        return self._book


BOOKS = Books()  # reads nothing until it is first asked


def start_refresh(url: str | None = None, interval_s: float = 3600.0) -> Callable[[], None]:
    """Fetch newer prices now and every ``interval_s`` in a thread of its own; returns its stop.

    Never waits and never raises for the network: what fails is logged and the data stays. A list
    that lost more than half of the models is not believed.
    """
    from genai_prices import UpdatePrices
    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.update_prices import DEFAULT_UPDATE_URL

    class Checked(UpdatePrices):
        """Refuses a list that lost most of its models."""

        def fetch(self) -> DataSnapshot | None:
            found = super().fetch()
            if found is not None and _models_in(found) < LEAST_SHARE * _models_in(get_snapshot()):
                raise ValueError(f"only {_models_in(found):,} models in the refreshed prices")
            return found

    updates = Checked(url=url or DEFAULT_UPDATE_URL, update_interval=interval_s)
    updates.start(wait=False)
    return updates.stop


def _models_in(snapshot: DataSnapshot) -> int:
    return sum(len(provider.models) for provider in snapshot.providers)
