"""What is compiled, read from the cubin: no spills, wide loads, the tensor cores that are there."""

from __future__ import annotations

import pytest

from compute.kernels.operator import ARCHS
from tests.compute.kernels.finding import names, need_worker_packages

# research on what the compilers make of the same source: these need neither tensor cores nor
# 16-byte loads.
NARROW = ("topk_softmax",)
MATRIX = ("gemm", "scaled_mm", "grouped_gemm", "attention")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["triton", "cuda"])
@pytest.mark.parametrize("operator", names())
def test_kernels_compile_for_every_architecture_without_spills(operator: str, backend: str) -> None:
    need_worker_packages()
    from compute.kernels.registry import operators
    from compute.kernels.static import inspect_cubin

    found = operators()[operator]
    for dtype in found.dtypes:
        for arch in ARCHS:
            cubins = found.implementations[backend].aot(dtype, arch)
            if isinstance(cubins, str):
                assert dtype.startswith("float8") and arch == 80, cubins
                continue
            seen = [inspect_cubin(cubin, arch) for cubin in cubins]
            assert seen
            assert [s for s in seen if s.spilled or s.stack_bytes] == []
            if operator in MATRIX and dtype != "float32":
                assert any(s.tensor_core for s in seen)
            if operator not in NARROW:
                assert any(s.loads_16 or s.async_copies for s in seen)
