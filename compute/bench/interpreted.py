"""Values of Triton and CUDA kernels without a GPU: in a process of its own, and never a time.

``python -m compute.bench.interpreted OP DTYPE SEED`` prints one JSON object for each kernel. Triton
has to be imported as an interpreter, which a process that compiles cannot do any more.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import compute
from compute.bench.result import Checked

CHECK_S = 60.0
HOW = {"triton": "Triton's interpreter", "cuda": "CUDA C++ emulated on the CPU"}


async def check_apart(
    op: str, dtype: str, seed: int, limit_s: float = CHECK_S
) -> tuple[Checked, ...]:
    """The kernels' checks on the operator's small shape; none where that takes too long."""
    command = [sys.executable, "-m", "compute.bench.interpreted", op, dtype, str(seed)]
    process = await asyncio.create_subprocess_exec(
        *command,
        env=_environment(os.environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(limit_s):
            printed, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return ()
    return tuple(
        Checked.model_validate_json(line)
        for line in printed.decode(errors="replace").splitlines()
        if line.startswith("{")
    )


def _environment(outer: Mapping[str, str]) -> dict[str, str]:
    from compute.kernels.build.emulation import SWITCH

    root = str(Path(compute.__file__).parents[1])
    return {
        **outer,
        "TRITON_INTERPRET": "1",
        SWITCH: "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": os.pathsep.join(filter(None, (root, outer.get("PYTHONPATH")))),
    }


def main(arguments: list[str]) -> int:
    """Check Triton, then CUDA; each line is flushed, so that a late one loses none before it."""
    from compute.kernels.checking import check
    from compute.kernels.operator import Case
    from compute.kernels.registry import operators

    op, dtype, seed = arguments[0], arguments[1], int(arguments[2])
    operator = operators()[op]
    dims = operator.suites["smoke"][0]
    case = Case("smoke", operator.make_inputs(dims, dtype, seed, "cpu"))
    for implementation in operator.implementations.values():
        how = HOW.get(implementation.backend)
        if how is None:
            continue
        done = check(operator, implementation, case, dtype, "cpu")
        if done.unsupported:
            continue
        line = Checked(
            op=op,
            implementation=implementation.name,
            how=how,
            shape="x".join(str(dims[name]) for name in operator.dims),
            error=None if done.error == float("inf") else done.error,
            allowed=done.allowed,
            why=done.why,
        )
        sys.stdout.write(json.dumps(line.model_dump(mode="json")) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
