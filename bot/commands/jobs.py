"""/jobs: one's own runs, how far they are, where their answers went, and Cancel."""

from __future__ import annotations

import time

from pydantic import BaseModel, ConfigDict, JsonValue

from bot.command import Command
from bot.house import House
from bot.jobs.words import AskedRun, Delivery, Progress
from bot.progress_view import duration, state_words, where
from bot.runner import Asker
from bot.view import Anchor, Block, Bold, Button, Code, Heading, Note, Span, Text, View
from compute.tool import Context, Refused, Request, Result, Tool

SHOWN = 10
NAME = 60  # characters of a run's name
WENT: dict[Delivery, str] = {
    "waiting": "its answer is on the way",
    "by direct message": "answered by direct message",
    "page only": "I could not write to you, so it is on its page",
}


class JobsRequest(Request):
    """Nothing to ask."""


class RunLine(BaseModel):
    """One run; ``said`` is its state in words, ``ended_s`` how long ago it was over."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    said: tuple[str, ...]
    open: bool
    answered: bool
    ended_s: float | None
    went: str


class JobsResult(Result):
    """One member's runs, the newest first."""

    runs: tuple[RunLine, ...]


async def run(request: JobsRequest, ctx: Context) -> JobsResult:
    """Only the running bot knows. Raises ``Refused``."""
    raise Refused("The running bot knows the runs: type /jobs in Discord.")


async def live(house: House, request: JobsRequest, asker: Asker) -> JobsResult:
    """The asker's own runs. Raises ``Refused`` where nobody is known by an account."""
    if asker.door != "discord" or not asker.user_id:
        raise Refused("I know whose run is whose by the Discord account: type /jobs there.")
    now = time.time()
    asked = await house.need_runs().of_user(asker.user_id, SHOWN)
    return JobsResult(runs=tuple(_line(one, now) for one in asked))


def _line(asked: AskedRun, now: float) -> RunLine:
    progress = asked.progress
    queued = progress.state == "queued"
    return RunLine(
        id=progress.result_id,
        name=_name(progress, asked.line_inputs),
        said=(where(progress), *state_words(progress), progress.why if queued else ""),
        open=not progress.ended,
        answered=progress.ended and progress.state != "cancelled",
        ended_s=max(now - asked.finished_at, 0.0) if asked.finished_at else None,
        went=WENT.get(asked.delivery, ""),
    )


def _name(progress: Progress, inputs: dict[str, JsonValue]) -> str:
    values = (str(v) for v in inputs.values() if v is not None and not isinstance(v, dict | list))
    name = " ".join(" ".join((f"/{progress.tool}", *values)).split())
    return name if len(name) <= NAME else name[: NAME - 1] + "\u2026"


def show(request: JobsRequest, result: JobsResult) -> View:
    """One line a run; what is open can be cancelled."""
    if not result.runs:
        return View((Heading((Bold("You have asked for no runs yet."),)),), tone="notice")
    waiting = sum(line.open for line in result.runs)
    head = f"{waiting} of your runs under way" if waiting else "None of your runs is under way"
    blocks: list[Block] = [Heading((Bold(head),))]
    buttons: list[Button] = []
    for line in result.runs:
        mark: tuple[Span, ...] = ()
        if line.open:
            number = str(len(buttons) + 1)
            mark = (Code(number), " ")
            buttons.append(Button(f"Cancel {number}", "cancel", line.id, "danger"))
        blocks.append(Text((*mark, Bold(line.name), *_told(line))))
    if len(result.runs) == SHOWN:
        blocks.append(Note((f"the newest {SHOWN}",)))
    return View((*blocks, *buttons), tone="notice")


def _told(line: RunLine) -> list[Span]:
    words = [word for word in line.said if word]
    if line.ended_s is not None and words:
        words[-1] += f" {duration(line.ended_s)} ago"
    words += [line.went] if line.went else []
    spans: list[Span] = [f" \u00b7 {word}" for word in words]
    return [*spans, " \u00b7 ", Anchor("answer", f"/r/{line.id}")] if line.answered else spans


COMMAND = Command(
    tool=Tool(
        name="jobs",
        title="Jobs",
        summary="Your runs on the workers: how far they are, and Cancel.",
        request=JobsRequest,
        result=JobsResult,
        run=run,
    ),
    options=(),
    show=show,
    live=live,
    private=True,
    user_installable=False,
)
