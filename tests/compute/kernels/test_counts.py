"""Every operator counts the FLOPs and bytes that its formula says, written out here once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.compute.kernels.finding import names, need_worker_packages

Count = Callable[[Mapping[str, int], int], int]  # dims and bytes an element


def visible(d: Mapping[str, int]) -> int:
    """Pairs of query and key that attention may see, counted one by one."""
    if not d["causal"]:
        return d["SQ"] * d["SK"]
    shift = d["SK"] - d["SQ"]
    return sum(j <= i + shift for i in range(d["SQ"]) for j in range(d["SK"]))


FORMULAS: dict[str, tuple[Count, Count]] = {
    "copy": (lambda d, s: 0, lambda d, s: 2 * d["N"] * s),
    "vector_add": (lambda d, s: d["N"], lambda d, s: 3 * d["N"] * s),
    "softmax": (lambda d, s: 5 * d["M"] * d["N"], lambda d, s: 2 * d["M"] * d["N"] * s),
    "rms_norm": (
        lambda d, s: 4 * d["M"] * d["N"],
        lambda d, s: (2 * d["M"] * d["N"] + d["N"]) * s,
    ),
    "fused_add_rms_norm": (
        lambda d, s: 5 * d["M"] * d["N"],
        lambda d, s: (4 * d["M"] * d["N"] + d["N"]) * s,
    ),
    "layer_norm": (
        lambda d, s: 8 * d["M"] * d["N"],
        lambda d, s: (2 * d["M"] * d["N"] + 2 * d["N"]) * s,
    ),
    "silu_and_mul": (lambda d, s: 5 * d["M"] * d["N"], lambda d, s: 3 * d["M"] * d["N"] * s),
    "gelu_tanh_and_mul": (lambda d, s: 10 * d["M"] * d["N"], lambda d, s: 3 * d["M"] * d["N"] * s),
    "rope": (
        lambda d, s: 3 * d["T"] * (d["HQ"] + d["HK"]) * d["D"],
        lambda d, s: (2 * d["T"] * (d["HQ"] + d["HK"]) * d["D"] + d["T"] * d["D"]) * s,
    ),
    "gemm": (
        lambda d, s: 2 * d["M"] * d["N"] * d["K"],
        lambda d, s: (d["M"] * d["K"] + d["K"] * d["N"] + d["M"] * d["N"]) * s,
    ),
    "scaled_mm": (
        lambda d, s: 2 * d["M"] * d["N"] * d["K"],
        lambda d, s: (
            d["M"] * d["K"] + d["K"] * d["N"] + 2 * d["M"] * d["N"] + 4 * (d["M"] + d["N"])
        ),
    ),
    "grouped_gemm": (
        lambda d, s: 2 * d["T"] * d["N"] * d["K"],
        lambda d, s: (
            (d["T"] * d["K"] + d["G_used"] * d["K"] * d["N"] + d["T"] * d["N"]) * s + 4 * d["G"]
        ),
    ),
    "topk_softmax": (
        lambda d, s: 5 * d["M"] * d["N"],
        lambda d, s: d["M"] * d["N"] * s + 8 * d["M"] * d["K"],
    ),
    "attention": (
        lambda d, s: 4 * d["B"] * d["H"] * visible(d) * d["D"],
        lambda d, s: (2 * d["B"] * d["H"] * d["SQ"] + 2 * d["B"] * d["HK"] * d["SK"]) * d["D"] * s,
    ),
    "paged_decode_attention": (
        lambda d, s: 4 * d["TOK"] * d["H"] * d["D"],
        lambda d, s: (2 * d["TOK"] * d["HK"] + 2 * d["B"] * d["H"]) * d["D"] * s + 4 * d["B"],
    ),
    "cross_entropy": (
        lambda d, s: 5 * d["M"] * d["N"],
        lambda d, s: d["M"] * d["N"] * s + 12 * d["M"],
    ),
    "int4_linear": (
        lambda d, s: 2 * d["M"] * d["N"] * d["K"],
        lambda d, s: (
            d["N"] * d["K"] // 2
            + (d["N"] * d["K"] // d["G"]) * s
            + (d["M"] * d["K"] + d["M"] * d["N"]) * s
        ),
    ),
    "quantize_int8": (
        lambda d, s: 3 * d["M"] * d["N"],
        lambda d, s: d["M"] * d["N"] * (s + 1) + 4 * d["M"],
    ),
}
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1}
# All different, so that no two can stand for each other; G divides K, as int4_linear needs.
SIZES = {
    "M": 7, "N": 1022, "T": 11, "D": 62, "K": 1536, "G": 128, "G_used": 5, "H": 34, "HQ": 38,
    "HK": 2, "B": 3, "SQ": 17, "SK": 29, "TOK": 1009, "causal": 1,
}  # fmt: skip
OTHERS: tuple[dict[str, int], ...] = (
    {},
    {"causal": 0},
    {"SQ": 29, "SK": 17},
    {"M": 1, "T": 1, "B": 1},
    {"M": 0, "T": 0},
)


@pytest.mark.parametrize("operator", names())
def test_flops_and_bytes_are_the_formulas(operator: str) -> None:
    need_worker_packages()
    from compute.kernels.registry import operators

    found = operators()[operator]
    flops, moved = FORMULAS[operator]
    for changed in OTHERS:
        dims = {key: {**SIZES, **changed}[key] for key in found.dims}
        for dtype in found.dtypes:
            assert found.flops(dims, dtype) == flops(dims, BYTES[dtype])
            assert found.bytes(dims, dtype) == moved(dims, BYTES[dtype])
            assert type(found.bytes(dims, dtype)) is int


@pytest.mark.parametrize("operator", names())
def test_every_suite_names_its_sizes_and_can_be_counted(operator: str) -> None:
    need_worker_packages()
    from compute.kernels.registry import operators

    found = operators()[operator]
    assert set(found.suites) == {"smoke", "models", "sweep"}
    for shapes in found.suites.values():
        assert shapes
        for dims in shapes:
            assert set(dims) == set(found.dims)
            assert all(found.bytes(dims, dtype) > 0 for dtype in found.dtypes)
