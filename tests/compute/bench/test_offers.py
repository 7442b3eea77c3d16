"""The menu of other shapes: only what this operator, dtype and GPU can measure."""

from __future__ import annotations

import pytest

from compute.bench.asked import understand
from compute.bench.offers import MOST, offers
from compute.bench.request import BenchRequest


def labels(**inputs: object) -> list[str]:
    return [fix.label for fix in offers(BenchRequest.model_validate(inputs))]


def test_other_suites_models_and_explain_are_offered_and_not_what_was_asked() -> None:
    found = labels(op="rms_norm", preset="models")
    assert found[:3] == [
        "smoke: one small shape",
        "sweep: small to large, for the chart",
        "explain: compiled code, no measuring",
    ]
    assert "llama-3.1-8b decode" in found and "models: shapes of real models" not in found
    assert labels(op="rms_norm")[1] == "models: shapes of real models", "the default is the sweep"
    assert len(found) <= MOST


@pytest.mark.parametrize("op", ["attention", "gemm", "scaled_mm", "copy", "topk_softmax"])
def test_every_offer_is_a_request_that_is_taken(op: str) -> None:
    request = BenchRequest(op=op, shapes="")
    for fix in offers(request):
        assert fix.optional and fix.group == "Shapes"
        assert understand(request.model_copy(update=dict(fix.changes))).op.name == op


def test_a_model_without_the_operator_and_shapes_too_large_for_the_gpu_are_left_out() -> None:
    assert "llama-3.1-8b decode" not in labels(op="topk_softmax")
    assert "llama-3.1-8b prefill" in labels(op="attention")
    large = labels(op="softmax", gpu="rtx-4060", dtype="fp32")
    assert set(large) < set(labels(op="softmax", dtype="fp32"))
