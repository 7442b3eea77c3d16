"""Matrix products that ptxas lets wait for one another.

``python -m tests.compute.kernels.serialized OP...`` prints them. Where an instruction touches
registers of a wgmma under way, ptxas inserts waits and only says so (C7510 to C7517). Kernels are
compiled by NVRTC to PTX, and that by the ptxas which Triton brings, CUDA 12.8's: a newer one may
find a way that the older one does not.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ARCH = 90
TARGET = "sm_90a"
DTYPES = ("bfloat16", "float8_e4m3fn")
SAID = re.compile(r"\(C75\d\d\)[^\n]*|error[^\n]*|Unsupported[^\n]*")


def problems(operator: Any) -> Iterator[str]:
    """A line for each kernel that ptxas complains of, and one with the count of those it read."""
    from compute.kernels.build import cuda as cuda_build
    from tests.fakes.ptx.nvrtc import ptx_of

    original = cuda_build.compiled
    read: dict[str, str] = {}

    def noted(source: str, expression: str, arch: int) -> Any:
        text, _ = ptx_of(source, expression, arch)
        if "wgmma.mma_async" in text:
            read[expression] = said_of(text)
        return original(source, expression, arch)

    vars(cuda_build)["compiled"] = noted
    try:
        for dtype in operator.dtypes:
            if dtype in DTYPES:
                operator.implementations["cuda"].aot(dtype, ARCH)
    finally:
        vars(cuda_build)["compiled"] = original
    yield f"{operator.name}: {len(read)} kernels"
    yield from (f"{name}: {said}" for name, said in read.items() if said)


def said_of(text: str) -> str:
    """What the ptxas of the triton package says of a PTX text; "" is good."""
    from triton import knobs

    older = re.sub(r"^\.version .*$", ".version 8.6", text, flags=re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.ptx"
        path.write_text(older, encoding="utf-8")
        command = [knobs.nvidia.ptxas.path, "-v", f"--gpu-name={TARGET}", str(path)]
        done = subprocess.run(
            [*command, "-o", os.devnull], capture_output=True, text=True, check=False
        )
    return "; ".join(SAID.findall(done.stderr + done.stdout))


def main(names: list[str]) -> int:
    """Print what was found of each operator."""
    from compute.kernels.registry import operators

    for name in names:
        for line in problems(operators()[name]):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
