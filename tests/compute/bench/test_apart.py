"""A suite's operators run in a process that may be lost, and the suite goes on."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from compute.bench import suite
from compute.bench.apart import Apart
from compute.bench.index import listed
from compute.bench.request import BenchRequest
from compute.tool import Refused
from tests.compute.bench.parts import four, result

# Answers like the real process: by operator with a result, in part and then not, or never.
CHILD = """
import json, os, sys, time
whole, part = json.loads(open(sys.argv[1]).read())
for line in sys.stdin:
    op = json.loads(line)["op"]
    if op == "softmax":
        print(json.dumps({"refused": "No."}), flush=True)
        continue
    if op in ("gemm", "copy"):
        print(json.dumps({"partial": {**part, "op": op}}), flush=True)
    if op == "gemm":
        os._exit(7)
    if op == "copy":
        time.sleep(600)
    print(json.dumps({"result": {**whole, "op": op, "summary": str(os.getpid())}}), flush=True)
"""


class Shown:
    def __init__(self) -> None:
        self.partial: list[Any] = []

    async def progress(self, fraction: float, words: str, partial: Any = None) -> None:
        self.partial.append(partial)


@pytest.fixture
def command(tmp_path: Path) -> tuple[str, ...]:
    path = tmp_path / "results.json"
    whole, part = result(*four()), result(*four()[:2], complete=False)
    path.write_text(json.dumps([whole.model_dump(mode="json"), part.model_dump(mode="json")]))
    return (sys.executable, "-c", CHILD, str(path))


async def asked(apart: Apart, op: str, limit_s: float = 60.0) -> Any:
    return await apart.run(BenchRequest(op=op), Shown(), limit_s)


async def test_one_process_answers_until_it_is_lost(command: tuple[str, ...]) -> None:
    apart = Apart(command)
    first = await asked(apart, "rms_norm")
    with pytest.raises(Refused, match="No"):
        await asked(apart, "softmax")
    assert (await asked(apart, "rope")).summary == first.summary
    died = await asked(apart, "gemm")
    assert "ended without an answer (7)" in died.lost and len(died.rows) == 2
    hung = await asked(apart, "copy", 1.0)
    assert "no answer after 1 s" in hung.lost and len(hung.rows) == 2
    after = await asked(apart, "rms_norm")
    assert not after.lost and after.summary != first.summary
    await apart.close()


async def test_a_suite_goes_on_after_an_operator_that_took_the_gpu_down(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "_has_gpu", lambda: True)
    monkeypatch.setattr(suite, "Apart", lambda: Apart(command))
    ops = [listed()[name] for name in ("gemm", "softmax", "rms_norm")]
    out = io.StringIO()
    kept: list[int] = []
    report, _ = await suite.run_suite(
        "smoke", ops, "", "", 10.0, out, lambda report, _: kept.append(len(report.rows))
    )
    assert kept == [2, 2, 6], "what was measured is kept after every operator"
    assert [row.op for row in report.rows].count("rms_norm") == 4 + 2
    assert any(text.startswith("gemm the GPU stopped") for text in report.left_out)
    assert "softmax: No." in report.left_out
    assert "the GPU stopped: its process ended" in out.getvalue()


async def test_goals_without_anything_to_measure_are_unmeasured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(suite, "_has_gpu", lambda: False)
    _, found = await suite.run_suite("goals", [listed()["gemm"]], "", "", None, io.StringIO())
    assert found and all(goal.met is None for goal in found)


@pytest.mark.slow
async def test_the_process_itself_measures_and_refuses() -> None:
    apart = Apart()
    shown = Shown()
    request = BenchRequest(
        op="softmax", dtype="fp32", shapes="8x64, 16x64", gpu="cpu", budget_s=2.0
    )
    found = await apart.run(request, shown, 120.0)
    assert found.complete and found.rows and shown.partial
    with pytest.raises(Refused):
        await apart.run(BenchRequest(op="nothing"), shown, 60.0)
    await apart.close()
