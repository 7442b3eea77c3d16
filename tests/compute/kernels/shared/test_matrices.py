"""What the matrix operators promise their kernels: aligned operands, whole parts, enough tiles."""

from __future__ import annotations

import random

import pytest

from tests.compute.kernels.finding import need_worker_packages

pytestmark = pytest.mark.slow  # loads torch


@pytest.fixture(autouse=True)
def packages() -> None:
    need_worker_packages()


def test_an_aligned_matrix_is_taken_as_it_is_in_both_orders() -> None:
    import torch

    from compute.kernels.shared.matrices import operand

    matrix = torch.randn(24, 40, dtype=torch.bfloat16)
    straight, turned = operand(matrix), operand(matrix.t())
    assert straight.tensor is matrix and straight.along_columns
    assert turned.tensor.data_ptr() == matrix.data_ptr() and not turned.along_columns
    assert straight.stride == turned.stride == 40


@pytest.mark.parametrize("order", ["rows", "columns"])
@pytest.mark.parametrize("whole", [1, 16])
def test_any_other_matrix_is_copied_to_aligned_lines_that_end_in_zeros(
    order: str, whole: int
) -> None:
    import torch

    from compute.kernels.shared.matrices import operand

    base = torch.randn(21, 37, dtype=torch.float16)[:, 1:36]
    matrix = base if order == "rows" else base.t()
    found = operand(matrix, whole)
    held = found.tensor if found.along_columns else found.tensor.t()
    rows, columns = matrix.shape
    assert found.tensor.data_ptr() % 16 == 0 and found.stride * 2 % 16 == 0
    assert found.dense % whole == 0
    assert torch.equal(held[:rows, :columns], matrix)
    assert not held[rows:].any() and not held[:, columns:].any()


def test_lines_of_heads_keep_a_view_and_pad_what_is_not_aligned() -> None:
    import torch

    from compute.kernels.shared.matrices import head_lines

    buffer = torch.randn(1, 5, 4 * 64, dtype=torch.bfloat16)
    view = buffer[..., 64:128].unsqueeze(1)
    tensor, strides, dense = head_lines(view)
    assert tensor is view and dense == 64 and strides[-1] == 256
    odd = buffer[..., 3:64].unsqueeze(1)
    tensor, strides, dense = head_lines(odd, whole=16)
    assert dense == 64 and strides[-1] == 64
    assert torch.equal(tensor[..., :61], odd) and not tensor[..., 61:].any()


def test_parts_are_whole_blocks_that_cover_the_axis_once() -> None:
    from compute.kernels.shared.matrices import parts_of

    for length in (0, 1, 255, 600, 4096, 28_672):
        for tiles in (1, 7, 64, 1000):
            parts, part = parts_of(length, tiles, 264, 64)
            assert part % 64 == 0 and parts >= 1
            assert (parts - 1) * part < max(1, length) <= parts * part
            assert parts == 1 or (parts * tiles <= 264 and part >= 256)


def test_there_are_tiles_for_rows_however_they_lie_in_groups() -> None:
    from compute.kernels.grouped_gemm import tiles_of

    chance = random.Random(3)
    for _ in range(300):
        sizes = [chance.choice((0, 0, 1, 5, 64, 65, 300)) for _ in range(chance.randint(1, 40))]
        for bm in (16, 64, 128):
            needed = sum(-(-size // bm) for size in sizes)
            assert needed <= tiles_of(sum(sizes), len(sizes), bm)


def test_visible_pairs_are_those_of_the_mask() -> None:
    from compute.kernels.attention import visible

    for sq in range(6):
        for sk in range(6):
            pairs = sum(min(sk, max(0, i + 1 + sk - sq)) for i in range(sq))
            assert visible({"SQ": sq, "SK": sk, "causal": 1}) == pairs
            assert visible({"SQ": sq, "SK": sk, "causal": 0}) == sq * sk


def test_fp32_attention_is_judged_more_mildly_only_where_logits_are_large() -> None:
    import torch

    from compute.kernels.attention import OPERATOR
    from compute.kernels.judging import judge

    inputs = OPERATOR.make_inputs(
        {"B": 1, "H": 1, "HK": 1, "SQ": 8, "SK": 8, "D": 64, "causal": 0}, "float32", 0, "cpu"
    )
    want = OPERATOR.reference(**inputs)
    near = (want * (1 + 3e-5)).float()
    assert not judge(OPERATOR, inputs, near, want, "float32").right
    large = {**inputs, "q": inputs["q"] * 100}
    assert judge(OPERATOR, large, near, want, "float32").right
    assert not judge(OPERATOR, large, torch.zeros_like(near), want, "float32").right


def test_nibbles_are_unpacked_low_first_around_eight() -> None:
    import torch

    from compute.kernels.int4_linear import reference

    packed = torch.tensor([[0x8F, 0x08]], dtype=torch.uint8)  # 15, 8, 8, 0
    scales = torch.tensor([[1.0, 10.0]])
    assert reference(torch.eye(4), packed, scales, 2).flatten().tolist() == [7.0, 0.0, 0.0, -80.0]
