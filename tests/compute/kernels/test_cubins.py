"""What is compiled, read from the cubin: no spills, wide loads, the tensor cores that are there."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from compute.kernels.operator import ARCHS
from tests.compute.kernels.finding import names, need_worker_packages

# research on what the compilers make of the same source: these need neither tensor cores nor
# 16-byte loads.
NARROW = ("topk_softmax",)
MATRIX = ("gemm", "scaled_mm", "grouped_gemm", "attention")


ONE = ("bfloat16", "float8_e4m3fn")  # every operator has exactly one of them


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["triton", "cuda"])
@pytest.mark.parametrize("operator", names())
def test_kernels_compile_for_hopper_without_spills(operator: str, backend: str) -> None:
    """One dtype and architecture: with nothing cached all of them take 20 minutes."""
    hold(operator, backend, (90,), ONE)


@pytest.mark.soak
@pytest.mark.parametrize("backend", ["triton", "cuda"])
@pytest.mark.parametrize("operator", names())
def test_kernels_compile_for_every_architecture_without_spills(operator: str, backend: str) -> None:
    hold(operator, backend, ARCHS, ())


def hold(operator: str, backend: str, archs: Sequence[int], dtypes: Sequence[str]) -> None:
    """No spill anywhere, tensor cores in matrix operators, wide loads in the others."""
    need_worker_packages()
    from compute.kernels.registry import operators
    from compute.kernels.static import inspect_cubin, stack_bytes

    found = operators()[operator]
    for dtype in [d for d in found.dtypes if not dtypes or d in dtypes]:
        for arch in archs:
            cubins = found.implementations[backend].aot(dtype, arch)
            if isinstance(cubins, str):
                assert dtype.startswith("float8") and arch == 80, cubins
                continue
            assert cubins
            assert [(c["name"], c["config"]) for c in cubins if stack_bytes(c)] == []
            # Read one by one, only until it is seen: the widest stands first.
            if operator in MATRIX and dtype != "float32":
                assert any(inspect_cubin(c, arch).tensor_core for c in cubins)
            if operator not in NARROW:
                read = (inspect_cubin(c, arch) for c in cubins)
                assert any(s.loads_16 or s.async_copies for s in read)
