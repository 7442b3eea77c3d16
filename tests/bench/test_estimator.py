"""The estimator alone: one evaluation at one load, and one full answer with curve and range."""

from __future__ import annotations

import time

import pytest

from compute.context import LocalContext
from compute.throughput import TOOL
from compute.throughput.cases import build_cases, predict
from compute.throughput.library import Library
from compute.throughput.request import ThroughputRequest
from tests.bench.harness import figure, title
from tests.bench.load import questions

ROUNDS = 5
ANSWERS = 200


@pytest.mark.bench
def test_every_published_configuration_is_evaluated() -> None:
    library = Library()
    parameters = library.parameters
    cases = build_cases(library.measurements, library.gpus, library.models)
    taken = []
    for _ in range(ROUNDS):
        start = time.process_time()
        values = [predict(case, parameters) for case in cases]
        taken.append((time.process_time() - start) / len(cases) * 1e3)
    title(f"estimator, CPU ms, {ROUNDS} rounds")
    figure(f"an evaluation ({len(cases):,} published configurations)", taken)
    assert len(values) == len(library.measurements) and all(value > 0 for value in values)


@pytest.mark.bench
async def test_a_full_answer_needs_no_network() -> None:
    TOOL.prepare()
    asked = [
        ThroughputRequest.model_validate(options)
        for options in questions(ANSWERS, start=1, new_every=1)
    ]
    context = LocalContext("http://127.0.0.1:9")  # nobody listens: asking would be refused
    taken = []
    for _ in range(ROUNDS):
        start = time.process_time()
        results = [await TOOL.run(request, context) for request in asked]
        taken.append((time.process_time() - start) / ANSWERS * 1e3)
        assert all(result.estimates[0].fits for result in results)
    await context.close()
    figure("a full answer: curve, range, nearest measurement", taken)
