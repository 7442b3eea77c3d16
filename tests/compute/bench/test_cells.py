"""Planted faults in an operator of our own: none of them ever gets a time."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from compute.bench.cells import Cell, Timed, run_cell
from compute.bench.cpu import CpuDevice
from compute.bench.result import Row
from compute.bench.rows import rows_of
from compute.bench.timing import Subject
from compute.kernels.operator import SIZES, Case, Implementation, Operator
from tests.compute.bench.parts import FakeDevice
from tests.compute.kernels.finding import need_worker_packages

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _torch() -> None:
    need_worker_packages()


def eager(x: Any) -> Any:
    return x * 2


def doubling(**others: Callable[..., Any]) -> Operator:
    """y = 2 x, with eager and whatever is planted beside it."""
    found = {"torch": Implementation("torch", "torch", eager)}
    found |= {name: Implementation(name, "library", run) for name, run in others.items()}

    def make_inputs(dims: Any, dtype: str, seed: int, device: str) -> dict[str, Any]:
        import torch

        made = torch.Generator(device=device).manual_seed(seed)
        x = torch.randn((dims["M"], dims["N"]), generator=made, device=device)
        return {"x": x.to(getattr(torch, dtype))}

    return Operator(
        name="doubling",
        title="Doubling",
        summary="2x",
        dtypes=("float32",),
        regime="memory",
        implementations=found,
        make_inputs=make_inputs,
        reference=lambda x: x.double() * 2,
        flops=lambda d, _: d["M"] * d["N"],
        bytes=lambda d, dtype: 2 * d["M"] * d["N"] * SIZES[dtype],
        dims=("M", "N"),
        suites={"smoke": [{"M": 8, "N": 8}]},
        adversarial=lambda dtype, seed, device: [Case("none", {})],
    )


async def cell_of(operator: Operator, device: Any = None, **changes: Any) -> tuple[Cell, Timed]:
    async def say(words: str) -> None:
        said.append(words)

    said: list[str] = []
    values: dict[str, Any] = {
        "operator": operator,
        "dims": {"M": 64, "N": 128},
        "dtype": "float32",
        "shape": "64x128",
        "cache": "warm",
        "method": "event",
        "seed": 0,
        "budget_s": 0.2,
        "compile_s": 10.0,
        "device": device or CpuDevice(2**30),
        "say": say,
    }
    cell = Cell(**values | changes)
    timed = await run_cell(
        cell, list(operator.implementations.values()), {}, lambda size, kind: copying()
    )
    return cell, timed


def copying() -> Subject:
    import torch

    source = torch.ones(4096)
    target = torch.empty_like(source)
    return Subject("copy", lambda _: target.copy_(source))


async def rows(operator: Operator, **changes: Any) -> dict[str, Row]:
    cell, timed = await cell_of(operator, **changes)
    return {row.implementation: row for row in rows_of(cell, timed, 1000.0, None)}


async def test_a_right_kernel_gets_times_errors_and_a_standing() -> None:
    found = await rows(doubling(good=lambda x: x + x))
    good = found["good"]
    assert good.state == "measured" and good.n >= 6
    assert good.q1_ms is not None and good.median_ms is not None and good.q3_ms is not None
    assert 0 < good.q1_ms <= good.median_ms <= good.q3_ms
    assert good.error == 0 and good.error_after == 0
    assert good.speedup is not None and good.standing in ("faster", "slower", "no difference")
    assert good.host_us is None, "a CPU's call returns when it is done"


def _into_input(x: Any) -> Any:
    result = x * 2
    x.add_(1e-3)
    return result


def _raising(x: Any) -> Any:
    raise ValueError("no such tile")


def _remembering() -> Callable[..., Any]:
    """The hack of kept results: by address, which stays while the values change."""
    kept: dict[int, Any] = {}

    def run(x: Any) -> Any:
        if x.data_ptr() not in kept:
            kept[x.data_ptr()] = x * 2
        return kept[x.data_ptr()].clone()

    return run


def _lazy_rows(x: Any) -> Any:
    """Writes all rows but the last; what memory held before may be right by luck."""
    result = x.new_empty(x.shape)
    result[:-1] = x[:-1] * 2
    return result


@pytest.mark.parametrize(
    ("planted", "words"),
    [
        (lambda x: x.new_zeros(x.shape), "relative error"),
        (lambda x: (x.half() * 2).float(), "relative error"),
        (lambda x: x.double() * 2, "the dtype is"),
        (lambda x: (x * 2)[:1], "the shape is"),
        (lambda x: x.mul_(2), "changed its input|relative error"),
        (_into_input, "changed its input|relative error"),
        (lambda x: x, "relative error|shares memory"),
        (_remembering(), "on changed inputs, after its timing"),
        (_raising, "raises ValueError: no such tile"),
        (_lazy_rows, "relative error|NaN"),
    ],
    ids=["zeros", "half precision", "dtype", "shape", "in place", "input changed", "the input",
         "kept by address", "raises", "a row unwritten"],
)  # fmt: skip
async def test_a_planted_fault_is_told_and_never_timed(
    planted: Callable[..., Any], words: str
) -> None:
    found = (await rows(doubling(bad=planted)))["bad"]
    assert found.state == "wrong"
    assert found.median_ms is None and found.gbs is None
    assert re.search(words, found.why), found.why


async def test_what_an_implementation_cannot_do_is_said_in_its_own_words() -> None:
    operator = doubling()
    limited = Implementation("limited", "library", eager, limits=lambda i, d: "needs 16 columns")
    operator = Operator(
        **{
            **{f: getattr(operator, f) for f in operator.__dataclass_fields__},
            "implementations": {**operator.implementations, "limited": limited},
        }
    )
    found = (await rows(operator))["limited"]
    assert (found.state, found.why) == ("unsupported", "needs 16 columns")


async def test_a_time_above_the_roofline_of_a_gpu_is_rejected() -> None:
    class Fake(CpuDevice):
        kind = "cuda"  # judged as one; its tensors stay where they are

        def spin(self, seconds: float) -> None:
            """Nothing."""

    operator = doubling()
    cell, timed = await cell_of(operator, cache="cold", dims={"M": 512, "N": 1024})
    slow_memory_gbs = 1e-3
    for contender in [*timed.contenders]:
        assert contender.subject is not None
    assert timed.copied is not None
    timed.copied.blocks = [[100.0] * 3, [100.0] * 3]
    device = Fake(2**30)
    device.cache_bytes = 1024
    judged = Cell(**{**cell.__dict__, "device": device})
    (row,) = rows_of(judged, timed, slow_memory_gbs, None)
    assert row.state == "rejected" and row.median_ms is None
    assert "fault of the measurement" in row.why


async def test_what_writes_less_than_it_reads_may_beat_a_copy_but_not_memory() -> None:
    class Fake(CpuDevice):
        kind = "cuda"

    cell, timed = await cell_of(doubling(), cache="cold", dims={"M": 512, "N": 1024})
    subject = timed.contenders[0].subject
    assert subject is not None and timed.copied is not None
    subject.blocks = [[1.0] * 3, [1.0] * 3]
    timed.copied.blocks = [[1.08] * 3, [1.08] * 3]
    copy_gbs = cell.moved_bytes / 1.08 / 1e9
    device = Fake(2**30)
    device.cache_bytes = 1024
    judged = Cell(**{**cell.__dict__, "device": device})
    (row,) = rows_of(judged, timed, copy_gbs, None, most_gbs=1.07 * copy_gbs)
    assert row.state == "measured" and row.copy_pct == pytest.approx(108)
    assert row.roofline_pct == pytest.approx(108) and "above a copy" in row.why
    (row,) = rows_of(judged, timed, copy_gbs, None, most_gbs=1.01 * copy_gbs)
    assert row.state == "rejected"


async def test_a_shape_too_large_for_float64_is_checked_at_a_smaller_one() -> None:
    small = CpuDevice(2**20)  # 1 MiB: float64 of 256 KiB is too much
    found = (await rows(doubling(), device=small, dims={"M": 256, "N": 128}))["torch"]
    assert found.state == "measured"
    assert found.checked_at and found.checked_at != found.shape


async def test_without_time_a_slow_compiler_is_left_out() -> None:
    operator = doubling(slow=eager)
    cell = await cell_of(operator, compile_s=2.0)
    assert all(c.subject for c in cell[1].contenders)

    async def say(words: str) -> None:
        """Nothing."""

    again = Cell(**{**cell[0].__dict__, "say": say})
    timed = await run_cell(
        again, list(operator.implementations.values()), {"library": 30.0}, lambda s, k: copying()
    )
    slow = next(c for c in timed.contenders if c.implementation.name == "slow")
    assert slow.row.state == "skipped" and "30 s" in slow.row.why


async def test_a_backend_that_was_not_called_yet_is_though_another_took_all_the_time() -> None:
    _, timed = await cell_of(doubling(first=eager), compile_s=-3.0)
    assert all(contender.subject for contender in timed.contenders)


async def test_memory_of_a_call_is_counted_where_the_device_counts() -> None:
    class Counting(CpuDevice):
        def peak_bytes(self, call: Callable[[], object]) -> int:
            result: Any = call()
            return int(result.nbytes) + 512

    cell, timed = await cell_of(doubling(), device=Counting(2**30))
    assert [row.peak_bytes for row in rows_of(cell, timed, 1000.0, None)] == [64 * 128 * 4 + 512]
    found = await rows(doubling())
    assert found["torch"].peak_bytes is None, "a CPU's allocator keeps no count"


def test_the_fake_device_is_a_device() -> None:
    from compute.bench.device import Device

    device: Device = FakeDevice()
    assert device.clocks().sm_mhz == 1980
