from __future__ import annotations

import pytest

from compute.bench.index import listed
from compute.bench.presets import OFFERED, models, preset_shapes, suggest_presets
from compute.bench.shapes import check_dims
from compute.tool import Refused


def test_a_models_shapes_come_from_its_config() -> None:
    shapes = preset_shapes("llama-3.1-8b decode", listed()["rms_norm"])
    assert [(d["M"], d["N"]) for d in shapes] == [(1, 4096), (16, 4096), (64, 4096), (256, 4096)]
    gemm = preset_shapes("Llama-3.1-8B prefill", listed()["gemm"])
    assert {"M": 2048, "N": 14_336, "K": 4096} in gemm


def test_both_phases_without_a_word() -> None:
    shapes = preset_shapes("llama-3.1-8b", listed()["silu_and_mul"])
    assert {d["M"] for d in shapes} == {1, 16, 64, 256, 2048, 8192}
    assert {d["N"] for d in shapes} == {14_336}


def test_every_offered_model_gives_sizes_that_fit_together() -> None:
    for name in OFFERED:
        assert models().find(name) is not None
        for op in listed().values():
            try:
                shapes = preset_shapes(name, op)
            except Refused as refused:
                assert "whose sizes are known" in refused.message
                continue
            for dims in shapes:
                assert tuple(dims) == op.dims
                check_dims(dims, op)


def test_a_model_without_experts_has_no_router() -> None:
    router = listed().get("topk_softmax")
    if router is None:
        pytest.skip("topk_softmax is not among the operators")
    with pytest.raises(Refused, match="has no topk_softmax"):
        preset_shapes("llama-3.1-8b", router)
    assert preset_shapes("qwen3-30b-a3b decode", router)[0] == {"M": 1, "N": 128, "K": 8}


def test_an_unknown_preset_is_refused_with_the_nearest() -> None:
    with pytest.raises(Refused, match="don't know that preset") as caught:
        preset_shapes("lama-3.1-8b", listed()["gemm"])
    assert "llama-3.1-8b" in caught.value.refusal.nearest[0]


def test_suites_come_first_in_completion_then_models() -> None:
    assert [value for _, value in suggest_presets("")][:4] == [
        "smoke",
        "models",
        "sweep",
        "explain",
    ]
    assert ("llama-3.1-8b decode", "llama-3.1-8b decode") in suggest_presets("llama-3.1-8b")
