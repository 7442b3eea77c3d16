"""/workers: the machines that run jobs, what they have and what they do."""

from __future__ import annotations

import time

from pydantic import BaseModel, ConfigDict

from bot.command import Command, number
from bot.house import House
from bot.jobs.words import WorkerLine
from bot.progress_view import duration
from bot.runner import Asker
from bot.view import Block, Bold, Facts, Heading, Note, Span, Text, View
from compute.jobs.job import Machine
from compute.tool import Context, Refused, Request, Result, Tool

LANES = 3  # named of each worker; one with a GPU serves dozens


class WorkersRequest(Request):
    """Nothing to ask."""


class WorkerShown(BaseModel):
    """One worker. ``away_s``: seconds since it was heard of, None while it is online. ``load`` is
    the CPU's (1 = all cores), ``gpu_load`` the GPU's busy share, None where it cannot be read.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    machine: Machine
    lanes: tuple[str, ...]
    version: str
    away_s: float | None
    runs: str
    load: float
    gpu_load: float | None
    trouble: str


class WorkersResult(Result):
    """Every worker that is known, those online first."""

    workers: tuple[WorkerShown, ...]


async def run(request: WorkersRequest, ctx: Context) -> WorkersResult:
    """Only the running bot knows. Raises ``Refused``."""
    raise Refused("The running bot knows its workers: type /workers in Discord or on its pages.")


async def live(house: House, request: WorkersRequest, asker: Asker) -> WorkersResult:
    """All of them, from memory."""
    now = time.time()
    known = sorted(house.need_runs().workers(), key=lambda line: (not line.online, line.name))
    return WorkersResult(workers=tuple(_shown(line, now) for line in known))


def _shown(line: WorkerLine, now: float) -> WorkerShown:
    return WorkerShown(
        name=line.name,
        machine=line.machine,
        lanes=line.lanes,
        version=line.version,
        away_s=None if line.online else max(now - line.seen_at, 0.0),
        runs=line.tool if line.job else "",
        load=line.load,
        gpu_load=line.gpu_load,
        trouble=line.trouble,
    )


def show(request: WorkersRequest, result: WorkersResult) -> View:
    """How many there are, then each with its machine."""
    here = [w for w in result.workers if w.away_s is None]
    busy = sum(bool(w.runs) for w in here)
    if not result.workers:
        none = "No worker is attached."
        how = "Whoever operates this bot attaches one as docs/attach-a-gpu.md says."
        return View((Heading((Bold(none),)), Text((how,))), tone="notice")
    head = f"{len(here)} worker{'' if len(here) == 1 else 's'} online"
    blocks: list[Block] = [Heading((Bold(head), f", {busy} busy" if busy else ""))]
    for worker in result.workers:
        blocks += _worker(worker)
    return View(tuple(blocks), tone="notice")


def _worker(worker: WorkerShown) -> list[Block]:
    if worker.away_s is not None:
        gone = f" \u00b7 offline for {duration(worker.away_s)}"
        return [Text((Bold(worker.name), f" \u00b7 {_machine(worker.machine)}", gone))]
    does = f" \u00b7 runs {worker.runs}" if worker.runs else " \u00b7 free"
    does = does if worker.runs or not worker.trouble else ""
    spans: list[Span] = [Bold(worker.name), f" \u00b7 {_machine(worker.machine)}{does}"]
    blocks: list[Block] = [Text(tuple(spans)), Facts(tuple(_facts(worker)))]
    return blocks + ([Note((worker.trouble,))] if worker.trouble else [])


def _machine(machine: Machine) -> str:
    return machine.gpu or "no GPU"


def _facts(worker: WorkerShown) -> list[tuple[str, str]]:
    machine = worker.machine
    gpu = [("memory", f"{number(machine.memory_gib)} GiB"), ("driver", machine.driver)]
    gpu += [("capability", f"{machine.sm // 10}.{machine.sm % 10}")]
    software = [("torch", machine.torch), ("triton", machine.triton), ("k2c", worker.version)]
    cpu = f"{machine.cores} cores, {number(machine.host_gib)} GiB" if machine.cores else ""
    rows = [*(gpu if machine.sm else []), *software, ("host", cpu), ("load", _load(worker))]
    return [(name, value) for name, value in (*rows, ("lanes", _lanes(worker.lanes))) if value]


def _load(worker: WorkerShown) -> str:
    cpu = f"CPU {worker.load:.0%}"
    return f"GPU {worker.gpu_load:.0%}, {cpu}" if worker.gpu_load is not None else cpu


def _lanes(lanes: tuple[str, ...]) -> str:
    more = len(lanes) - LANES
    return ", ".join(lanes[:LANES]) + (f" and {more} more" if more > 0 else "")


COMMAND = Command(
    tool=Tool(
        name="workers",
        title="Workers",
        summary="The machines that run jobs: GPU, memory, software, load.",
        request=WorkersRequest,
        result=WorkersResult,
        run=run,
    ),
    options=(),
    show=show,
    live=live,
    private=True,
    user_installable=False,
)
