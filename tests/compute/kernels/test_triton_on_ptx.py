"""Triton kernels as their compiler makes them are right on the PTX machine: in bf16 and fp8, which
the interpreter cannot judge, without an access outside of a tensor, whichever warp runs first.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compute.kernels import on_machine
from tests.compute.kernels.finding import names, need_worker_packages

ROOT = Path(__file__).parents[3]
# Each with the cases that have the most edges.
RAGGED = {
    "gemm": ("130x257x70", "both turned", "tall, b row by row", "a NaN and an infinity"),
    "attention": ("B1 H4 HK2 SQ70 SK100 D64 causal1", "B2 H2 HK1 SQ33 SK17 D64 causal1"),
    "scaled_mm": ("70x100x129", "the largest values"),
    "grouped_gemm": ("odd", "empty first, last and between"),
    "int4_linear": ("16x72x256 by 64", "37x50x192 by 64"),
    "paged_decode_attention": ("heads of 80, blocks of 5", "NaN in dead slots"),
}
CASES = [word for cases in RAGGED.values() for case in cases for word in ("--case", case)]


def wrong(*arguments: str) -> list[str]:
    """What the runner finds wrong."""
    need_worker_packages()
    return on_machine.wrong("triton_on_ptx", *arguments)


@pytest.mark.slow
def test_operators_on_tensor_cores_are_right_as_compiled_for_hopper() -> None:
    """wgmma and tensor descriptors: 9 to 14 s, the longer where nothing is compiled yet."""
    dtypes = ("--dtype", "bfloat16", "--dtype", "float8_e4m3fn")
    assert wrong(*RAGGED, "--arch", "90", *dtypes, *CASES) == []


@pytest.mark.soak
def test_operators_on_tensor_cores_are_right_as_compiled_for_ampere() -> None:
    """mma.sync and cp.async."""
    assert wrong(*RAGGED, "--arch", "80", "--dtype", "bfloat16", *CASES) == []


@pytest.mark.soak
@pytest.mark.parametrize("arch", ["80", "90"])
@pytest.mark.parametrize("operator", names())
def test_every_operator_is_right_in_every_dtype(operator: str, arch: str) -> None:
    assert wrong(operator, "--arch", arch) == []
