"""Inputs of grouped_gemm: as routers make them, and as they break kernels."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from compute.kernels.cases.data import generator, normal, strided
from compute.kernels.operator import Case, Dims, Inputs


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """``G_used`` random groups with a row each, and the other rows among them by chance."""
    made = generator(seed, device)
    groups, used = dims["G"], dims["G_used"]
    sizes = torch.zeros(groups, dtype=torch.int64, device=device)
    if used and dims["T"]:
        chosen = torch.randperm(groups, generator=made, device=device)[:used]
        more = torch.randint(0, used, (dims["T"] - used,), generator=made, device=device)
        sizes[chosen] = 1 + torch.bincount(more, minlength=used)
    return inputs_of(sizes.tolist(), dims["N"], dims["K"], dtype, seed, device)


def inputs_of(sizes: Sequence[int], n: int, k: int, dtype: str, seed: int, device: str) -> Inputs:
    """Normal values for groups of ``sizes``."""
    made = generator(seed, device)
    return {
        "x": normal((sum(sizes), k), dtype, made),
        "w": normal((len(sizes), k, n), dtype, made),
        "group_sizes": torch.tensor(sizes, dtype=torch.int32, device=device),
    }


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """Empty groups everywhere, no rows at all, odd sizes, turned and strided matrices."""
    made = [
        ("no rows", [0, 0, 0], 16, 16), ("one row of 40 groups", [0] * 39 + [1], 24, 40),
        ("empty first, last and between", [0, 5, 0, 0, 17, 0], 40, 72),
        ("odd", [3, 20, 1], 33, 37), ("no inner axis", [2, 1], 8, 0), ("no columns", [2], 0, 8),
        ("many rows in one of two", [150, 2], 72, 48),
        ("half a tile each", [70, 66], 136, 64),
        ("tiles beyond their group", [0, 150, 65, 0, 129, 3, 200], 136, 72),
    ]  # fmt: skip
    if device == "cuda":  # tiles for half and for all of the multiprocessors of an H100
        made += [("some tiles", [300, 0, 1, 900], 1000, 200)]
        made += [("many tiles", [700, 0, 1, 1300, 2000, 129], 2304, 328)]
    cases = [Case(name, inputs_of(sizes, n, k, dtype, seed, device)) for name, sizes, n, k in made]
    base = inputs_of([9, 0, 23], 40, 64, dtype, seed, device)
    x, w = base["x"], base["w"]
    turned = w.transpose(1, 2).contiguous().transpose(1, 2)
    cases.append(Case("w as [G, N, K]", {**base, "w": turned}))
    cases.append(Case("views", {**base, "x": strided(x), "w": strided(w)}))
    cases.append(Case("not aligned", {**base, "x": strided(x, 5, 3), "w": strided(w, 5, 3)}))
    tall = inputs_of([90, 0, 140], 40, 136, dtype, seed, device)
    turned = tall["w"].transpose(1, 2).contiguous().transpose(1, 2)
    cases.append(Case("tall, w as [G, N, K]", {**tall, "w": turned}))
    apart = {"x": strided(tall["x"]), "w": strided(tall["w"])}
    cases.append(Case("tall, views", {**tall, **apart}))
    cases.append(Case("tall, one matrix for all", {**tall, "w": tall["w"][:1].expand(3, 136, 40)}))
    hole = tall["x"].clone()
    hole[89, 135] = float("nan")
    cases.append(Case("tall, a NaN in the last row of a group", {**tall, "x": hole}))
    hole = x.clone()
    hole[8, 63] = float("nan")
    return [*cases, Case("a NaN in the last row of a group", {**base, "x": hole})]
