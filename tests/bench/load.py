"""The same people at the same rate for two bots, and what each person saw when."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.bench.harness import Bot
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord import limits as discord_limits
from tests.fakes.discord.interactions import COMMAND, Interaction
from tests.fakes.discord.load import LoadPlan, LoadResult, Shot, run_load
from tests.fakes.discord.world import Json

RATE = 20.0  # interactions a second, of 50 people
USERS = 50
PICTURES_S = 30.0  # for the last chart after the last shot

# Each fits on each of the GPUs, so that every answer has a chart.
MODELS = (
    "meta-llama/Llama-3.1-8B",
    "Qwen/Qwen2.5-7B-Instruct",
    "mistralai/Mistral-7B-Instruct-v0.3",
    "google/gemma-2-9b-it",
    "Qwen/Qwen3-8B",
)
GPUS = ("h100", "h200", "a100", "b200", "mi300x", "l40s")
TYPED_GPUS = ("h", "h1", "a10", "mi", "rtx 40", "b2", "", "l4")
TYPED_MODELS = ("llama", "qwen3", "70b", "gemma", "mistral 7", "d", "", "8b")


@dataclass
class Seen:
    """How the charts of one leg came: in the first answer, by an edit, or as a button."""

    at_once: int = 0
    edited: int = 0
    button: int = 0
    edit_ms: list[float] = field(default_factory=list)


@dataclass
class Leg:
    """One bot under load for some seconds. Lag is the event loop's, of our bot alone.

    ``refused`` counts the requests so far that got no 2xx answer.
    """

    load: LoadResult
    cpu_s: float
    lag_p99_ms: float | None = None
    lag_max_ms: float | None = None
    refused: int = 0


def questions(count: int, *, start: int, new_every: int) -> list[Json]:
    """Options of /throughput; every ``new_every``-th was never asked before, the rest often."""
    asked = []
    for place in range(count):
        new = place % new_every == 0
        serial = start + place if new else place % (len(GPUS) * len(MODELS))
        asked.append(
            {
                "gpu": GPUS[serial % len(GPUS)],
                "model": MODELS[serial // len(GPUS) % len(MODELS)],
                "batch": str(1 + serial % 48),
                "input": 1000 + serial if new else 512,
            }
        )
    return asked


def answers_plan(command: str, asked: list[Json]) -> LoadPlan:
    """Ask all of them once."""
    shots = tuple(Shot(command, options) for options in asked)
    return LoadPlan(shots, seconds=len(asked) / RATE, rate=RATE, users=USERS)


def typing_plan(command: str, seconds: float) -> LoadPlan:
    """People typing into the two options that complete."""
    pairs = zip(TYPED_GPUS, TYPED_MODELS, strict=True)
    shots = [
        shot
        for gpu, model in pairs
        for shot in (
            Shot(command, {}, "gpu", gpu),
            Shot(command, {"gpu": "h100"}, "model", model),
        )
    ]
    return LoadPlan(tuple(shots), seconds=seconds, rate=RATE, users=USERS)


async def fire(fake: FakeDiscord, bot: Bot, plan: LoadPlan, *, ours: bool) -> Leg:
    """Run the plan; nobody may be left without an answer in time."""
    before_s = bot.cpu_s()
    load = await run_load(fake, plan)
    health = await bot.health() if ours else {}
    assert load.late == 0, f"{load.late} of {load.sent} answers came late"
    assert load.sent == int(plan.rate * plan.seconds) == len(load.ack_ms)
    await asyncio.sleep(0.5)
    cpu_s = bot.cpu_s() - before_s
    refused = sum(not 200 <= call.status < 300 for call in fake.requests)
    return Leg(load, cpu_s, health.get("lag_p99_ms"), health.get("lag_max_ms"), refused)


async def pictures(fake: FakeDiscord, known: set[str]) -> Seen:
    """How the charts came of all commands but ``known``; each must have a picture or a button."""
    all_of = fake.interactions.by_id
    asked = [i for key, i in all_of.items() if key not in known and i.kind == COMMAND]
    await fake.wait_for(lambda: all(_shows(i) for i in asked), PICTURES_S)
    seen = Seen()
    for interaction in asked:
        first, *later = interaction.history
        if first.message is not None and first.message["attachments"]:
            seen.at_once += 1
        elif interaction.response is not None and interaction.response.json["attachments"]:
            seen.edited += 1
            seen.edit_ms.append(later[0].at_ms)
        else:
            seen.button += 1
    return seen


def _shows(interaction: Interaction) -> bool:
    stored = interaction.response
    if stored is None:
        return False
    labels = [c.get("label") for _, c in discord_limits.walk(stored.json["components"])]
    return bool(stored.json["attachments"]) or "Chart" in labels
