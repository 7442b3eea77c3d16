"""What is wrong with the kernels of one backend; ``python -m tests.compute.kernels.cubins``.

In a process of its own: other tests may have taken the CUDA bindings out of this one's modules.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from compute.kernels.operator import ARCHS, Operator

# Research on what the compilers make of the same source: these need neither tensor cores nor
# 16-byte loads.
NARROW = ("topk_softmax",)
MATRIX = ("gemm", "scaled_mm", "grouped_gemm", "attention")
# Where a generation has instructions of its own for products, one kernel at least has to use them.
OWN = {90: ("HGMMA", "QGMMA")}
ONE = ("bfloat16", "float8_e4m3fn")  # every operator has exactly one of them


def problems(
    operator: Operator, backend: str, archs: Sequence[int], dtypes: Sequence[str]
) -> Iterator[str]:
    """Spills, missing tensor cores, narrow loads: a line each."""
    from compute.kernels.build.static import inspect_cubin, stack_bytes

    for dtype in [d for d in operator.dtypes if not dtypes or d in dtypes]:
        for arch in archs:
            where = f"{operator.name} {backend} {dtype} sm_{arch}"
            cubins = operator.implementations[backend].aot(dtype, arch)
            if isinstance(cubins, str):
                if not (dtype.startswith("float8") and arch == 80):
                    yield f"{where}: {cubins}"
                continue
            if not cubins:
                yield f"{where}: nothing was compiled"
            yield from (f"{where}: {c['name']} {c['config']} spills" for c in cubins
                        if stack_bytes(c))  # fmt: skip
            # Read one by one, only until it is seen: the widest stands first.
            cores = operator.name in MATRIX and dtype != "float32"
            names = (name for c in cubins for name in inspect_cubin(c, arch).tensor_core)
            if cores and not any(name.startswith(OWN.get(arch, "")) for name in names):
                yield f"{where}: no tensor-core instruction of its generation"
            read = (inspect_cubin(c, arch) for c in cubins)
            wide = operator.name in NARROW or any(s.loads_16 or s.async_copies for s in read)
            if not wide:
                yield f"{where}: no 16-byte or asynchronous load"


def main(backend: str, every: bool) -> int:
    """Print how many operators were read, and each problem."""
    from compute.kernels.registry import operators

    found = [
        line
        for operator in operators().values()
        for line in problems(operator, backend, ARCHS if every else (90,), () if every else ONE)
    ]
    sys.stdout.write("\n".join([f"{len(operators())} operators", *found]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], every="--every" in sys.argv))
