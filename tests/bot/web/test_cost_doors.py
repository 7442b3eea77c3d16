"""/cost at the API, the page and the terminal: the same numbers, whatever the door."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bot.commands.cost import COMMAND
from bot.terminal import run_tool
from content.tables import CATALOGUE
from tests.bot.web import conftest
from tests.bot.web.conftest import Pages, Serve

ASKED = {"model": "openai/gpt-oss-120b", "gpu": "h100", "requests_per_day": 200_000,
         "input": 1200, "output": 300, "start": "2026-11-23"}  # fmt: skip
FIELDS = {"model": "openai/gpt-oss-120b", "gpu": "h100", "requests_per_day": 200_000,
          "isl": 1200, "osl": 300, "start": "2026-11-23"}  # fmt: skip
TRACE = "timestamp,input_tokens,output_tokens\n" + "".join(
    f"{n * 60},{100 + n},{20 + n}\n" for n in range(100)
)


@pytest.fixture
async def cost(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Pages:
    """Pages that hold this command alone."""
    monkeypatch.setattr(conftest, "COMMANDS", {"cost": COMMAND})
    return await serve()


async def post(pages: Pages, body: dict[str, Any]) -> tuple[int, Any]:
    async with pages.http.post("/api/tools/cost", json=body) as reply:
        return reply.status, await reply.json()


async def test_every_door_gives_the_same_result(
    cost: Pages, capsys: pytest.CaptureFixture[str]
) -> None:
    status, short = await post(cost, ASKED)
    assert status == 200
    _, full = await post(cost, FIELDS)
    assert short["result"] == full["result"]
    line = " ".join(f"{name}:{value}" for name, value in ASKED.items())
    typed = await cost.run(f"/cost {line}")
    assert short["result"]["headline"].removesuffix(".") in await cost.page(f"/r/{typed['id']}")
    flags = [word for name, value in ASKED.items() for word in (f"--{name}", str(value))]
    # in a thread: the terminal has a loop of its own
    assert await asyncio.to_thread(run_tool, COMMAND, [*flags, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == short["result"]


async def test_ones_own_traffic_goes_in_as_a_record_or_a_csv(cost: Pages) -> None:
    record = json.loads((CATALOGUE / "traffic_profiles.json").read_text())["profiles"]
    status, own = await post(cost, ASKED | {"profile": record["servegen-deepseek-r1"]})
    assert status == 200
    _, named = await post(cost, ASKED | {"traffic": "servegen-deepseek-r1"})
    assert own["result"]["gpus"] == named["result"]["gpus"]
    status, traced = await post(cost, {"model": ASKED["model"], "gpu": "h100", "trace_csv": TRACE})
    assert status == 200
    assert traced["result"]["traffic"]["isl"] == pytest.approx(149.5)
    assert "trace_csv" not in traced["request"]


@pytest.mark.parametrize(
    ("changes", "field", "near"),
    [
        ({"model": "gpt-os-120b"}, "model", "openai/gpt-oss-120b"),
        ({"pricing": "flex"}, "pricing", "standard"),
        ({"traffic": "azure-conv"}, "traffic", "azure-2024-conversation"),
        ({"gpu": "h1000"}, "gpu", "H100 SXM"),
        ({"profile": {"hourly_weights": [1, 2]}}, "profile", None),
        ({"trace_csv": "a,b\n1,2\n"}, "trace_csv", None),
        ({"requests_per_day": -5}, "requests_per_day", None),
    ],
)
async def test_a_refusal_is_a_422_with_the_way_out(
    cost: Pages, changes: dict[str, Any], field: str, near: str | None
) -> None:
    status, answer = await post(cost, ASKED | changes)
    assert status == 422
    assert answer["error"]["field"] == field
    assert near is None or near in answer["error"]["nearest"]


def test_the_terminal_takes_a_profile_from_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--model", "openai/gpt-oss-120b", "--gpu", "h100", "--scaling", "autoscaled"]
    file = tmp_path / "profile.json"
    file.write_text(json.dumps({"hourly_weights": [2.0] * 12 + [0.0] * 12}), encoding="utf-8")
    assert run_tool(COMMAND, [*flags, "--profile", str(file), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["traffic"]["peak_over_mean"] == 2.0
    assert run_tool(COMMAND, [*flags, "--pricing", "spot", "--assumptions"]) == 0
    text = capsys.readouterr().out
    assert "Buy it" in text or "Self-host it" in text
    assert "genai-prices" in text and "What this cost assumes" in text
    assert run_tool(COMMAND, ["--model", "gpt-os-120b"]) == 2
    assert "openai/gpt-oss-120b" in capsys.readouterr().err
