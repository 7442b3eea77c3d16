"""Inputs of gemm: as a linear layer holds them, and as they break kernels."""

from __future__ import annotations

from collections.abc import Sequence

from compute.kernels.cases.data import generator, normal, strided
from compute.kernels.operator import Case, Dims, Inputs


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """Normal values; b as a linear layer holds it, [N, K], seen transposed."""
    made = generator(seed, device)
    a = normal((dims["M"], dims["K"]), dtype, made)
    weight = normal((dims["N"], dims["K"]), dtype, made)
    return {"a": a, "b": weight.t()}


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """Empty and odd sizes, both orders of both operands, views, a long inner axis, extremes; more
    tiles than the blocks of a kernel that walks over them.
    """
    shapes = [(0, 8, 8), (5, 0, 8), (4, 6, 0), (1, 1, 1), (3, 5, 7), (70, 100, 129)]
    shapes += [(130, 257, 70), (1, 100, 600), (16, 72, 40), (150, 96, 33), (150, 520, 72)]
    shapes += [(130, 257, 0), (129, 64, 530), (40, 100, 129)]
    cases = [
        Case(f"{m}x{n}x{k}", make_inputs({"M": m, "N": n, "K": k}, dtype, seed, device))
        for m, n, k in shapes
    ]
    base = make_inputs({"M": 72, "N": 56, "K": 80}, dtype, seed, device)
    tall = make_inputs({"M": 136, "N": 72, "K": 80}, dtype, seed, device)
    cases += [*_ordered("", base, dtype), *_ordered("tall, ", tall, dtype)]
    a, b = base["a"], base["b"]
    cases.append(Case("one row for all", {"a": a[:1].expand(72, 80), "b": b}))
    large = 30.0 if dtype == "float16" else 1e4
    cases.append(Case("large", {"a": a * large, "b": b * large}))
    cases.append(Case("a NaN and an infinity", _with_holes(base)))
    cases.append(Case("tall, a NaN and an infinity", _with_holes(tall)))
    return cases + (_filling(dtype, seed) if device == "cuda" else [])


def _filling(dtype: str, seed: int) -> list[Case]:
    """Tiles enough for half, for all and for twice the multiprocessors of an H100: other kernels
    than the small cases take there. A CPU, where a GPU of few is played, would need minutes.
    """
    shapes = [(1100, 1240, 200), (2500, 2304, 328), (2500, 2301, 330), (4100, 2600, 70)]
    made = [
        (f"{m}x{n}x{k}", make_inputs({"M": m, "N": n, "K": k}, dtype, seed, "cuda"))
        for m, n, k in shapes
    ]
    return [*(Case(name, inputs) for name, inputs in made), *_ordered("wide, ", made[1][1], dtype)]


def _ordered(kind: str, inputs: Inputs, dtype: str) -> list[Case]:
    """In every order of memory; float16 differs from bfloat16 in one instruction."""
    a, b = inputs["a"], inputs["b"]
    orders = {"b row by row": (a, b.contiguous()), "views": (strided(a), strided(b.t()).t())}
    if dtype != "float16":
        orders["a transposed"] = (a.t().contiguous().t(), b)
        orders["both turned"] = (a.t().contiguous().t(), b.contiguous())
    orders["not aligned"] = (strided(a, 5, 3), strided(b.t(), 5, 3).t())
    return [Case(kind + name, {"a": left, "b": right}) for name, (left, right) in orders.items()]


def _with_holes(inputs: Inputs) -> Inputs:
    hole = inputs["a"].clone()
    hole[3, 79] = float("nan")
    hole[5, 0] = float("inf")
    return {"a": hole, "b": inputs["b"]}
