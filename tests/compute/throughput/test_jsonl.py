"""The batch door: the interface's fields, one answer a line, bad lines that stop nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compute.throughput.jsonl import predict_line, run_jsonl
from tests.compute.throughput.known import LIBRARY

REQUEST: dict[str, Any] = {
    "id": "a",
    "gpu": "H100-SXM",
    "n_gpus": 2,
    "tp": 2,
    "pp": 1,
    "model": "meta-llama/Llama-3.1-70B",
    "weight_dtype": "fp8",
    "kv_dtype": "auto",
    "isl": 1024,
    "osl": 1024,
    "concurrency": 32,
    "engine": "vllm",
    "engine_version": "0.10",
    "metric": "output_tps",
}
FIELDS = {
    "id",
    "value",
    "low",
    "high",
    "fits",
    "max_concurrency",
    "bound",
    "ttft_ms",
    "tpot_ms",
    "output_tps",
    "output_tps_per_gpu",
    "decode_tps_user",
    "mem",
    "notes",
}


def answer(**changes: Any) -> dict[str, Any]:
    return predict_line({**REQUEST, **changes}, LIBRARY)


def test_an_answer_has_exactly_the_fields_of_the_interface() -> None:
    found = answer()
    assert set(found) == FIELDS
    assert set(found["mem"]) == {"weights_gib", "kv_gib_per_seq", "overhead_gib"}
    assert found["low"] < found["value"] < found["high"]
    assert found["fits"] is True
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("metric", "field", "scale"),
    [
        ("output_tps", "output_tps", 1.0),
        ("decode_tps_user", "decode_tps_user", 1.0),
        ("ttft_ms", "ttft_ms", 1.0),
        ("total_tps", "output_tps", 2.0),
    ],
)
def test_the_value_is_in_the_unit_of_the_metric(metric: str, field: str, scale: float) -> None:
    found = answer(metric=metric)
    assert found["value"] == pytest.approx(scale * found[field])


def test_optional_fields_may_be_missing_or_empty() -> None:
    least = {"id": 7, "gpu": "h100", "model": "meta-llama/Llama-3.1-8B"}
    assert predict_line(least, LIBRARY)["value"] > 0
    empty = answer(tp="", ep="", engine="", engine_version="", kv_dtype="", weight_dtype="")
    assert empty["value"] > 0
    assert answer(concurrency="max")["value"] > 0
    assert answer(engine="some-new-engine")["notes"][0].startswith("engine some-new-engine")


def test_a_gpu_given_as_an_object_and_a_config_need_no_catalogue() -> None:
    gpu = {
        "mem_gb": 80,
        "mem_bw_gbs": 3350,
        "fp16_dense_tflops": 989,
        "fp8_dense_tflops": 1979,
        "link_bw_gbs_unidir": 450,
        "arch": "Hopper",
        "vendor": "NVIDIA",
        "notes": "mine",
    }
    config = {
        "hidden_size": 8192,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "intermediate_size": 28672,
        "vocab_size": 128256,
        "tie_word_embeddings": False,
    }
    found = answer(gpu=gpu, model="private", config=config)
    assert found["value"] == pytest.approx(answer()["value"], rel=0.01)


def test_what_cannot_fit_says_what_would() -> None:
    found = answer(n_gpus=1, tp=1, weight_dtype="bf16")
    assert set(found) == {"id", "error"}
    assert "131.4 GiB for weights alone" in found["error"]
    assert "Use 2 GPUs" in found["error"]


def test_what_fits_only_beyond_the_engines_share_is_answered_and_said() -> None:
    found = answer(gpu="H200-SXM", n_gpus=1, tp=1, weight_dtype="bf16", isl=100, osl=100)
    assert found["fits"] is False
    assert found["value"] > 0
    assert any("90 %" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gpu": "h1000"}, "H100 SXM"),
        ({"gpu": None}, "gpu must be"),
        ({"gpu": {"mem_gb": -1, "mem_bw_gbs": 1, "fp16_dense_tflops": 1}}, "gpu.mem_gb"),
        ({"model": "no/such"}, "no config"),
        ({"isl": -1}, "isl must be"),
        ({"isl": 1.5}, "isl must be"),
        ({"isl": float("nan")}, "isl must be"),
        ({"isl": True}, "isl must be"),
        ({"osl": 10**18}, "osl must be"),
        ({"concurrency": "many"}, "concurrency must be"),
        ({"metric": "speed"}, "metric must be"),
        ({"metric": "output_tps", "osl": 0}, "osl 0"),
        ({"weight_dtype": "fp7"}, "weight format"),
        ({"config": [1]}, "config must be"),
        ({"config": {"hidden_size": 8}}, "config.json"),
        ({"model": "x", "config": {"model_type": "bert"}}, "decoder-only"),
    ],
)
def test_an_impossible_record_gets_a_sentence(changes: dict[str, Any], words: str) -> None:
    found = answer(**changes)
    assert set(found) == {"id", "error"}
    assert words in found["error"]


def test_a_bad_line_never_stops_the_file(tmp_path: Path) -> None:
    good = json.dumps(REQUEST)
    bad = ["{nope", "[]", "3", "null", '"x"', "[" * 100_000, "\x00", json.dumps({"id": "b"})]
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    path.write_bytes("\n".join([good, *bad, "", good]).encode() + b"\n\xff\xfe\n")
    assert run_jsonl(path, out, LIBRARY) == (2, len(bad) + 1)
    answers = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [item["id"] for item in answers] == ["a", *[None] * 7, "b", "a", None]
    assert all("error" in item for item in answers[1:-2])
    assert answers[0]["value"] == answers[-2]["value"]


def test_every_published_measurement_gets_a_value() -> None:
    for row in LIBRARY.measurements:
        model = LIBRARY.models.find(row.model)
        assert model is not None
        record = {
            "id": row.id,
            "gpu": row.gpu,
            "n_gpus": row.n_gpus,
            "tp": row.tp,
            "pp": row.pp,
            "ep": row.ep,
            "model": row.model,
            "config": dict(model.config),
            "weight_dtype": row.weight_dtype,
            "kv_dtype": row.kv_dtype,
            "isl": row.isl,
            "osl": row.osl,
            "concurrency": row.concurrency or "max",
            "engine": row.engine,
            "metric": row.metric,
        }
        found = predict_line(record, LIBRARY)
        assert found.get("value", 0) > 0, found


def test_a_line_may_use_the_short_names_of_the_slash_command() -> None:
    asked = {"gpu": "h100", "model": "meta-llama/Llama-3.1-70B"}
    short = predict_line(
        {**asked, "gpus": 2, "batch": 32, "input": 2000, "output": 300, "dtype": "fp8"}, LIBRARY
    )
    full = predict_line(
        {**asked, "n_gpus": 2, "concurrency": 32, "isl": 2000, "osl": 300, "weight_dtype": "fp8"},
        LIBRARY,
    )
    assert short == full
    assert (
        short["output_tps"]
        > 3 * predict_line({**asked, "gpus": 2, "dtype": "fp8"}, LIBRARY)["output_tps"]
    )


def test_a_line_may_write_the_split_in_one_word() -> None:
    asked = {"gpu": "h100", "model": "meta-llama/Llama-3.1-70B", "n_gpus": 8}
    word = predict_line({**asked, "parallel": "tp4xpp2"}, LIBRARY)
    assert word == predict_line({**asked, "tp": 4, "pp": 2}, LIBRARY)
    assert "I can't read that split" in predict_line({**asked, "parallel": "x"}, LIBRARY)["error"]
