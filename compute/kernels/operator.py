"""What an operator is: its counts, its inputs, a float64 reference, and its implementations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from compute.kernels.plans.choosing import Choice

Backend = Literal["torch", "torch.compile", "triton", "cuda", "library"]
Regime = Literal["memory", "compute"]
Dims = Mapping[str, int]
Inputs = dict[str, Any]

# Bytes of one element, by torch's name of the dtype.
SIZES: Mapping[str, int] = {"float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1}
FLOATS = ("float32", "float16", "bfloat16")
ARCHS = (80, 89, 90, 100)  # what every Triton and CUDA kernel is compiled for


class Cubin(TypedDict):
    """One kernel compiled for one architecture, and how it would be launched."""

    name: str
    cubin: bytes
    num_warps: int
    config: dict[str, Any]


def anything(inputs: Inputs, device: str) -> str | None:
    """No limit of its own."""
    return None


def not_compiled(dtype: str, arch: int) -> list[Cubin] | str:
    """What a backend says that brings no kernels of ours."""
    return "the kernels of this backend are made by PyTorch when it runs"


@dataclass(frozen=True)
class Implementation:
    """One way to compute an operator: ``impl(**inputs)`` allocates its outputs, runs on the
    current stream, does not wait for it, and changes no input.

    ``limits`` says in a sentence what it cannot do (architecture, dtype, alignment, size);
    ``build`` compiles for an architecture (80, 89, 90, 100) with the widest alignment that the
    launcher can promise at run time, or says why it cannot. ``choice`` is what tuning may change;
    ``package`` the module of a library that has to be installed.
    """

    name: str
    backend: Backend
    run: Callable[..., Any]
    limits: Callable[[Inputs, str], str | None] = anything
    build: Callable[[str, int], list[Cubin] | str] = not_compiled
    deterministic: bool = True
    shown: Callable[..., Any] | None = None  # where the source is, when ``run`` only launches it
    choice: Choice | None = None
    package: str = ""

    @property
    def source(self) -> tuple[str, int]:
        """File and line of the code that computes."""
        code = inspect.unwrap(getattr(self.shown, "fn", self.shown) or self.run)
        return inspect.getsourcefile(code) or "", inspect.getsourcelines(code)[1]

    def unsupported(self, inputs: Inputs, device: str) -> str | None:
        """Why this cannot run on ``inputs`` there, or None when it can."""
        from compute.kernels.build.places import no_place, not_installed

        return (
            no_place(self.backend, device)
            or not_installed(self.package)
            or self.limits(inputs, device)
        )

    def aot(self, dtype: str, arch: int) -> list[Cubin] | str:
        """Every kernel of this implementation for ``arch``; a sentence where there is none."""
        return self.build(dtype, arch)

    def __call__(self, **inputs: Any) -> Any:
        """The result: one tensor or a tuple of them."""
        return self.run(**inputs)


@dataclass(frozen=True)
class Case:
    """Inputs that have been the downfall of kernels before; ``name`` says which kind."""

    name: str
    inputs: Inputs


@dataclass(frozen=True)
class Tolerance:
    """How far a result may be from the float64 reference on the same rounded inputs.

    ``units``: relative Frobenius error in roundings of the output's dtype; ``floor``: what fp32
    arithmetic itself costs. docs/kernels.md gives the reasons.
    """

    units: float = 1.0
    floor: float = 2e-6
    fp32_factor: float = 1.0  # fp32 inputs whose own rounding moves the result


Judge = Callable[["Operator", Inputs, Any, Any, str, float], "Verdict"]


@dataclass(frozen=True)
class Verdict:
    """``error`` is the relative Frobenius error, ``allowed`` its limit; ``why`` is a sentence
    for what is wrong, "" when all is right.
    """

    error: float
    allowed: float
    why: str = ""

    @property
    def right(self) -> bool:
        """Whether the result may be used."""
        return not self.why


@dataclass(frozen=True)
class Operator:
    """One operator. ``flops`` and ``bytes`` are exact minima: a multiply-add is 2, each input is
    read once and each output written once.

    ``reference`` computes in float64 on the CPU or the device of its inputs. ``suites`` has the
    keys smoke (seconds on a CPU), models (shapes of real models) and sweep (sizes for a chart);
    ``adversarial`` makes cases for a dtype, seed and device. ``also``: other names it goes by.
    """

    name: str
    title: str
    summary: str
    dtypes: tuple[str, ...]
    regime: Regime
    implementations: Mapping[str, Implementation]
    make_inputs: Callable[[Dims, str, int, str], Inputs]
    reference: Callable[..., Any]
    flops: Callable[[Dims, str], int]
    bytes: Callable[[Dims, str], int]
    dims: tuple[str, ...]
    suites: Mapping[str, Sequence[Dims]]
    adversarial: Callable[[str, int, str], Sequence[Case]]
    presets: Mapping[str, Sequence[Dims]] = field(default_factory=dict)
    tolerance: Tolerance = Tolerance()
    result_dtype: Callable[[str], str] = lambda dtype: dtype
    judge: Judge | None = None
    also: tuple[str, ...] = ()

    @property
    def default_shapes(self) -> list[Dims]:
        """What is measured when nothing is said."""
        return list(self.suites["sweep"])

    def intensity(self, dims: Dims, dtype: str) -> float:
        """FLOP per byte."""
        moved = self.bytes(dims, dtype)
        return self.flops(dims, dtype) / moved if moved else 0.0
