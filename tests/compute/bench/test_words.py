from __future__ import annotations

from compute.bench.words import headline, main_shape, rate, size, why
from tests.compute.bench.parts import four, result, row


def test_the_headline_names_the_fastest_its_share_and_the_next() -> None:
    said = headline(result(*four()))
    assert said == (
        "cuda is fastest: 93 % of what this H100's memory can do "
        "(1.05x triton, 3.60x PyTorch eager)"
    )


def test_rivals_within_three_percent_are_level() -> None:
    rows = [row("torch", 0.346), row("triton", 0.097), row("cuda", 0.096)]
    assert headline(result(*rows)).startswith("cuda and triton are level: 93 %")


def test_the_largest_shape_is_what_the_answer_is_about() -> None:
    rows = [row("torch", 0.01, shape="64x4096", moved_bytes=1_056_768), *four()]
    assert main_shape(rows) == "16384x4096"


def test_a_cpu_is_not_called_a_gpu() -> None:
    cpu = result(*four()[:2]).model_copy(
        update={"environment": result().environment.model_copy(update={"device": "cpu"})}
    )
    assert "this CPU's memory" in headline(cpu)


def test_the_reason_is_the_arithmetic_of_the_floor() -> None:
    said = why(result(*four()))
    assert said == "Memory-bound: 268 MB at 3 TB/s cannot take less than 0.0895 ms."


def test_a_compute_bound_reason_counts_work() -> None:
    from compute.bench.result import Ceiling

    work = 2 * 8192**3
    made = row("triton", 1.6, op="gemm", flops=work, floor_ms=work / 798e12 * 1e3)
    peak = Ceiling(kind="bfloat16", value=798.0, what="torch, 8192")
    found = result(made, regime="compute", ceilings=(*result().ceilings, peak))
    assert why(found) == (
        "Compute-bound: 1,100 GFLOP at 798 TFLOP/s cannot take less than 1.38 ms."
    )
    assert "memory" not in headline(found)


def test_nothing_measured_has_a_headline_and_no_reason() -> None:
    assert headline(result()) == "rms_norm: nothing was measured" and why(result()) == ""


def test_units() -> None:
    assert (size(268_443_648), size(999), size(8e9)) == ("268 MB", "999 B", "8 GB")
    assert (rate(28.6), rate(3000)) == ("28.6 GB/s", "3 TB/s")
