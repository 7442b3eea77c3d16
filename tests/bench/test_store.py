"""Writes a second: each on disk before the next is sent, and many queued at once."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from bot.results import Results, StoredResult, new_result_id
from bot.store import FILE_NAME, Store
from compute.context import LocalContext
from compute.throughput import TOOL
from compute.throughput.request import ThroughputRequest
from tests.bench.harness import figure, title
from tests.bench.load import questions

ONE_BY_ONE = 200
QUEUED = 3000
ROUNDS = 3


@pytest.mark.bench
async def test_every_acknowledged_answer_is_on_disk(tmp_path: Path) -> None:
    example = await answer_row()
    store = await Store.open(tmp_path / FILE_NAME)
    results = Results(store)
    single, queued = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(ONE_BY_ONE):
            await results.save(example.model_copy(update={"id": new_result_id()}))
        single.append(ONE_BY_ONE / (time.perf_counter() - start))
        rows = [example.model_copy(update={"id": new_result_id()}) for _ in range(QUEUED)]
        start = time.perf_counter()
        await asyncio.gather(*(results.save(row) for row in rows))
        queued.append(QUEUED / (time.perf_counter() - start))
    count = await store.read(lambda db: db.execute("SELECT COUNT(*) FROM results").fetchone()[0])
    await store.close()
    size = len(example.model_dump_json())
    title(f"store: answers of {size / 1000:.1f} kB a second, WAL, synchronous FULL")
    figure("acknowledged one by one", single)
    figure(f"{QUEUED:,} queued at once", queued)
    assert count == ROUNDS * (ONE_BY_ONE + QUEUED)


async def answer_row() -> StoredResult:
    """A real answer as the runner keeps it."""
    inputs = questions(1, start=1, new_every=1)[0]
    request = ThroughputRequest.model_validate(inputs)
    context = LocalContext("http://127.0.0.1:9")
    result = await TOOL.run(request, context)
    await context.close()
    now = time.time()
    return StoredResult(
        id=new_result_id(),
        tool=TOOL.name,
        inputs=inputs,
        request=request.model_dump(mode="json"),
        result=result.model_dump(mode="json"),
        refusal=None,
        door="discord",
        created_at=now,
        expires_at=now + 86_400,
    )
