from __future__ import annotations

from typing import Any

import pytest
from pydantic import JsonValue

from bot.command import answer, pending, suggestions
from bot.commands.bench import COMMAND, subject
from bot.commands.bench.chart import picture
from bot.commands.bench.typed import words
from bot.jobs.words import Progress
from bot.render.columns import table_lines
from bot.render.discord import length, payload
from bot.runner import Outcome
from bot.view import Chart, Heading, Note, Table, Text, View, plain
from compute.bench import TOOL
from compute.bench.request import BenchRequest
from compute.bench.result import BenchResult, Checked, Compiled, Implementation
from compute.tool import Refused
from tests.compute.bench.parts import H100, four, result, row

PHONE_COLUMNS = 36
DISCORD_CHARACTERS = 4000


def shown(found: BenchResult, **inputs: JsonValue) -> View:
    request = BenchRequest.model_validate({"op": found.op, **inputs})
    view = COMMAND.show(request, found)
    assert isinstance(view, View)
    return view


def behind(found: BenchResult, **inputs: JsonValue) -> View:
    assert COMMAND.details is not None
    return COMMAND.details(BenchRequest.model_validate({"op": found.op, **inputs}), found)


def told(found: BenchResult) -> BenchResult:
    """With the words that the tool adds."""
    from compute.bench.words import headline, why

    return found.model_copy(update={"headline": headline(found), "sentence": why(found)})


def tables(view: View) -> list[list[str]]:
    return [table_lines(block) for block in view.blocks if isinstance(block, Table)]


def texts(view: View) -> list[str]:
    return [plain(b.words) for b in view.blocks if isinstance(b, Heading | Text | Note)]


def sweep() -> tuple[Any, ...]:
    """Seven shapes of four implementations."""
    found = []
    for rows in (16, 64, 256, 1024, 4096, 16_384, 65_536):
        moved = 4 * rows * 4096 + 8192
        scale = rows / 16_384
        for one in four():
            assert one.median_ms is not None
            changes = {"shape": f"{rows}x4096", "moved_bytes": moved}
            found.append(row(one.implementation, one.median_ms * scale, **changes))
    return tuple(found)


def kernel(arch: int, **changes: Any) -> Compiled:
    values: dict[str, Any] = {
        "op": "rms_norm", "implementation": "triton", "kernel": "rms_norm_kernel", "arch": arch,
        "registers": 36, "shared_bytes": 1056, "spilled": 0, "tensor_core": (), "async_copies": 0,
        "loads_16": 8, "num_warps": 8, "occupancy": 0.75, "config": "BLOCK=4096, WHOLE=True",
    }  # fmt: skip
    return Compiled.model_validate(values | changes)


def test_the_answer_leads_with_the_fastest_its_share_and_the_numbers() -> None:
    view = shown(told(result(*four())))
    assert texts(view)[0].startswith("cuda is fastest: 93 % of what this H100's memory can do")
    first = tables(view)[0]
    assert first[0] == "16384x4096 bf16, cold"
    assert [line.split()[0] for line in first[2:]] == ["cuda", "triton", "compile", "eager"]
    assert first[2].split() == ["cuda", "0.096", "1.0%", "93", "3.60"]
    assert any("cannot take less than 0.0895 ms" in text for text in texts(view))


def test_no_table_is_wider_than_a_phone() -> None:
    found = told(result(*sweep(), compiled=(kernel(80), kernel(90, spilled=1984, registers=255))))
    for view in (shown(found), behind(found)):
        for lines in tables(view):
            assert max(map(len, lines)) <= PHONE_COLUMNS, lines


def test_rates_errors_and_times_of_the_host_stand_beside_the_speeds() -> None:
    second = tables(shown(told(result(*four()))))[1]
    assert second[0].split() == ["GB/s", "error", "1st", "call", "host"]
    assert second[1].split() == ["cuda", "2,796", "2e-3", "0.4s", "18us"]


def test_the_machine_and_the_method_are_the_last_words() -> None:
    last = texts(shown(told(result(*four()))))[-1]
    for part in ("H100 80GB HBM3", "driver 580", "torch 2.11.0", "triton 3.6.0", "cold L2, events",
                 "n=200", "clocks steady", "copy 3 TB/s"):  # fmt: skip
        assert part in last


def test_memory_of_a_call_and_tuned_configurations_are_told() -> None:
    rows = [row("torch", 0.3, peak_bytes=512 * 2**20), row("triton", 0.1, tuned="BLOCK=4096")]
    view = told(result(*rows))
    table = next(lines for lines in tables(behind(view)) if "memory of a call" in lines[0])
    assert table[-1].split() == ["eager", "512.0"]
    assert "triton: tuned on this GPU, BLOCK=4096" in " ".join(texts(shown(view)))
    on_cpu = H100.model_copy(update={"device": "cpu"})
    words = " ".join(texts(behind(result(*rows, environment=on_cpu))))
    assert "not measured on a CPU" in words


def test_a_throttled_gpu_and_its_neighbours_are_said() -> None:
    where = result().environment.model_copy(update={"throttle": ("power cap",), "others": 2})
    last = texts(shown(told(result(*four(), environment=where))))[-1]
    assert "held down by power cap" in last and "2 other programs" in last


def test_a_gpu_that_stopped_is_said_beside_the_rows_before_it() -> None:
    found = told(result(*four(), lost="CUDA error: an illegal memory access was encountered"))
    assert any("nothing more was run: CUDA error" in text for text in texts(shown(found)))


def test_what_is_no_difference_or_unstable_is_marked_and_explained() -> None:
    rows = [row("torch", 0.100), row("triton", 0.099, standing="no difference", unstable=True)]
    view = shown(told(result(*rows)))
    assert any(line.startswith("triton!") and line.endswith("~") for line in tables(view)[0])
    said = " ".join(texts(view))
    assert "~ no difference" in said and "! unstable" in said


def test_a_wrong_kernel_has_its_error_and_no_time() -> None:
    wrong = row("cuda", 0.05, state="wrong", why="relative error 0.3, allowed 0.004")
    view = shown(told(result(row("torch", 0.3), row("triton", 0.1), wrong)))
    assert "cuda: wrong, so it has no time: relative error 0.3, allowed 0.004" in texts(view)
    assert all("cuda" not in line for line in tables(view)[0])


def test_a_kernel_that_raised_failed_and_gave_no_wrong_result() -> None:
    bad = row("cuda", 1.0, state="wrong", why="raises RuntimeError: no launch")
    said = texts(shown(told(result(*four()[:3], bad))))
    assert "cuda: failed, so it has no time: raises RuntimeError: no launch" in said


def test_launches_as_short_as_their_events_are_said_to_be() -> None:
    assert not any("method graph" in text for text in texts(shown(told(result(*four())))))
    short = result(row("torch", 0.006), row("triton", 0.004))
    assert any("method graph" in text for text in texts(shown(told(short))))
    replayed = result(row("torch", 0.006, method="graph"))
    assert not any("method graph" in text for text in texts(shown(told(replayed))))


def test_without_a_gpu_kernels_need_one_and_their_values_and_code_are_told() -> None:
    cpu = result().environment.model_copy(
        update={"device": "cpu", "name": "EPYC", "threads": 2, "driver": "", "clock_mhz": ()}
    )
    rows = [row("torch", 166.0, host_us=None), row("torch.compile", 55.0, host_us=None)]
    rows += [row(name, 1.0, state="unsupported", why="needs a GPU")
             for name in ("triton", "cuda")]  # fmt: skip
    checked = Checked(implementation="triton", how="Triton's interpreter", shape="64x1024")
    found = told(result(*rows, environment=cpu, checked=(checked,), compiled=(kernel(90),)))
    view = shown(found)
    said = " ".join(texts(view))
    assert "triton and cuda: needs a GPU" in said
    assert "right in Triton's interpreter (64x1024); that has no times" in said
    assert "sm_90: behind Assumptions" in said
    assert "host" not in tables(view)[1][0]
    assert any("triton sm_90" in lines[0] for lines in tables(behind(found)))


def test_the_picture_has_size_on_a_log_axis_bands_and_a_dashed_roofline() -> None:
    chart = picture(told(result(*sweep())))
    assert chart is not None and chart.log_x
    assert [s.name for s in chart.series] == [
        "cuda", "triton", "compile", "eager", "measured roofline",
    ]  # fmt: skip
    first, roof = chart.series[0], chart.series[-1]
    assert list(first.xs) == sorted(first.xs) and len(first.xs) == 7
    for low, middle, high in zip(first.low, first.ys, first.high, strict=True):
        assert low < middle < high
    assert roof.dashed and all(y == pytest.approx(3000) for y in roof.ys)
    assert "65536x4096" in chart.alt


def test_one_shape_is_drawn_as_bars_beside_the_roofline() -> None:
    chart = picture(told(result(*four())))
    assert chart is not None and chart.bars[0].name == "roofline"
    assert [bar.name for bar in chart.bars[1:]] == ["cuda", "triton", "compile", "eager"]


def test_several_shapes_have_a_table_of_the_fastest() -> None:
    third = tables(shown(told(result(*sweep()))))[2]
    assert third[0] == "fastest by shape" and len(third) == 9
    assert third[-1].split() == ["65536x4096", "cuda", "0.384", "93"]


def test_the_answer_fits_a_discord_message() -> None:
    found = told(result(*sweep(), left_out=tuple(f"{k}x1: too large." for k in range(9))))
    inputs: dict[str, JsonValue] = {"op": "rms_norm"}
    request = BenchRequest.model_validate(inputs)
    outcome = Outcome("abcdefghijklmnopqrstuv", TOOL, inputs, request, found, None)
    sent = payload(answer(COMMAND, outcome))
    parts = sent["components"][0]["components"]
    assert sum(length(part.get("content", "")) for part in parts) < DISCORD_CHARACTERS
    assert "does not fit" not in str(sent)


def test_a_running_benchmark_shows_its_rows_so_far() -> None:
    found = told(result(*four(), complete=False))
    inputs: dict[str, JsonValue] = {"op": "rms_norm", "dtype": "bf16"}
    request = BenchRequest.model_validate(inputs)
    progress = Progress("id", "bench", "running", fraction=0.3, words="triton 4096x4096",
                        machine="H100 SXM", worker="basement-box",
                        partial=found.model_dump(mode="json"))  # fmt: skip
    outcome = Outcome("id", TOOL, inputs, request, None, None, pending=progress)
    view = pending(COMMAND, outcome)
    assert texts(view)[0] == "rms_norm bf16 · H100 SXM on basement-box · triton 4096x4096"
    assert tables(view)[0][2].startswith("cuda")


def test_explain_shows_code_counts_and_sources_without_a_machine() -> None:
    source = Implementation(name="triton", backend="triton", file="compute/kernels/x.py", line=9)
    found = result(
        environment=result().environment.model_copy(update={"device": "none"}),
        compiled=(kernel(80), kernel(90, spilled=3, tensor_core=("HGMMA.64x128x16",))),
        implementations=(source,),
        counts=("FLOP: 4 an element.",),
    )
    view = shown(found, preset="explain")
    said = texts(view)
    assert said[0] == "rms_norm bf16: 2 compiled kernels, 1 of them spill"
    assert "FLOP: 4 an element." in said and "triton: compute/kernels/x.py:9" in said
    assert "triton sm_90: tensor cores by HGMMA" in said
    assert not [block for block in view.blocks if isinstance(block, Chart)]


def test_explained_kernels_are_told_apart_on_a_phone_and_none_stands_twice() -> None:
    wide = "kind=medium, a_k=True, b_k=True, shared_bytes=229376"
    other = wide.replace("medium", "partial").replace("b_k=True", "b_k=False")
    none = result().environment.model_copy(update={"device": "none"})
    kernels = (
        kernel(90, op="gemm", kernel="gemm_kernel", config=wide),
        kernel(90, op="gemm", kernel="gemm_kernel", config=wide),
        kernel(90, op="gemm", kernel="gemm_hopper", config=wide, shared_bytes=229376),
        kernel(90, op="gemm", kernel="gemm_kernel", config=wide.replace("a_k=True", "a_k=False")),
        kernel(90, op="gemm", kernel="gemm_hopper", config=other, registers=168),
        kernel(90, op="gemm", kernel="sum_parts_kernel", config=""),
        kernel(100, op="gemm", kernel="gemm_kernel", config=wide, spilled=1984),
    )
    view = shown(result(op="gemm", environment=none, compiled=kernels), preset="explain")
    assert texts(view)[0] == "gemm bf16: 6 compiled kernels, 1 of them spill"
    first, second = tables(view)
    assert first[0] == "triton sm_90"
    assert first[1].split() == ["kind/a_k", "reg", "KiB", "16B", "occ%"]
    labels = [line.split()[0] for line in first[2:]]
    assert labels == ["medium/y", "hopper/medium/y", "medium/n", "hopper/partia/y", "sum_parts"]
    assert second[1].split() == ["reg", "KiB", "sp", "16B", "occ%"]
    assert second[2].split() == ["gemm", "36", "1", "1984", "8", "75"]
    for lines in (first, second):
        assert max(map(len, lines)) <= PHONE_COLUMNS, lines


def test_a_run_is_named_by_operator_and_dtype() -> None:
    assert subject(BenchRequest(op="gemm", dtype="bfloat16")) == "gemm bf16"
    assert subject(BenchRequest(op="gemm")) == "gemm"


def test_every_option_completes_from_memory() -> None:
    for name, typed, value in (
        ("op", "rms", "rms_norm"),
        ("dtype", "bf", "bf16"),
        ("preset", "llama-3.1-8b d", "llama-3.1-8b decode"),
        ("gpu", "h100", "H100-SXM"),
        ("gpu", "", "cuda"),
    ):
        option = COMMAND.option(name)
        assert option is not None
        assert value in [choice[1] for choice in suggestions(option, typed)]


@pytest.mark.parametrize(
    ("typed", "flags"),
    [
        (["rms_norm", "--dtype", "bf16"], ["--op", "rms_norm", "--dtype", "bf16"]),
        (["explain", "gemm"], ["--preset", "explain", "--op", "gemm"]),
        (["--op", "gemm"], ["--op", "gemm"]),
        ([], []),
    ],
)
def test_a_terminals_words_become_flags(typed: list[str], flags: list[str]) -> None:
    assert words(typed) == flags


def test_the_subcommands_answer_wrong_words_with_exit_code_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert words(["compare", "/nowhere/a.json", "/nowhere/b.json"]) == 2
    assert words(["--suite", "smoke", "nosuchop"]) == 2
    assert "I don't know nosuchop" in capsys.readouterr().err
    with pytest.raises(Refused, match="I don't know that operator"):
        words(["tune", "nosuchop"])
