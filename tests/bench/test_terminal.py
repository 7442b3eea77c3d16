"""The terminal door: one answer, and 1,100 answers from a file of JSON lines."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from content.measurements import Measurement, load_measurements
from content.models import load_models
from tests.bench.harness import K2C, clean_environment, figure, title

RUNS = 7
LINES = 1100
FILE_RUNS = 3
QUESTION = ["throughput", "--gpu", "h100", "--model", "meta-llama/Llama-3.1-8B", "--batch", "32"]
SELF_TIME = re.compile(r"import time:\s+(\d+) \|")
FIELDS = (
    "id", "gpu", "n_gpus", "tp", "pp", "ep", "attn_dp", "model", "weight_dtype", "kv_dtype",
    "isl", "osl", "concurrency", "engine", "metric",
)  # fmt: skip


@pytest.mark.bench
def test_one_answer_in_a_terminal(tmp_path: Path) -> None:
    ask(tmp_path)  # compiles
    walls = [ask(tmp_path) for _ in range(RUNS)]
    imports = [import_s(tmp_path) for _ in range(3)]
    title("k2c throughput --gpu h100 --model meta-llama/Llama-3.1-8B --batch 32, seconds")
    figure("from Enter to the end", walls)
    figure("of that in imports (-X importtime, slows them itself)", imports)


def ask(folder: Path) -> float:
    """Seconds for one answer; it must be one."""
    start = time.perf_counter()
    done = run([str(K2C), *QUESTION], folder)
    took_s = time.perf_counter() - start
    assert "output tokens/s" in done.stdout
    return took_s


def import_s(folder: Path) -> float:
    """Seconds that the same question spends in imports."""
    code = f"import sys; from bot.cli import main; sys.exit(main({QUESTION!r}))"
    done = run([sys.executable, "-X", "importtime", "-c", code], folder)
    return sum(int(us) for us in SELF_TIME.findall(done.stderr)) / 1e6


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run where no .env lies."""
    return subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, check=True
    )


@pytest.mark.bench
def test_every_json_line_gets_its_answer(tmp_path: Path) -> None:
    records = [record_of(row) for row in load_measurements()[:LINES]]
    configs = {model.id: dict(model.config) for model in load_models()}
    asked = [record | {"config": configs[str(record["model"])]} for record in records]
    source, target = tmp_path / "requests.jsonl", tmp_path / "predictions.jsonl"
    source.write_text("".join(json.dumps(record) + "\n" for record in asked), encoding="utf-8")
    walls = []
    for _ in range(FILE_RUNS):
        start = time.perf_counter()
        run([str(K2C), "throughput", "--jsonl", str(source), "--out", str(target)], tmp_path)
        walls.append(time.perf_counter() - start)
    answers = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    refused = [answer for answer in answers if "error" in answer]
    title(f"k2c throughput --jsonl, {LINES:,} lines, each with its config.json, seconds")
    figure("wall", walls)
    figure("answered, said to be impossible", LINES - len(refused), len(refused))
    assert [answer["id"] for answer in answers] == [record["id"] for record in records]
    assert not refused, "what somebody measured is not impossible"


def record_of(row: Measurement) -> dict[str, object]:
    """A published measurement as the request that asks for it."""
    given = {name: getattr(row, name) for name in FIELDS}
    given["concurrency"] = "max" if row.concurrency is None else row.concurrency
    return {name: value for name, value in given.items() if value is not None}
