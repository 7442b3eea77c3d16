from __future__ import annotations

import time
from dataclasses import replace

import pytest

from bot.commands.workers import COMMAND, WorkersRequest, live, run
from bot.house import House
from bot.jobs.words import WorkerLine
from bot.render.columns import facts_lines
from bot.render.discord import WIDTH, Shown, payload
from bot.runner import Asker
from bot.view import Facts, Note, Text, View, plain
from compute.jobs.job import Machine
from compute.jobs.lanes import lanes_of
from compute.tool import Refused
from tests.fakes.jobs import FakeJobs
from tests.sample import PlainContext

H100 = Machine(
    gpu="NVIDIA H100 80GB HBM3", gpu_key="h100-sxm", memory_gib=79.6, sm=90, driver="580.65.06",
    torch="2.11.0+cu130", triton="3.6.0", cores=32, host_gib=251.7,
)  # fmt: skip
BOX = WorkerLine(
    "box", H100, lanes_of(H100), "0.1.0", True, time.time(), "j" * 22, "bench", 0.31, 0.97
)
LAPTOP = WorkerLine(
    "laptop", Machine(cores=8, host_gib=31.2), ("any",), "0.1.0", True, time.time(), "", "", 0.05,
    None,
)  # fmt: skip


async def shown(*lines: WorkerLine) -> View:
    jobs = FakeJobs()
    jobs.lines = list(lines)
    return COMMAND.show(
        WorkersRequest(), await live(House(jobs), WorkersRequest(), Asker("discord", user_id="7"))
    )


def words(view: View) -> list[str]:
    return [plain(b.words) for b in view.blocks if not isinstance(b, Facts)]  # type: ignore[union-attr]


async def test_each_worker_says_what_it_has_and_what_it_does() -> None:
    view = await shown(LAPTOP, BOX)
    assert words(view) == [
        "2 workers online, 1 busy",
        "box · NVIDIA H100 80GB HBM3 · runs bench",
        "laptop · no GPU · free",
    ]
    box, laptop = (dict(b.rows) for b in view.blocks if isinstance(b, Facts))
    assert box == {
        "memory": "79.6 GiB", "driver": "580.65.06", "capability": "9.0", "torch": "2.11.0+cu130",
        "triton": "3.6.0", "k2c": "0.1.0", "host": "32 cores, 252 GiB",
        "load": "GPU 97%, CPU 31%",
        "lanes": f"gpu-h100-sxm, cuda80-sm90, cuda64-sm90 and {len(BOX.lanes) - 3} more",
    }  # fmt: skip
    assert laptop == {
        "k2c": "0.1.0", "host": "8 cores, 31.2 GiB", "load": "CPU 5%", "lanes": "any",
    }  # fmt: skip


async def test_one_that_is_gone_says_since_when_and_stands_last() -> None:
    gone = replace(BOX, name="attic", online=False, seen_at=time.time() - 7300, job="", tool="")
    view = await shown(gone, LAPTOP)
    assert words(view) == [
        "1 worker online",
        "laptop · no GPU · free",
        "attic · NVIDIA H100 80GB HBM3 · offline for 2 h",
    ]


async def test_trouble_is_said_and_such_a_worker_is_not_called_free() -> None:
    trouble = "It runs version 0.0.9: update it."
    view = await shown(replace(LAPTOP, trouble=trouble))
    assert Note((trouble,)) in view.blocks
    assert next(b for b in view.blocks if isinstance(b, Text)).words[-1] == " · no GPU"


async def test_without_any_the_operator_is_told_how_to_attach_one() -> None:
    assert "attach-a-gpu" in words(await shown())[1]


async def test_no_line_is_wider_than_a_phone() -> None:
    for block in (await shown(BOX, LAPTOP)).blocks:
        if isinstance(block, Facts):
            assert max(map(len, facts_lines(block, WIDTH))) <= WIDTH


async def test_forty_workers_are_still_one_message() -> None:
    view = await shown(*(replace(BOX, name=f"box-{n}") for n in range(40)))
    assert "40 workers online, 40 busy" in words(view)[0]
    assert len(str(payload(view, Shown("j" * 22)))) < 10_000


async def test_a_terminal_is_told_where_to_ask() -> None:
    with pytest.raises(Refused, match="running bot"):
        await run(WorkersRequest(), PlainContext())
