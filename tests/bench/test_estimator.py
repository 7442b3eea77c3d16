"""What one evaluation costs, and a file of requests: figures, no limits."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from compute.throughput import TOOL
from compute.throughput.jsonl import run_jsonl
from compute.throughput.library import Library
from compute.throughput.request import ThroughputRequest
from tests.compute.throughput.known import PlainContext, question

pytestmark = pytest.mark.bench
EVALUATIONS = 2000


async def test_one_evaluation_and_one_whole_answer() -> None:
    asked = question(model="deepseek-r1", gpus=8, gpu="h200", batch=64)
    start = time.process_time()
    for concurrency in range(1, EVALUATIONS + 1):
        asked.served(concurrency)
    each = (time.process_time() - start) / EVALUATIONS
    request = ThroughputRequest(gpu="h100", model="llama-3.1-8b", concurrency=32)
    await TOOL.run(request, PlainContext())
    start = time.process_time()
    for _ in range(50):
        await TOOL.run(request, PlainContext())
    whole = (time.process_time() - start) / 50
    print(f"\none evaluation {each * 1e3:.3f} ms, one answer {whole * 1e3:.2f} ms of CPU")


def test_a_file_of_requests(tmp_path: Path) -> None:
    library = Library()
    path = tmp_path / "requests.jsonl"
    with path.open("w", encoding="utf-8") as out:
        for row in library.measurements:
            model = library.models.find(row.model)
            assert model is not None
            record = {"id": row.id, "gpu": row.gpu, "n_gpus": row.n_gpus, "tp": row.tp}
            record |= {"model": row.model, "config": dict(model.config), "isl": row.isl}
            record |= {"osl": row.osl, "concurrency": row.concurrency or "max"}
            record |= {"engine": row.engine, "metric": row.metric}
            out.write(json.dumps(record | {"weight_dtype": row.weight_dtype}) + "\n")
    start = time.process_time()
    answered, impossible = run_jsonl(path, tmp_path / "out.jsonl")
    seconds = time.process_time() - start
    print(f"\n{answered} lines answered, {impossible} impossible, {seconds:.2f} s of CPU")
