"""Who is there: the workers' cards, how fresh they are, and what each can take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from bot.jobs.order import Hand, Kind
from bot.jobs.words import WorkerLine
from compute.jobs.job import PROTOCOL, Card
from compute.jobs.lanes import ANY, GPU_LANE, is_lane
from compute.jobs.subjects import Timing

MAX_CARD_BYTES = 32 * 1024
MAX_WORKERS = 500


@dataclass(frozen=True, slots=True)
class Seen:
    """A card and when it came, in monotonic and in Unix seconds."""

    card: Card
    at: float
    unix: float


class Presence:
    """The cards of all workers. ``schemas``: tool name -> the schema that this bot means."""

    def __init__(
        self,
        timing: Timing,
        schemas: Mapping[str, str],
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._timing = timing
        self._schemas = schemas
        self._monotonic = monotonic
        self._clock = clock
        self._seen: dict[str, Seen] = {}

    def take(self, worker: str, raw: bytes, age_s: float) -> bool:
        """Note the card under ``worker``, written ``age_s`` ago; False if it is none of its own."""
        if len(raw) > MAX_CARD_BYTES:
            return False
        if len(self._seen) >= MAX_WORKERS and worker not in self._seen:
            return False
        try:
            card = Card.model_validate_json(raw)
        except ValidationError:
            return False
        if card.name != worker or not all(is_lane(lane) for lane in card.lanes):
            return False
        age_s = min(max(age_s, 0.0), 3 * self._timing.gone_s)
        self._seen[worker] = Seen(card, self._monotonic() - age_s, self._clock() - age_s)
        return True

    def leave(self, worker: str) -> None:
        """The worker took its card away: it is gone at once."""
        if seen := self._seen.get(worker):
            self._seen[worker] = Seen(seen.card, float("-inf"), seen.unix)

    def online(self, worker: str) -> bool:
        """Whether its card is fresh."""
        seen = self._seen.get(worker)
        return seen is not None and self._monotonic() - seen.at < self._timing.gone_s

    def lanes(self, worker: str) -> frozenset[str] | None:
        """The lanes on its card, None when it has shown none."""
        seen = self._seen.get(worker)
        return frozenset(seen.card.lanes) if seen else None

    def job(self, worker: str) -> str:
        """The job that an online worker says it runs, else ""."""
        return self._seen[worker].card.job if self.online(worker) else ""

    def machine(self, worker: str) -> str:
        """Its GPU, or what processor it has, in words; "" when it has shown no card."""
        seen = self._seen.get(worker)
        return (seen.card.machine.gpu or seen.card.machine.cpu) if seen else ""

    def names(self) -> list[str]:
        """All that were ever seen, by name."""
        return sorted(self._seen)

    def hands(self, running: Mapping[str, str]) -> list[Hand]:
        """The online workers that take jobs of ours; ``running``: worker -> job, as states say."""
        return [
            Hand(
                worker=name,
                lanes=frozenset(seen.card.lanes),
                tools=frozenset(seen.card.tools.items()),
                free=name not in running,
            )
            for name, seen in self._seen.items()
            if seen.card.protocol == PROTOCOL and self.online(name)
        ]

    def serves(self, lane: str) -> bool:
        """Whether any worker of that lane is online, busy or not."""
        return any(lane in s.card.lanes for name, s in self._seen.items() if self.online(name))

    def lacking(self, kind: Kind) -> str:
        """Why nobody who is online can do such a run, or "" when somebody can."""
        online = [seen.card for name, seen in self._seen.items() if self.online(name)]
        serving = [card for card in online if kind.lane in card.lanes]
        if not serving:
            return f"No worker {lane_words(kind.lane)} is online." if online else NOBODY
        if any(
            c.protocol == PROTOCOL and c.tools.get(kind.tool) == kind.schema_id for c in serving
        ):
            return ""
        return (
            f"No up-to-date worker {lane_words(kind.lane)} is online: "
            f"{_listed([card.name for card in serving])} must be updated to run {kind.tool}."
        )

    def lines(self, tools: Mapping[str, str]) -> list[WorkerLine]:
        """What /workers shows, by name; ``tools``: job -> tool of what runs."""
        return [self._line(name, self._seen[name], tools) for name in self.names()]

    def forget_long_gone(self, after_s: float) -> None:
        """Drop workers without a card for that long."""
        limit = self._clock() - after_s
        for name in [n for n, seen in self._seen.items() if seen.unix < limit]:
            del self._seen[name]

    def _line(self, name: str, seen: Seen, tools: Mapping[str, str]) -> WorkerLine:
        card, online = seen.card, self.online(name)
        return WorkerLine(
            name=name,
            machine=card.machine,
            lanes=card.lanes,
            version=card.version,
            online=online,
            seen_at=seen.unix,
            job=card.job if online else "",
            tool=tools.get(card.job, "") if online else "",
            load=card.load,
            gpu_load=card.gpu_load,
            trouble=self._trouble(card),
        )

    def _trouble(self, card: Card) -> str:
        if card.protocol != PROTOCOL:
            older = "older" if card.protocol < PROTOCOL else "newer"
            return f"It takes no jobs: its version ({card.version}) is {older} than the bot's."
        differing = sorted(
            name for name, schema in card.tools.items() if self._schemas.get(name, schema) != schema
        )
        if differing:
            return f"Another version ({card.version}) of {_listed(differing)}: update it."
        return ""


NOBODY = "No worker is online."


def lane_words(lane: str) -> str:
    """A lane in words that follow "worker": "with sm_90", "with a GPU of 80 GiB and sm_90"."""
    if lane == ANY:
        return "of any kind"
    if lane.startswith(GPU_LANE):
        return f"with the GPU {lane.removeprefix(GPU_LANE)}"
    memory, _, sm = lane.removeprefix("cuda").rpartition("sm")
    memory = memory.strip("-") if sm and "sm" in lane else lane.removeprefix("cuda")
    sm_words = f"sm_{sm}" if "sm" in lane else ""
    gpu = f"a GPU of {memory} GiB" if memory else ""
    return "with " + (" and ".join(part for part in (gpu, sm_words) if part) or "a CUDA GPU")


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
