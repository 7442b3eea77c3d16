"""Many interactions at a rate, and how soon each was answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tests.fakes.discord.reply import Reply
from tests.fakes.discord.world import Json

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord


@dataclass(frozen=True)
class Shot:
    """One interaction: ``/command options``, or ``typed`` into ``option`` of it."""

    command: str
    options: Json = field(default_factory=dict)
    option: str = ""
    typed: str = ""


@dataclass(frozen=True)
class LoadPlan:
    """What to fire. ``rate`` is interactions per second; 0 lets every user go on when answered.

    ``edit_timeout_s`` over 0 also waits for the first edit of each answer.
    """

    shots: tuple[Shot, ...]
    seconds: float
    rate: float = 0.0
    users: int = 10
    edit_timeout_s: float = 0.0


@dataclass
class LoadResult:
    """What came back; all times in ms, measured here."""

    sent: int = 0
    late: int = 0
    unedited: int = 0
    ack_ms: list[float] = field(default_factory=list)
    edit_ms: list[float] = field(default_factory=list)

    def as_json(self) -> Json:
        """Return the figures with their quantiles."""
        return {
            "sent": self.sent,
            "late": self.late,
            "unedited": self.unedited,
            "ack": quantiles(self.ack_ms),
            "edit": quantiles(self.edit_ms),
            "ack_ms": self.ack_ms,
            "edit_ms": self.edit_ms,
        }


def quantiles(values: list[float]) -> dict[Literal["n", "p50", "p90", "p99", "max"], Any]:
    """Return quantiles by nearest rank; empty values give only ``n``."""
    ranked = sorted(values)
    if not ranked:
        return {"n": 0}

    def rank(share: float) -> float:
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))]

    return {
        "n": len(ranked),
        "p50": rank(0.5),
        "p90": rank(0.9),
        "p99": rank(0.99),
        "max": ranked[-1],
    }


async def run_load(fake: FakeDiscord, plan: LoadPlan) -> LoadResult:
    """Fire the plan and wait for the last answer."""
    result = LoadResult()
    if plan.rate:
        await _open_loop(fake, plan, result)
    else:
        users = (_one_user(fake, plan, result, number) for number in range(plan.users))
        await asyncio.gather(*users)
    return result


async def _open_loop(fake: FakeDiscord, plan: LoadPlan, result: LoadResult) -> None:
    """Keep the rate whatever the answers do, as people do."""
    start = fake.now()
    async with asyncio.TaskGroup() as group:
        for number in range(int(plan.rate * plan.seconds)):
            await asyncio.sleep(max(0.0, start + number / plan.rate - fake.now()))
            group.create_task(_fire(fake, plan, result, number))


async def _one_user(fake: FakeDiscord, plan: LoadPlan, result: LoadResult, user: int) -> None:
    end, number = fake.now() + plan.seconds, user
    while fake.now() < end:
        await _fire(fake, plan, result, number)
        number += plan.users


async def _fire(fake: FakeDiscord, plan: LoadPlan, result: LoadResult, number: int) -> None:
    shot = plan.shots[number % len(plan.shots)]
    user = fake.user(f"user{number % plan.users}")
    result.sent += 1
    if shot.option:
        reply = await user.type_into(
            shot.command, shot.option, shot.typed, others=shot.options, wait=False
        )
    else:
        reply = await user.slash(shot.command, shot.options, wait=False)
    if not await fake.interactions.settle(reply.interaction, fake.ack_deadline_s):
        result.late += 1
        return
    result.ack_ms.append(reply.ack_ms)
    if plan.edit_timeout_s and not shot.option:
        await _await_edit(reply, plan, result)


async def _await_edit(reply: Reply, plan: LoadPlan, result: LoadResult) -> None:
    try:
        await reply.edited(timeout=plan.edit_timeout_s)
    except TimeoutError:
        result.unedited += 1
        return
    result.edit_ms.append(reply.first_edit_ms)
