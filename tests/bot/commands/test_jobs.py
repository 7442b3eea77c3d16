from __future__ import annotations

import time
from typing import Any

import pytest

from bot.command import answer
from bot.commands.jobs import COMMAND, SHOWN, JobsRequest, JobsResult, live, run
from bot.house import House
from bot.jobs.words import AskedRun, Delivery, Progress
from bot.render.discord import Shown, payload
from bot.runner import Asker, Outcome
from bot.view import Button, Heading, Link, Text, View, plain
from compute.tool import Refused
from tests.fakes.jobs import FakeJobs
from tests.sample import PlainContext

ALICE = Asker("discord", user_id="7")
INPUTS = {"op": "rms_norm", "dtype": "bf16", "shapes": None, "config": {"a": 1}}


class Runs(FakeJobs):
    """Whatever the test says that they asked for."""

    def __init__(self, *asked: AskedRun) -> None:
        super().__init__()
        self.asked = list(asked)

    async def of_user(self, user_id: str, limit: int = 10) -> list[AskedRun]:
        """Theirs alone."""
        return self.asked[:limit] if user_id == "7" else []


def asked(state: Any, number: int = 0, delivery: Delivery = "", **what: Any) -> AskedRun:
    ended = None if state in ("queued", "running") else time.time() - 300
    progress = Progress(f"{number}".rjust(22, "r"), "bench", state, **what)
    return AskedRun(progress, dict(INPUTS), ended, delivery)  # type: ignore[arg-type]


async def shown(*runs: AskedRun) -> View:
    result = await live(House(Runs(*runs)), JobsRequest(), ALICE)
    return answer(COMMAND, Outcome("j" * 22, COMMAND.tool, {}, JobsRequest(), result, None))


def lines(view: View) -> list[str]:
    return [plain(block.words) for block in view.blocks if isinstance(block, Text)]


async def test_each_run_says_its_state_and_where_its_answer_went() -> None:
    view = await shown(
        asked("queued", place=2, wait_low_s=38, wait_high_s=41),
        asked("queued", place=1, why="No worker with sm_100 is online."),
        asked("running", words="7 of 24 cells", worker="box", machine="H100 SXM"),
        asked("done", delivery="posted"),
        asked("done", delivery="page only"),
        asked("failed", delivery="by direct message"),
        asked("done", delivery="waiting"),
        asked("cancelled"),
    )
    name = "/bench rms_norm bf16"
    assert lines(view) == [
        f"1 {name} · you are 2nd in line, about 40 s",
        f"2 {name} · you are next · No worker with sm_100 is online.",
        f"3 {name} · H100 SXM on box · 7 of 24 cells",
        f"{name} · finished 5 min ago · answer",
        f"{name} · finished 5 min ago · I could not write to you, so it is on its page · answer",
        f"{name} · failed 5 min ago · answered by direct message · answer",
        f"{name} · finished 5 min ago · its answer is on the way · answer",
        f"{name} · cancelled 5 min ago",
    ]


async def test_what_is_open_and_nothing_else_can_be_cancelled() -> None:
    view = await shown(asked("done", 1), asked("queued", 2, place=1), asked("running", 3))
    buttons = [block for block in view.blocks if isinstance(block, Button)]
    ids = [f"{n}".rjust(22, "r") for n in (2, 3)]
    assert [(b.label, b.action, b.argument) for b in buttons] == [
        ("Cancel 1", "cancel", ids[0]),
        ("Cancel 2", "cancel", ids[1]),
    ]
    assert COMMAND.private and not [b for b in view.blocks if isinstance(b, Link)]


async def test_as_many_as_are_shown_fit_into_a_message() -> None:
    view = await shown(*(asked("queued", n, place=n + 1) for n in range(SHOWN)))
    sent = payload(view, Shown("j" * 22, "https://k2c.example"))
    text = str(sent)
    assert text.count("Cancel ") == SHOWN and "does not fit" not in text


async def test_nobody_sees_the_runs_of_another() -> None:
    result = await live(House(Runs(asked("queued"))), JobsRequest(), Asker("discord", user_id="8"))
    assert result == JobsResult(runs=())
    view = COMMAND.show(JobsRequest(), result)
    assert isinstance(view.blocks[0], Heading) and "no runs yet" in plain(view.blocks[0].words)


async def test_where_nobody_has_an_account_it_says_where_to_look() -> None:
    for asker in (Asker("web"), Asker("api", user_id="7"), Asker("discord")):
        with pytest.raises(Refused, match="Discord account"):
            await live(House(Runs(asked("queued"))), JobsRequest(), asker)
    with pytest.raises(Refused, match="running bot"):
        await run(JobsRequest(), PlainContext())
