"""Inputs of scaled_mm: as a linear layer holds them, and as they break kernels."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from compute.kernels.build.emulation import emulated_arch
from compute.kernels.cases.data import generator, normal, strided
from compute.kernels.operator import Case, Dims, Inputs


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """Normal values with a scale a row; b as a linear layer holds it, [N, K], seen transposed."""
    made = generator(seed, device)
    m, n, k = dims["M"], dims["N"], dims["K"]
    a, weight = normal((m, k), dtype, made), normal((n, k), dtype, made)
    scale_a = 0.5 + torch.rand((m, 1), generator=made, device=device)
    scale_b = 0.01 + 0.01 * torch.rand((1, n), generator=made, device=device)
    return {"a": a, "b": weight.t(), "scale_a": scale_a, "scale_b": scale_b}


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """Empty and odd sizes, one scale for all, both orders, views, extremes, a long inner axis, a
    NaN.
    """
    shapes = [(0, 8, 8), (5, 0, 8), (4, 6, 0), (1, 1, 1), (3, 5, 7), (70, 100, 129)]
    shapes += [(130, 257, 70), (1, 100, 600), (130, 96, 48), (150, 264, 208)]
    if device == "cuda":  # tiles for half and for all of the multiprocessors of an H100
        shapes += [(1100, 1240, 208), (2500, 2304, 336), (2500, 2301, 330)]
    cases = [
        Case(f"{m}x{n}x{k}", make_inputs({"M": m, "N": n, "K": k}, dtype, seed, device))
        for m, n, k in shapes
    ]
    base = make_inputs({"M": 136, "N": 56, "K": 96}, dtype, seed, device)
    a, b = base["a"], base["b"]
    whole = {"scale_a": base["scale_a"][3, 0], "scale_b": base["scale_b"][0, 5]}
    cases.append(Case("one scale a tensor", {**base, **whole}))
    turned = {"a": a.t().contiguous().t(), "b": b.contiguous()}
    cases.append(Case("both turned", {**base, **turned}))
    views = {"a": strided(a, 32, 16), "b": strided(b.t(), 32, 16).t()}
    cases.append(Case("views", {**base, **views}))
    cases.append(Case("not aligned", {**base, "a": strided(a, 5, 3)}))
    full = torch.full_like(a.float(), 448.0).to(a.dtype)
    cases.append(Case("the largest values", {**base, "a": full}))
    if device == "cuda" or emulated_arch() == 89:  # else 16 s on a CPU for nothing
        cases.append(long_of_one_sign(dtype, seed, device))
    hole = a.float()
    hole[7, 95] = float("nan")
    return [*cases, Case("a NaN in one row", {**base, "a": hole.to(a.dtype)})]


def long_of_one_sign(dtype: str, seed: int, device: str) -> Case:
    """Sums that only grow, and tiles enough that the inner axis is not split: tensor cores of Ada
    cut sums to 13 bits, and in one sum of all products the error is 6e-3.
    """
    m, n = (2500, 2304) if device == "cuda" else (256, 256)
    made = make_inputs({"M": m, "N": n, "K": 8192}, dtype, seed, device)
    made |= {name: made[name].float().abs().to(made[name].dtype) for name in ("a", "b")}
    return Case("a long axis of one sign", made)
