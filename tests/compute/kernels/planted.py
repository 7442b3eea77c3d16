"""Faults planted in the headers of CUDA kernels, run on the PTX machine; ``python -m
tests.compute.kernels.planted`` prints how many there were, and those that nobody noticed.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from compute.kernels.build.cuda import HEADERS
from tests.compute.kernels.on_machine import checks
from tests.compute.kernels.on_ptx import Launcher

# A header, what stands there, which of them (from 0), what is put in its place; and the operator,
# dtype and case that run into it.
Fault = tuple[str, str, int, str, tuple[str, str, str]]
SYNC, COPIED = "__syncthreads();", "cp_async_wait<"
GEMM = ("gemm", "bfloat16", "150x520x72")
TURNED = ("gemm", "bfloat16", "b row by row")
ATTENTION = ("attention", "bfloat16", "B1 H1 HK1 SQ140 SK140 D128 causal1")
EXACT = ("attention", "float32", "B1 H1 HK1 SQ140 SK140 D128 causal1")
PAGED = ("paged_decode_attention", "bfloat16", "long beside short")
NORM = ("layer_norm", "bfloat16", "1x33280")
SHORT = ("rms_norm", "bfloat16", "7x129")
LONG = ("softmax", "float32", "1x16640")
FAULTS: tuple[Fault, ...] = (
    ("common.cuh", SYNC, 0, "", NORM),
    ("common.cuh", SYNC, 1, "", NORM),
    ("common.cuh", SYNC, 2, "", LONG),
    ("rows.cuh", "place < vectors", 0, "place <= vectors", SHORT),
    ("rows.cuh", "i * STEP, read", 0, "i * STEP + 1, read", LONG),
    ("tile.cuh", SYNC, 0, "", GEMM),
    ("tile.cuh", COPIED + "P::STAGES - 2>", 0, COPIED + "P::STAGES - 1>", GEMM),
    ("attention.cuh", SYNC, 0, "", ATTENTION),
    ("attention.cuh", SYNC, 1, "", ATTENTION),
    ("attention.cuh", COPIED + "0>", 0, COPIED + "1>", ATTENTION),
    ("attention.cuh", COPIED + "0>", 1, COPIED + "1>", ATTENTION),
    ("flash_fp32.cuh", SYNC, 0, "", EXACT),
    ("flash_fp32.cuh", SYNC, 1, "", EXACT),
    ("flash_fp32.cuh", SYNC, 2, "", EXACT),
    ("flash_fp32.cuh", COPIED + "1>", 0, COPIED + "2>", EXACT),
    ("flash_fp32.cuh", COPIED + "0>", 0, COPIED + "1>", EXACT),
    ("paged.cuh", SYNC, 0, "", PAGED),
    ("paged.cuh", SYNC, 1, "", PAGED),
    ("paged.cuh", SYNC, 2, "", PAGED),
    ("paged.cuh", "__syncwarp();", 0, "", PAGED),
    ("paged.cuh", "__syncwarp();", 1, "", PAGED),
    ("paged.cuh", COPIED + "STAGES - 1>", 1, COPIED + "STAGES>", PAGED),
    ("gpu/machine.cuh", "16, %2;", 0, "16, 16;", GEMM),
    ("gpu/machine.cuh", "x4.trans", 0, "x4", TURNED),
    ("gpu/machine.cuh", '"r"(b0), "r"(b1)', 0, '"r"(b1), "r"(b0)', GEMM),
)


def said(launcher: Launcher, run: tuple[str, str, str]) -> list[str]:
    """What is wrong with one case."""
    operator, dtype, case = run
    done = list(checks("cuda", [operator], [dtype], [case]))
    assert done, f"{operator} has no case {case}"
    return [check.why for check in done if check.why]


def planted(fault: Fault, folder: Path) -> Path:
    """A copy of the headers with it."""
    header, text, number, instead, _ = fault
    copy = Path(shutil.copytree(HEADERS, folder / "cuda"))
    pieces = (copy / header).read_text(encoding="utf-8").split(text)
    assert len(pieces) > number + 1, f"{header} has no {text} number {number}"
    joined = [*pieces[:number], pieces[number] + instead + pieces[number + 1]]
    (copy / header).write_text(text.join([*joined, *pieces[number + 2 :]]), encoding="utf-8")
    return copy


def unnoticed(faults: Sequence[Fault]) -> Iterator[str]:
    """Those that no check finds; and whatever is wrong without any."""
    from compute.kernels.build import cuda as cuda_build

    for fault in faults:
        with tempfile.TemporaryDirectory() as folder:
            launcher = Launcher(80, headers=planted(fault, Path(folder)))
            vars(cuda_build)["emulation_launch"] = launcher
            found = said(launcher, fault[-1])
        header, text, number, instead, run = fault
        if not found:
            yield f"{header}: {text} number {number} as {instead!r} is not noticed by {run}"
        sys.stderr.write(f"{header} {text} {number}: {(found or ['-'])[0][:160]}\n")
    vars(cuda_build)["emulation_launch"] = Launcher(80)
    for run in sorted({fault[-1] for fault in faults}):
        yield from (f"{run}: {why}" for why in said(Launcher(80), run))


def main(every: bool) -> int:
    """Without ``--every`` one fault of each header."""
    os.environ |= {"K2C_CUDA_ON_CPU": "1", "K2C_CUDA_ARCH": "80", "TRITON_INTERPRET": "1"}
    faults = FAULTS if every else tuple({fault[0]: fault for fault in FAULTS}.values())
    lines = list(unnoticed(faults))
    sys.stdout.write("\n".join([f"{len(faults)} faults", *lines]) + "\n")
    return 1 if lines else 0


if __name__ == "__main__":
    raise SystemExit(main("--every" in sys.argv))
