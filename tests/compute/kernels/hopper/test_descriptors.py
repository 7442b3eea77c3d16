"""Tensor descriptors in Triton: what they can address, which kernels take them, and that those are
right in the interpreter and fit a multiprocessor of Hopper as compiled.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compute.kernels.finding import need_worker_packages

pytestmark = pytest.mark.slow  # loads torch
ROOT = Path(__file__).parents[4]


@pytest.fixture(autouse=True)
def packages() -> None:
    need_worker_packages()


def test_kernels_with_descriptors_are_right_on_inputs_that_break_kernels() -> None:
    """12 s: the interpreter plays sm_90."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.compute.kernels.described"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {f["operator"] for f in found} == {"gemm", "attention", "scaled_mm"}
    assert [f for f in found if f["wrong"] or f["by descriptors"] < 6] == []


@pytest.mark.parametrize(
    ("operator", "dtype"),
    [("gemm", "bfloat16"), ("attention", "bfloat16"), ("scaled_mm", "float8_e4m3fn")],
)
def test_kernels_with_descriptors_fit_hopper_and_use_its_tensor_cores(
    operator: str, dtype: str
) -> None:
    from compute.kernels.build.static import BLOCK_BYTES, inspect_cubin
    from compute.kernels.registry import operators

    cubins = operators()[operator].implementations["triton"].aot(dtype, 90)
    assert not isinstance(cubins, str)
    described = [c for c in cubins if "_tma_" in c["name"]]
    assert described
    for cubin in described:
        read = inspect_cubin(cubin, 90)
        assert read.async_copies and read.tensor_core[0].split(".")[0] in ("HGMMA", "QGMMA")
        assert (read.stack_bytes, read.loads_16) == (0, 0)
        assert read.shared_bytes <= BLOCK_BYTES[90]
        assert read.registers * read.num_warps * 32 <= 65_536


def test_the_plans_take_descriptors_where_there_is_tma_alone() -> None:
    from compute.kernels.plans import attention as attention_plans
    from compute.kernels.plans import gemm as gemm_plans
    from compute.kernels.plans import scaled_mm as scaled_plans

    large = {arch: gemm_plans.triton_plan("bfloat16", arch, "large-ragged") for arch in (0, 80, 90)}
    assert [plan[-1] for plan in large.values()] == [0, 0, 1]
    assert gemm_plans.triton_plan("float32", 90, "large")[-1] == 0
    assert gemm_plans.triton_plan("bfloat16", 90, "skinny")[-1] == 0
    assert attention_plans.triton_plan("float16", 90, "80 many")[-1] == 1
    assert attention_plans.triton_plan("float16", 90, "256 many")[-1] == 0
    assert [scaled_plans.triton_plan(arch, "medium")[-1] for arch in (89, 90)] == [0, 1]
    offered = gemm_plans.triton_offered("bfloat16", 89, "large")
    assert all(len(c) == len(gemm_plans.FIELDS) and not c[-1] for c in offered)


def test_heads_keep_their_own_axis_and_strides() -> None:
    import torch

    from compute.kernels.hopper.descriptors import of_heads

    fused = torch.zeros(2, 50, 4 * 64 + 8, dtype=torch.bfloat16)
    heads = fused[..., :256].view(2, 50, 4, 64).transpose(1, 2)
    made = of_heads(heads, 128, 64)
    assert made is not None
    assert (made.shape, made.strides) == ([2, 4, 50, 64], [50 * 264, 64, 264, 1])
    assert made.block_shape == [1, 1, 128, 64]


def test_an_axis_of_one_element_gets_a_stride_that_tma_takes() -> None:
    import torch

    from compute.kernels.hopper.descriptors import strides_of

    one = torch.zeros(20, dtype=torch.float16).expand(1, 1, 1, 20)
    assert strides_of(one) == [24, 24, 24, 1]
    row = torch.zeros(1, 3, 16, dtype=torch.float16).as_strided((1, 3, 16), (0, 16, 1))
    assert strides_of(row) == [48, 16, 1]


def test_what_tma_cannot_address_is_left_to_pointers() -> None:
    import torch

    from compute.kernels.hopper.descriptors import of_heads, of_lines, of_operand, of_result
    from compute.kernels.shared.matrices import operand

    expanded = torch.zeros(1, 64, dtype=torch.bfloat16).expand(32, 64)
    assert of_operand(operand(expanded), 32, 64, [16, 64]) is None
    assert of_lines(expanded, [16, 64]) is None
    assert of_heads(torch.zeros(1, 1, 8, 64).expand(1, 4, 8, 64), 16, 64) is None
    assert of_heads(torch.zeros(1, 1, 0, 64), 16, 64) is None
    assert of_heads(torch.zeros(1, 1, 4, 5), 16, 16) is None
    assert of_result(torch.zeros(8, 9, dtype=torch.bfloat16), [8, 8]) is None
    assert of_result(torch.zeros(8, 24, dtype=torch.bfloat16), [8, 8]) is not None


def test_an_operand_is_described_as_it_lies_in_memory() -> None:
    import torch

    from compute.kernels.hopper.descriptors import of_operand
    from compute.kernels.shared.matrices import operand

    weight = torch.zeros(40, 72, dtype=torch.bfloat16)
    made = of_operand(operand(weight.t()), 72, 40, [128, 64])
    assert made is not None
    assert (made.shape, made.strides) == ([40, 72], [72, 1])
    odd = operand(weight[:, 1:6])  # copied to lines of 16 bytes, and no longer than it is
    made = of_operand(odd, 40, 5, [128, 64])
    assert made is not None and made.shape == [40, 5] and made.strides == [16, 1]


def test_blocks_share_a_multiprocessor_as_shared_memory_allows() -> None:
    from compute.kernels.hopper.descriptors import together

    assert [together(n * 1024) for n in (20, 112, 113, 114, 224, 300)] == [2, 2, 2, 1, 1, 1]
