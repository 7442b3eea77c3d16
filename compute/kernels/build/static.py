"""What a compiled kernel tells without a GPU: registers, shared memory, spills, instructions.

Read from the cubin with the ``cuobjdump`` and ``nvdisasm`` that Triton's wheel brings.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from compute.kernels.operator import Cubin

TOOL_S = 60.0
RESOURCES = re.compile(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)")
INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)")
# Tensor-core instructions by the generation that brought them.
TENSOR_CORE = ("HMMA", "IMMA", "QMMA", "OMMA", "HGMMA", "QGMMA", "IGMMA", "UTCHMMA", "UTCQMMA")
# Asynchronous copies to shared memory: cp.async, bulk copies, TMA.
ASYNC = ("LDGSTS", "UBLKCP", "UTMALDG")
# Per multiprocessor: threads, registers, shared memory in bytes (CUDA programming guide, 16.2).
LIMITS = {
    80: (2048, 65_536, 167_936),
    89: (1536, 65_536, 102_400),
    90: (2048, 65_536, 233_472),
    100: (2048, 65_536, 233_472),
}
SYSTEM_BYTES = 1024  # of shared memory, that the driver keeps of each block's
# Shared memory that one block may have.
BLOCK_BYTES = {80: 163 * 1024, 89: 99 * 1024, 90: 227 * 1024, 100: 227 * 1024}


@dataclass(frozen=True)
class Static:
    """One kernel for one architecture. ``spilled``: loads and stores of local memory;
    ``occupancy``: resident threads over the most, by registers and static shared memory.
    """

    name: str
    arch: int
    registers: int
    stack_bytes: int
    shared_bytes: int
    spilled: int
    tensor_core: tuple[str, ...]
    async_copies: int
    loads_16: int
    num_warps: int

    @property
    def occupancy(self) -> float:
        """Resident threads over the most that a multiprocessor holds."""
        threads, registers, shared = LIMITS[self.arch]
        block = self.num_warps * 32
        by_registers = registers // max(1, -(-self.registers // 8) * 8 * block)
        by_shared = shared // (self.shared_bytes + SYSTEM_BYTES) if self.shared_bytes else 32
        return min(threads // block, by_registers, by_shared, 32) * block / threads


def stack_bytes(kernel: Cubin) -> int:
    """The stack of ``kernel``, which every spill needs: 7 ms, where reading its code takes 300.

    Raises ``LookupError`` without the tools.
    """
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel["cubin"])
        file.flush()
        found = RESOURCES.search(_run("cuobjdump", "--dump-resource-usage", file.name))
    if found is None:
        raise LookupError(f"{kernel['name']} holds no code")
    return int(found[2])


def inspect_cubin(kernel: Cubin, arch: int) -> Static:
    """What ``kernel`` was compiled to. Raises ``LookupError`` without the tools."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(kernel["cubin"])
        usage = _run("cuobjdump", "--dump-resource-usage", str(path))
        code = _run("nvdisasm", "-c", str(path))
    found = RESOURCES.search(usage)
    if found is None:
        raise LookupError(f"{kernel['name']} holds no code")
    registers, stack, shared, _ = map(int, found.groups())
    names = [m[1] for line in code.splitlines() if (m := INSTRUCTION.match(line))]
    config = kernel["config"]
    return Static(
        name=kernel["name"],
        arch=arch,
        registers=registers,
        stack_bytes=stack,
        shared_bytes=max(own_shared(shared, arch), int(config.get("shared_bytes", 0))),
        spilled=_count(names, ("LDL", "STL")),
        tensor_core=tuple(sorted({n for n in names if n.split(".")[0] in TENSOR_CORE})),
        async_copies=_count(names, ASYNC),
        loads_16=sum(n.startswith("LDG") and ".128" in n for n in names),
        num_warps=kernel["num_warps"],
    )


def own_shared(said: int, arch: int) -> int:
    """What ``cuobjdump`` says, without what the driver keeps: from sm_90 on that is in it wherever
    a kernel has shared memory at all.
    """
    return max(0, said - SYSTEM_BYTES) if arch >= 90 else said


def _count(names: Sequence[str], kinds: Sequence[str]) -> int:
    return sum(name.split(".")[0] in kinds for name in names)


def _run(tool: str, *arguments: str) -> str:
    done = subprocess.run(
        [_tool(tool), *arguments], capture_output=True, text=True, timeout=TOOL_S, check=False
    )
    if done.returncode:
        raise LookupError(f"{tool} cannot read this kernel: {done.stderr.strip()[:200]}")
    return done.stdout


@cache
def _tool(name: str) -> str:
    import triton

    path = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / name
    if not path.is_file():
        raise LookupError(f"{name} is not part of this Triton")
    return str(path)
