from __future__ import annotations

import pytest
from pydantic import JsonValue

from compute.bench import TOOL
from compute.bench.asked import needs, room_gib, understand
from compute.bench.index import listed
from compute.bench.request import BenchRequest
from compute.inputs import check_inputs
from compute.tool import Needs, Refusal, Refused


def asked(**inputs: JsonValue) -> BenchRequest:
    request = check_inputs(TOOL, {"op": "rms_norm", **inputs})
    assert isinstance(request, BenchRequest)
    return request


def refusal(**inputs: JsonValue) -> Refusal:
    with pytest.raises(Refused) as caught:
        needs(asked(**inputs))
    return caught.value.refusal


def test_bf16_and_the_sweep_are_measured_when_nothing_is_said() -> None:
    found = understand(asked())
    assert found.dtype == "bfloat16" and found.place == ""
    assert list(found.shapes) == list(listed()["rms_norm"].suites["sweep"])


@pytest.mark.parametrize(
    ("typed", "name"),
    [("bf16", "bfloat16"), ("BF16", "bfloat16"), ("float16", "float16"), ("half", "float16")],
)
def test_dtypes_are_known_by_their_usual_names(typed: str, name: str) -> None:
    assert understand(asked(dtype=typed)).dtype == name


def test_tf32_is_a_dtype_of_its_own_of_matrix_products() -> None:
    found = understand(asked(op="gemm", dtype="tf32"))
    assert (found.dtype, found.inputs_dtype) == ("tf32", "float32")
    assert "no tf32" in refusal(dtype="tf32").message


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("rms_nrom", "rms_norm"), ("matmul", "gemm"), ("flash attention", "attention"),
        ("moe", "grouped_gemm"), ("swiglu", "silu_and_mul"), ("awq", "int4_linear"),
        ("fp8", "scaled_mm"), ("softmx", "softmax"),
    ],
)  # fmt: skip
def test_another_name_or_a_slip_leads_to_the_operator(typed: str, meant: str) -> None:
    found = refusal(op=typed)
    assert (found.nearest[0], found.example) == (meant, meant)


def test_an_unknown_operator_offers_the_nearest() -> None:
    found = refusal(op="rmsnrom")
    assert found.field == "op" and "rms_norm" in found.nearest


def test_a_dtype_that_another_operator_has_is_pointed_to() -> None:
    if "scaled_mm" not in listed():
        pytest.skip("scaled_mm is not among the operators")
    found = refusal(op="gemm", dtype="fp8")
    assert "fp8 in scaled_mm" in found.message and found.example == "bf16"


def test_an_unknown_gpu_and_another_makers_gpu_are_refused() -> None:
    assert refusal(gpu="h1000").nearest[0].startswith("H100")
    found = refusal(gpu="mi300x")
    assert "AMD" in found.message and found.example == "h100"


def test_a_format_the_gpu_does_not_have_is_refused() -> None:
    assert "bf16" in refusal(gpu="t4").message
    if "scaled_mm" in listed():
        assert "fp8" in refusal(op="scaled_mm", gpu="a100").message
        assert needs(asked(op="scaled_mm", gpu="h100")).gpu == "H100-SXM"


def test_a_shape_that_does_not_fit_is_refused_with_one_that_does() -> None:
    found = refusal(shapes="1048576x65536", gpu="rtx 4090")
    assert "needs about" in found.message and "RTX 4090" in found.message
    (fix,) = found.fixes
    request = asked(**{"gpu": "rtx 4090", **fix.changes})
    shape = understand(request).shapes[0]
    assert room_gib(listed()["rms_norm"].bytes(shape, "bfloat16")) <= 24
    assert "the largest GPU on record" in refusal(shapes="16m x 1m".replace(" ", "")).message


def test_shapes_and_a_preset_together_are_refused() -> None:
    assert "not both" in refusal(shapes="1x1", preset="smoke").message


def test_an_unknown_implementation_is_refused() -> None:
    assert "triton" in refusal(implementations="cutlass").nearest


def test_without_a_gpu_named_any_worker_will_do_while_no_gpu_is_there() -> None:
    found = needs(asked(shapes="64x1024"))
    assert found.cuda and found.or_cpu and found.memory_gib == 0


def test_a_gpu_that_was_asked_for_is_never_replaced_by_a_cpu() -> None:
    assert needs(asked(gpu="cuda")).or_cpu is False
    assert needs(asked(gpu="h100")) == Needs(gpu="H100-SXM", host_gib=8.0, limit_s=360.0)
    assert needs(asked(op="gemm", dtype="tf32")).or_cpu is False


def test_a_cpu_or_the_compiled_code_alone_take_any_worker() -> None:
    for inputs in ({"gpu": "cpu"}, {"preset": "explain"}):
        found = needs(asked(**inputs))
        assert not found.cuda and not found.gpu


def test_tf32_on_a_cpu_is_refused() -> None:
    assert refusal(op="gemm", dtype="tf32", gpu="cpu").example == "fp32"


def test_a_large_problem_asks_for_a_card_that_holds_it() -> None:
    found = needs(asked(shapes="262144x16384"))
    assert found.memory_gib == pytest.approx(room_gib((2 * 262_144 * 16_384 + 16_384) * 2))
