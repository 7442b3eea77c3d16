"""The whole tool on this machine's CPU; nothing here is said about how fast that is."""

from __future__ import annotations

import csv
import io
import json

import pytest
from pydantic import JsonValue

from compute.bench import TOOL, tool
from compute.bench.interpreted import check_apart
from compute.bench.request import BenchRequest
from compute.bench.result import BenchResult
from compute.inputs import check_inputs
from compute.tool import Refused, Result
from tests.compute.kernels.finding import need_worker_packages

pytestmark = pytest.mark.slow


class Context:
    """Remembers reports and files."""

    hub_endpoint = ""

    def __init__(self) -> None:
        self.reports: list[tuple[float, str, Result | None]] = []
        self.files: dict[str, tuple[str, bytes]] = {}

    async def fetch(self, url: str, *, limit_bytes: int) -> bytes:
        raise AssertionError(url)

    async def progress(self, fraction: float, words: str, partial: Result | None = None) -> None:
        self.reports.append((fraction, words, partial))

    async def keep(self, name: str, media_type: str, content: bytes) -> None:
        self.files[name] = (media_type, content)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    need_worker_packages()
    monkeypatch.setattr(tool, "STATIC_S", 0.0)


async def run(**inputs: JsonValue) -> tuple[BenchResult, Context]:
    context = Context()
    given: dict[str, JsonValue] = {"op": "softmax", "gpu": "cpu", "cache": "warm", "budget_s": 20}
    given |= inputs
    request = check_inputs(TOOL, given)
    assert isinstance(request, BenchRequest)
    result = await TOOL.run(request, context)
    return result, context


async def test_pytorch_is_timed_on_a_cpu_and_kernels_need_a_gpu() -> None:
    result, _ = await run(dtype="fp32", shapes="64x256, 128x512", implementations="triton,cuda")
    states = {(row.implementation, row.shape): row.state for row in result.rows}
    assert states == {
        (name, shape): "measured" if name == "torch" else "unsupported"
        for name in ("torch", "triton", "cuda")
        for shape in ("64x256", "128x512")
    }
    assert {row.why for row in result.rows if row.state == "unsupported"} == {"needs a GPU"}
    assert all(row.median_ms is None for row in result.rows if row.state != "measured")
    assert result.complete and result.headline and result.ceilings[0].kind == "copy"
    assert result.environment.device == "cpu" and result.environment.torch


async def test_rows_come_while_it_runs_and_files_at_the_end() -> None:
    result, context = await run(dtype="fp32", shapes="8x64, 16x64", implementations="torch")
    fractions = [fraction for fraction, _, _ in context.reports]
    assert fractions == sorted(fractions)
    said = [words for _, words, _ in context.reports]
    assert any(words.endswith("torch 8x64") for words in said)
    partial = [p for _, _, p in context.reports if isinstance(p, BenchResult)]
    assert partial and not partial[0].complete and len(partial[0].rows) == 1
    assert set(context.files) == {"bench.json", "bench.csv"}
    kept = json.loads(context.files["bench.json"][1])
    assert kept["rows"] == result.model_dump(mode="json")["rows"]
    lines = list(csv.DictReader(io.StringIO(context.files["bench.csv"][1].decode())))
    assert [line["shape"] for line in lines] == ["8x64", "16x64"]


async def test_what_does_not_fit_the_machine_or_the_time_is_left_out_with_the_reason() -> None:
    result, _ = await run(dtype="fp32", shapes="8x64, 65536x65536", implementations="torch")
    (left,) = result.left_out
    assert left.startswith("65536x65536: needs about")
    slow, _ = await run(op="gemm", dtype="fp32", shapes="64x64x64, 8192x8192x8192",
                        implementations="torch")  # fmt: skip
    assert [row.shape for row in slow.rows] == ["64x64x64"]
    assert "one call would take about" in slow.left_out[0]


async def test_a_gpu_that_is_not_there_is_refused() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(Refused, match="no CUDA GPU"):
        await run(gpu="cuda")


async def test_a_gpu_that_pytorch_cannot_use_is_refused_and_not_measured_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    from compute.bench import machine

    monkeypatch.setattr(machine, "_hidden_gpu", lambda: "NVIDIA H100 80GB HBM3")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def old() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 12020).")

    monkeypatch.setattr(torch.cuda, "init", old)
    for built, why in (("13.0", "driver on your system is too old"), (None, "without CUDA")):
        monkeypatch.setattr(torch.version, "cuda", built)
        with pytest.raises(Refused, match=f"cannot use this machine's NVIDIA H100.*{why}"):
            await run(gpu="", shapes="8x64")


async def test_a_gpu_that_fails_at_its_first_work_is_refused_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    from compute.bench import ceilings, gpu

    def no_image(*arguments: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution\nCompile with")

    with monkeypatch.context() as patched:
        patched.setattr(torch.cuda, "is_available", lambda: True)
        patched.setattr(gpu, "CudaDevice", no_image)
        with pytest.raises(Refused, match="cannot be used: CUDA error: no kernel image"):
            await run(gpu="", shapes="8x64")
    monkeypatch.setattr(ceilings, "copy_subject", no_image)
    monkeypatch.setattr(tool, "ceilings", ceilings.Ceilings)
    with pytest.raises(Refused, match=r"Not even a copy .* no kernel image"):
        await run(shapes="8x64")


async def test_values_are_checked_apart_and_have_no_times() -> None:
    found = await check_apart("softmax", "float32", 0)
    assert "triton" in {check.implementation for check in found}
    for check in found:
        assert check.why == "" and check.error is not None and check.allowed is not None
        assert check.error <= check.allowed
        assert not {"median_ms", "time", "seconds"} & set(type(check).model_fields)


async def test_a_check_that_takes_too_long_is_left_out() -> None:
    assert await check_apart("softmax", "float32", 0, limit_s=0.0) == ()
