from __future__ import annotations

from typing import Any

from compute.bench.goals import LARGE_BYTES, Goal, goals, judged
from compute.bench.index import listed
from compute.bench.report import report_of
from compute.bench.result import Compiled
from compute.bench.shapes import parse_shapes
from tests.compute.bench.parts import result, row


def goal(op: str, backend: str, words: str) -> Goal:
    return next(g for g in goals() if (g.op, g.implementation) == (op, backend) and words in g.name)


def measured(goal: Goal, implementation: str, median_ms: float, **changes: Any) -> Any:
    return row(implementation, median_ms, op=goal.op, shape=goal.shape, **changes)


def test_without_a_gpu_every_measured_goal_is_unmeasured() -> None:
    for one in judged(goals(), report_of("goals", [])):
        assert one.value is None and one.met is None
        assert one.line().startswith("unmeasured")
        assert one.record()["figure"] == "unmeasured"


def test_a_cpus_rows_answer_no_goal_of_an_h100() -> None:
    wanted = goal("rms_norm", "triton", "copy")
    cpu = result().environment.model_copy(update={"device": "cpu"})
    found = result(measured(wanted, "triton", 0.1, copy_pct=95.0), environment=cpu)
    assert judged([wanted], report_of("goals", [found]))[0].value is None


def test_every_goal_names_shapes_that_can_be_asked_for() -> None:
    for one in goals():
        assert len(parse_shapes(one.shape, listed()[one.op])) == 1


def test_memory_bound_goals_are_at_512_mb_and_more() -> None:
    one = goal("rms_norm", "triton", "copy")
    (dims,) = parse_shapes(one.shape, listed()["rms_norm"])
    assert listed()["rms_norm"].bytes(dims, "bfloat16") >= LARGE_BYTES


def test_a_share_of_a_copy_is_met_or_missed() -> None:
    wanted = goal("rms_norm", "triton", "copy")
    for share, met in ((93.0, True), (88.0, False)):
        found = result(measured(wanted, "triton", 0.1, copy_pct=share))
        (done,) = judged([wanted], report_of("goals", [found]))
        assert (done.value, done.met) == (share, met)


def test_gemm_is_held_against_the_library_of_the_same_run() -> None:
    wanted = goal("gemm", "triton", "cuBLAS")
    rows = [measured(wanted, "torch", 1.4), measured(wanted, "triton", 1.6)]
    (done,) = judged([wanted], report_of("goals", [result(*rows)]))
    assert done.value is not None and round(done.value, 1) == 87.5 and done.met


def test_attention_is_held_against_the_best_backend() -> None:
    wanted = goal("attention", "cuda", "SDPA")
    rows = [
        measured(wanted, "torch", 2.0),
        measured(wanted, "sdpa-cudnn", 1.0, backend="library"),
        measured(wanted, "sdpa-flash", 1.5, backend="library"),
        measured(wanted, "cuda", 2.0),
    ]
    (done,) = judged([wanted], report_of("goals", [result(*rows)]))
    assert done.value == 50.0 and done.met is False


def test_spills_are_read_from_compiled_code_without_a_gpu() -> None:
    wanted = goal("softmax", "triton", "spills")
    kernel = Compiled(op="softmax", implementation="triton", kernel="k", arch=90, registers=64,
                      shared_bytes=0, spilled=0, tensor_core=(), async_copies=0, loads_16=4,
                      num_warps=8, occupancy=0.5)  # fmt: skip
    for spilled, met in ((0, True), (12, False)):
        compiled = (kernel.model_copy(update={"spilled": spilled}),)
        (done,) = judged([wanted], report_of("goals", [result(compiled=compiled)]))
        assert (done.value, done.met) == (float(spilled), met)
