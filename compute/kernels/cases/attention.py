"""Inputs of attention: as models make them, and as they break kernels."""

from __future__ import annotations

from collections.abc import Sequence

from compute.kernels.cases.data import generator, normal
from compute.kernels.operator import Case, Dims, Inputs

KEYS = ("B", "H", "HK", "SQ", "SK", "D", "causal")


def dims_of(shape: Sequence[int]) -> Dims:
    """In the order of ``KEYS``."""
    return dict(zip(KEYS, shape, strict=True))


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """Normal values, scaled by 1 / sqrt(D) as models do."""
    made = generator(seed, device)
    b, h, hk, d = dims["B"], dims["H"], dims["HK"], dims["D"]
    q = normal((b, h, dims["SQ"], d), dtype, made)
    k, v = (normal((b, hk, dims["SK"], d), dtype, made) for _ in range(2))
    return {"q": q, "k": k, "v": v, "causal": bool(dims["causal"]), "scale": d**-0.5}


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """Empty and odd lengths, rows that see nothing, views of one QKV buffer, extreme logits."""
    shapes = [(1, 2, 1, 0, 5, 64, 0), (1, 2, 2, 3, 0, 64, 0), (1, 1, 1, 1, 1, 64, 1)]
    shapes += [(1, 4, 2, 70, 100, 64, 1), (2, 2, 1, 33, 17, 64, 1), (1, 2, 1, 1, 130, 128, 0)]
    shapes += [(1, 1, 1, 140, 140, 128, 1), (1, 2, 2, 20, 37, 80, 1), (1, 1, 1, 20, 20, 256, 1)]
    shapes += [(1, 2, 1, 70, 500, 64, 1)]  # several whole blocks, then masked ones
    # More keys than a ring of two stages holds, and queries enough for warpgroups.
    shapes += [(1, 2, 1, 70, 520, 64, 0), (1, 2, 1, 130, 520, 128, 1), (1, 1, 1, 66, 210, 256, 1)]
    if device == "cuda":  # every size of head that has a kernel, over several blocks
        shapes += [(2, 4, 2, 200, 700, d, 1) for d in (64, 80, 96, 128, 192, 256)]
        shapes += [(1, 8, 2, 1000, 1000, 128, 0), (1, 4, 4, 900, 300, 128, 1)]
    cases = []
    for shape in shapes:
        dims = dims_of(shape)
        name = " ".join(f"{key}{value}" for key, value in dims.items())
        cases.append(Case(name, make_inputs(dims, dtype, seed, device)))
    base = make_inputs(dims_of((1, 2, 1, 40, 40, 64, 1)), dtype, seed, device)
    buffer = normal((1, 40, 4 * 64 + 8), dtype, generator(seed, device))
    q, k, v = (buffer[..., at : at + n * 64] for at, n in ((0, 2), (128, 1), (192, 1)))
    parts = zip("qkv", (q, k, v), strict=True)
    views = {name: t.view(1, 40, -1, 64).transpose(1, 2) for name, t in parts}
    cases.append(Case("views of one QKV buffer", {**base, **views}))
    odd = {name: base[name][..., 1:62] for name in "qkv"}
    cases.append(Case("61 of 64, not aligned", {**base, **odd}))
    cases.append(Case("large logits", {**base, "q": base["q"] * 20, "k": base["k"] * 20}))
    cases.append(Case("a negative scale", {**base, "scale": -0.3}))
    hole = base["q"].clone()
    hole[0, 1, 7, 3] = float("nan")
    return [*cases, Case("a NaN in one query", {**base, "q": hole})]
