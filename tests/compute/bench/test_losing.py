"""A kernel that takes the GPU down with it: the rows before it stay, and everything is said."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from compute.bench import gpu, measuring
from compute.bench.asked import Asked
from compute.bench.ceilings import Ceilings
from compute.bench.cells import Timed
from compute.bench.cpu import CpuDevice
from compute.bench.device import Lost, out_of_memory
from compute.bench.index import listed
from compute.bench.measuring import Found, Measuring
from compute.bench.request import BenchRequest
from compute.bench.result import Ceiling, Row
from compute.bench.rows import rows_of
from compute.bench.tuning import Tuning, try_all
from compute.kernels.build import torch_compile
from tests.compute.bench.choosing import BETTER, USUAL, TickingDevice, choice_of, chosen_operator
from tests.compute.bench.test_cells import cell_of, copying, doubling, eager
from tests.compute.kernels.finding import need_worker_packages

ILLEGAL = "CUDA error: an illegal memory access was encountered"


@pytest.fixture(autouse=True)
def _torch() -> None:
    need_worker_packages()


class Breaking(CpuDevice):
    """Refuses every wait after ``broken`` was set, as a CUDA context does."""

    def __init__(self) -> None:
        super().__init__(8 * 2**30)
        self.broken = False

    def synchronize(self) -> None:
        if self.broken:
            raise RuntimeError(ILLEGAL)

    def lost(self) -> str:
        return ILLEGAL if self.broken else ""


def breaking(device: Breaking, at_call: int) -> Callable[[Any], Any]:
    """Right until its ``at_call``-th call, which breaks the device."""
    calls = iter(range(10**9))

    def run(x: Any) -> Any:
        device.broken = device.broken or next(calls) == at_call
        if device.broken:
            raise RuntimeError(ILLEGAL)
        return x * 2

    return run


def rows(timed: Timed, cell: Any) -> dict[str, Row]:
    return {row.implementation: row for row in rows_of(cell, timed, 1000.0, None)}


@pytest.mark.slow
async def test_only_the_one_that_broke_the_gpu_is_called_wrong() -> None:
    device = Breaking()
    operator = doubling(before=eager, bad=breaking(device, 0), after=eager)
    cell, timed = await cell_of(operator, device=device)
    found = rows(timed, cell)
    assert timed.lost == ILLEGAL
    assert found["bad"].state == "wrong" and ILLEGAL in found["bad"].why
    for name in ("torch", "before", "after"):
        assert (found[name].state, found[name].why) == (
            "skipped", "not run: the GPU had stopped at bad",
        )  # fmt: skip


@pytest.mark.slow
async def test_while_they_take_turns_nobody_knows_whose_fault_it_was() -> None:
    device = Breaking()
    cell, timed = await cell_of(doubling(bad=breaking(device, 12)), device=device)
    found = rows(timed, cell)
    assert timed.lost and {row.state for row in found.values()} == {"skipped"}
    assert {row.why for row in found.values()} == {"the GPU stopped while they were timed in turns"}
    assert all(row.median_ms is None for row in found.values())


@pytest.mark.slow
async def test_a_kernel_that_hangs_in_its_check_is_waited_for_by_the_device() -> None:
    class Hanging(Breaking):
        calls = 0

        def synchronize(self) -> None:
            if self.calls == 3:  # two to learn its time, the third is checked
                self.broken = True
                raise Lost("a kernel hangs")

    device = Hanging()

    def bad(x: Any) -> Any:
        device.calls += 1
        return x * 2

    cell, timed = await cell_of(doubling(bad=bad), device=device)
    assert timed.lost and "a kernel hangs" in rows(timed, cell)["bad"].why


@pytest.mark.slow
async def test_what_was_checked_again_before_the_loss_keeps_its_time() -> None:
    device = Breaking()
    first = breaking(device, 10**9)

    def bad(x: Any) -> Any:
        device.broken = bool(x[0, 0] != seen.setdefault("first", x[0, 0].item()))
        return first(x)

    seen: dict[str, float] = {}
    operator = doubling(good=eager, bad=bad, after=eager)
    cell, timed = await cell_of(operator, device=device)
    found = rows(timed, cell)
    assert [found[name].state for name in ("torch", "good", "bad", "after")] == [
        "measured", "measured", "wrong", "skipped",
    ]  # fmt: skip


@pytest.mark.slow
async def test_the_shapes_after_a_loss_are_left_out_and_those_before_it_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = Breaking()
    operator = doubling(bad=lambda x: first(x))
    calls: list[Any] = []

    def first(x: Any) -> Any:
        calls.append(x.shape)
        device.broken = x.shape[0] == 64
        if device.broken:
            raise RuntimeError(ILLEGAL)
        return x * 2

    def broken() -> None:
        raise ImportError("torch.compile cannot be imported")

    monkeypatch.setattr(torch_compile, "forget_shapes", broken)
    kept = Ceilings()
    monkeypatch.setattr(kept, "copy", lambda device: Ceiling(kind="copy", value=1e6, what=""))
    monkeypatch.setattr(measuring, "wanted", lambda o, only: list(o.implementations.values()))
    shapes = tuple({"M": m, "N": 128} for m in (32, 64, 128))
    op = listed()["softmax"]
    asked = Asked(op=op, dtype="float32", shapes=shapes, place="cpu", only=(), explain=False)

    async def say(share: float, words: str, found: Found) -> None:
        """Nothing."""

    request = BenchRequest(op="softmax", budget_s=2.0)
    found = await Measuring(asked, request, operator, device, kept, say).run()
    assert found.lost == ILLEGAL
    states = {(row.shape, row.implementation): row.state for row in found.rows}
    assert states[op.text(shapes[0]), "torch"] == "measured"
    assert states[op.text(shapes[1]), "bad"] == "wrong"
    assert found.left_out == [f"{op.text(shapes[2])}: the GPU had stopped before."]
    assert all(shape[0] != 128 for shape in calls)


@pytest.mark.slow
async def test_tuning_says_which_candidate_took_the_gpu_down() -> None:
    class Stopping(TickingDevice):
        def lost(self) -> str:
            return ILLEGAL if self.stopped else ""

        stopped = False

    device, choice = Stopping(), choice_of()

    def run(x: Any, config: Any) -> Any:
        device.stopped = device.stopped or config == BETTER
        if device.stopped:
            raise RuntimeError(ILLEGAL)
        return x * 2

    operator = chosen_operator(device, {USUAL: 1e-3, BETTER: 1e-3}, choice, run)

    async def say(words: str) -> None:
        """Nothing."""

    tuning = Tuning(operator, "float32", device, 2.0, say, copy=lambda *_: copying())
    with pytest.raises(Lost, match="BLOCK=256: CUDA error"):
        await try_all(tuning, choice, [USUAL, BETTER], {"M": 8, "N": 128})


class FakeCuda:
    """The part of ``torch.cuda`` that the device uses; work is done when ``done`` says so."""

    def __init__(self) -> None:
        self.done: Callable[[], bool] = lambda: True
        self.calls: list[str] = []
        self.cached = 0

    def Event(self, enable_timing: bool = False) -> Any:
        return SimpleNamespace(record=lambda: None, query=lambda: self.done())

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.append(name)

    def mem_get_info(self) -> tuple[int, int]:
        return 80 * 2**30 - self.cached, 80 * 2**30

    def get_device_properties(self, _: Any) -> Any:
        return SimpleNamespace(
            name="NVIDIA H100", major=9, minor=0, total_memory=80 * 2**30,
            L2_cache_size=50 * 2**20, uuid="1234",
        )  # fmt: skip


def faked(monkeypatch: pytest.MonkeyPatch) -> tuple[gpu.CudaDevice, FakeCuda]:
    cuda = FakeCuda()
    torch = SimpleNamespace(cuda=cuda, ones=lambda *a, **k: None)
    monkeypatch.setitem(sys.modules, "torch", torch)
    return gpu.CudaDevice(), cuda


def test_a_kernel_that_hangs_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpu, "HANG_S", 0.05)
    device, cuda = faked(monkeypatch)
    device.synchronize()
    assert not device.lost()
    cuda.done = lambda: False
    cuda.calls.clear()
    with pytest.raises(Lost, match="a kernel hangs"):
        device.synchronize()
    assert "synchronize" not in cuda.calls, "that would never return"
    began = time.monotonic()
    assert "a kernel hangs" in device.lost()
    with pytest.raises(Lost):
        device.synchronize()
    assert time.monotonic() - began < 0.05, "it is not waited for again"


def test_an_error_that_stays_is_told_from_one_that_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    device, cuda = faked(monkeypatch)

    def refused() -> bool:
        raise RuntimeError(ILLEGAL)

    cuda.done = refused
    assert ILLEGAL in device.lost()
    other, cuda = faked(monkeypatch)

    def full() -> bool:
        raise MemoryError

    cuda.done = full
    assert other.lost() == "", "memory comes back"


@pytest.mark.parametrize(
    "said",
    ["CUDA out of memory. Tried to allocate 2 GiB", "Triton Error [CUDA]: out of memory",
     "CUDA_ERROR_OUT_OF_MEMORY", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"],
)  # fmt: skip
def test_memory_that_is_full_is_known_by_every_librarys_words(said: str) -> None:
    assert out_of_memory(RuntimeError(said))
    assert not out_of_memory(RuntimeError("out of resource: shared memory"))
