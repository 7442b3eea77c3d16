"""What each kernel was compiled to for each architecture: needs no GPU, runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import compute
from compute.bench.result import Compiled, Implementation

if TYPE_CHECKING:
    from compute.kernels.operator import Cubin, Operator

ROOT = Path(compute.__file__).parents[1]
OURS = ("triton", "cuda")  # the backends whose kernels are ours to compile
MOST_CONFIG = 200


def compile_all(
    operator: Operator, dtype: str, archs: Sequence[int], going_on: Callable[[], bool]
) -> tuple[list[Compiled], list[str]]:
    """The kernels of all architectures, and a sentence for each that gives none.

    ``going_on`` is asked before every compilation (0.1 to 4 s each).
    """
    found: list[Compiled] = []
    said: list[str] = []
    for name, implementation in operator.implementations.items():
        if implementation.backend not in OURS:
            continue
        for arch in archs:
            if not going_on():
                return found, [*said, "No time was left to compile the rest."]
            made = _aot(implementation.aot, dtype, arch)
            if isinstance(made, str):
                said.append(f"{name} sm_{arch}: {made}")
                continue
            for kernel in made:
                read = _inspected(operator.name, name, kernel, arch)
                found += [read] if isinstance(read, Compiled) else []
                said += [read] if isinstance(read, str) else []
    return found, list(dict.fromkeys(said))


def _aot(build: Callable[[str, int], Any], dtype: str, arch: int) -> list[Cubin] | str:
    """A backend that cannot compile says so; one that fails is quoted."""
    try:
        made: list[Cubin] | str = build(dtype, arch)
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())[:160]
    return made


def _inspected(op: str, name: str, kernel: Cubin, arch: int) -> Compiled | str:
    from compute.kernels.build.static import inspect_cubin

    try:
        read = inspect_cubin(kernel, arch)
    except (LookupError, OSError) as error:
        return f"{name} sm_{arch}: {error}"
    config = ", ".join(f"{key}={value}" for key, value in kernel["config"].items())
    return Compiled(
        op=op,
        implementation=name,
        kernel=read.name,
        arch=arch,
        registers=read.registers,
        shared_bytes=read.shared_bytes,
        spilled=read.spilled,
        tensor_core=read.tensor_core,
        async_copies=read.async_copies,
        loads_16=read.loads_16,
        num_warps=read.num_warps,
        occupancy=round(read.occupancy, 3),
        config=config[:MOST_CONFIG],
    )


def implementations(operator: Operator) -> tuple[Implementation, ...]:
    """Where the source of each is."""
    return tuple(
        Implementation(name=name, backend=one.backend, file=_inside(file), line=line)
        for name, one in operator.implementations.items()
        for file, line in (one.source,)
    )


def _inside(file: str) -> str:
    """The path from the project's root, as a repository shows it."""
    path = Path(file)
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def counts(operator: Operator) -> tuple[str, ...]:
    """What is counted, in the words of the formulas themselves."""
    return tuple(_words(operator))


def _words(operator: Operator) -> Iterator[str]:
    for title, formula in (("FLOP", operator.flops), ("Bytes", operator.bytes)):
        said = " ".join((formula.__doc__ or "").split())
        if said:
            yield f"{title}: {said}"
