"""An operator whose launcher chooses: ``y = 2 x`` by PyTorch, a time for each configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from compute.bench.asked import Asked
from compute.bench.index import Listed
from compute.kernels.operator import Cubin, Implementation, Operator
from compute.kernels.plans.choosing import Choice, Config
from tests.compute.bench.parts import FakeDevice
from tests.compute.bench.test_cells import doubling, eager

USUAL: Config = (128,)
BETTER: Config = (256,)
WORSE: Config = (64,)
WRONG: Config = (512,)


class TickingDevice(FakeDevice):
    """Real calls, as those of the copy, take no time of the fake clock: looking at it does."""

    def __init__(self) -> None:
        super().__init__(kind="cpu")

    def now_s(self) -> float:
        self.time_s += 1e-4
        return self.time_s


def no_cubin(dtype: str, arch: int, bucket: str, config: Config) -> Cubin:
    raise LookupError("nothing is compiled here")


def choice_of(*offered: Config) -> Choice:
    return Choice(
        operator="doubling",
        implementation="triton",
        fields=("BLOCK",),
        bucket=lambda dims, dtype, processors: "wide" if dims["N"] > 64 else "narrow",
        usual=lambda *_: USUAL,
        offered=lambda *_: offered or (USUAL, BETTER, WORSE),
        cubin=no_cubin,
    )


def chosen_operator(
    device: FakeDevice,
    times_s: Mapping[Config, float],
    choice: Choice,
    run: Callable[[Any, Config], Any] = lambda x, config: eager(x),
) -> Operator:
    """Its one implementation takes ``times_s`` of the device's clock, by configuration."""

    def launch(x: Any) -> Any:
        config = choice.taken(x, "float32", "wide")
        device.waiting += 1
        device.time_s += times_s[config]
        return run(x, config)

    made = Implementation("triton", "library", launch, choice=choice)
    return replace(doubling(), implementations={"triton": made})


def asked_for(*shapes: tuple[int, int]) -> Asked:
    op = Listed(
        name="doubling",
        title="Doubling",
        summary="2x",
        regime="memory",
        dims=("M", "N"),
        dtypes=("float32",),
        implementations={"triton": "library"},
        also=(),
        suites={},
        presets={},
        terms={"float32": [(8.0, ("M", "N"))]},
    )
    dims = tuple({"M": m, "N": n} for m, n in shapes)
    return Asked(op, "float32", dims, "cuda", (), explain=False)
