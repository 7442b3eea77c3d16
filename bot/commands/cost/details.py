"""Behind the Assumptions button: what is taken for granted, every price, and what if."""

from __future__ import annotations

from bot.command import number
from bot.commands.cost.money import UNKNOWN, amount, distinct, fleet, several, usd
from bot.view import Block, Bold, Facts, Heading, Note, Table, Text, View
from compute.cost.request import CostRequest
from compute.cost.result import CostResult, GpuChoice, ProviderCost, Scenario
from compute.cost.words import percent, seller

MOST_PROVIDERS = 12
MOST_GPUS = 8
MOST_EXPLAINED = 3


def details(request: CostRequest, result: CostResult) -> View:
    """Assumptions with sources and dates, then the tables behind the answer."""
    blocks: list[Block] = [Heading((Bold("What this cost assumes"),))]
    for assumption in result.assumptions:
        blocks.append(Text((f"• {assumption.text}",)))
        source = " · ".join(part for part in (assumption.source, assumption.date) if part)
        if source:
            blocks.append(Note((source,)))
    blocks += _sensitivity(result)
    blocks += _gpus(result)
    blocks += _providers(result)
    blocks += _forecast(result)
    return View(tuple(blocks), tone="notice")


def _sensitivity(result: CostResult) -> list[Block]:
    if not result.sensitivity:
        return []
    rows = tuple(_scenario(scenario) for scenario in result.sensitivity)
    return [Table(("if", "API", "own"), rows, title="USD a month")]


def _scenario(scenario: Scenario) -> tuple[str, ...]:
    name = scenario.name.replace(" of the prompt cached", " cached").replace("throughput", "speed")
    return (name, amount(scenario.api_usd), amount(scenario.selfhost_usd))


def _gpus(result: CostResult) -> list[Block]:
    feasible = [choice for choice in result.gpus if choice.feasible][:MOST_GPUS]
    if not feasible:
        return []
    rows = tuple(_gpu_row(choice) for choice in feasible)
    blocks: list[Block] = [
        Table(("GPUs", "$/h", "used", "month"), rows, title="own GPUs: USD an hour, a month")
    ]
    best = feasible[0]
    if len(best.lines) > 1:
        blocks.append(Facts(tuple((line.name, usd(line.usd_per_month)) for line in best.lines)))
    blocks += [Note((_explained(choice),)) for choice in feasible[:MOST_EXPLAINED]]
    return blocks


def _gpu_row(choice: GpuChoice) -> tuple[str, ...]:
    hourly = f"{choice.price.median:,.2f}" if choice.price else UNKNOWN
    month = choice.usd_per_month
    return (
        fleet(choice, "\u2264"),
        hourly,
        percent(choice.utilization),
        amount(month.value if month else None),
    )


def _explained(choice: GpuChoice) -> str:
    parts = [
        f"{choice.gpu_name}: a replica is {several(choice.n_gpus_per_replica, 'GPU')}"
        f" ({choice.weight_dtype}{', ' + choice.parallel if choice.parallel else ''})",
        f"serves {number(choice.replica_rps)} requests/s in {choice.slots_per_replica:,} slots",
        f"D {number(choice.demand_replicas)}, N {choice.replicas:,}"
        f" (mean {number(choice.mean_replicas)})",
        f"chance to wait at the peak {percent(choice.wait_probability)}",
    ]
    return "; ".join(parts)


def _providers(result: CostResult) -> list[Block]:
    """Prices of each; one seller's prices under another's name stand there once."""
    shown = distinct(result.providers, MOST_PROVIDERS)
    if not shown:
        return []
    title = "API, USD: month, Mtok in and out"
    rows = tuple(
        (seller(o.provider_name), amount(o.usd_per_month), _rate(o.price_in), _rate(o.price_out))
        for o in shown
    )
    blocks: list[Block] = [Table(("provider", "month", "in", "out"), rows, title=title)]
    cached = tuple(
        (seller(o.provider_name), _rate(o.price_cached))
        for o in shown
        if o.price_cached is not None
    )
    if cached:
        blocks.append(Table(("provider", "cached"), cached, title="USD per Mtok read from a cache"))
    left = len(result.providers) - len(shown)
    more = [f"{left} more (the same price, dearer, or unknown) are in the JSON."] if left else []
    more += [note for offer in shown[:MOST_EXPLAINED] for note in _named(offer)]
    return blocks + [Note((text,)) for text in dict.fromkeys(more)]


def _rate(usd_per_mtok: float | None) -> str:
    return "-" if usd_per_mtok is None else f"{usd_per_mtok:.3g}"


def _named(offer: ProviderCost) -> list[str]:
    return [f"{seller(offer.provider_name)}: {note}" for note in offer.notes]


def _forecast(result: CostResult) -> list[Block]:
    """First, middle and last month, where anything changes on the way."""
    months = result.forecast
    moves = len({(m.api_usd, m.selfhost_usd) for m in months}) > 1
    if len(months) < 2 or not moves:
        return []
    places = sorted({0, len(months) // 2, len(months) - 1})
    rows = tuple(
        (months[p].month[:7], amount(months[p].api_usd), amount(months[p].selfhost_usd))
        for p in places
    )
    blocks: list[Block] = [Table(("month", "API", "own"), rows, title="forecast, USD a month")]
    return blocks + [Note((change.sentence,)) for change in result.price_changes]
