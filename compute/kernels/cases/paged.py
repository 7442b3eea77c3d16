"""Inputs of paged decode attention: caches of sequences, and what breaks kernels on them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from compute.kernels.cases.data import generator, normal
from compute.kernels.operator import Case, Dims, Inputs

BLOCK = 16  # tokens of a cache block, as vLLM has it


def make_inputs(dims: Dims, dtype: str, seed: int, device: str) -> Inputs:
    """Tokens spread evenly over sequences, their blocks in random order."""
    each, more = divmod(dims["TOK"], max(1, dims["B"]))
    lengths = [each + (i < more) for i in range(dims["B"])]
    return inputs_of(lengths, dims, dtype, seed, device)


def inputs_of(
    lengths: Sequence[int], dims: Dims, dtype: str, seed: int, device: str, block: int = BLOCK
) -> Inputs:
    """A cache that holds sequences of ``lengths``; tables are padded with -1."""
    made = generator(seed, device)
    h, hk, d = dims["H"], dims["HK"], dims["D"]
    needed = [math.ceil(length / block) for length in lengths]
    shape = (sum(needed), block, hk, d)
    k_cache, v_cache = normal(shape, dtype, made), normal(shape, dtype, made)
    order = torch.randperm(sum(needed), generator=made, device=device).to(torch.int32)
    tables = torch.full((len(lengths), max(needed, default=0)), -1, dtype=torch.int32)
    begin = 0
    for row, count in enumerate(needed):
        tables[row, :count] = order[begin : begin + count]
        begin += count
    return {
        "q": normal((len(lengths), h, d), dtype, made),
        "k_cache": k_cache,
        "v_cache": v_cache,
        "block_tables": tables.to(device),
        "seq_lens": torch.tensor(lengths, dtype=torch.int32, device=device),
        "scale": d**-0.5,
    }


def adversarial(dtype: str, seed: int, device: str) -> Sequence[Case]:
    """Empty sequences, NaN in dead slots, odd blocks, a long sequence beside short ones."""
    dims = {"H": 4, "HK": 2, "D": 64}
    made = [
        ("lengths 1 0 17 33", [1, 0, 17, 33], dims, 16),
        ("all empty", [0, 0], dims, 16),
        ("no sequence", [], dims, 16),
        ("long beside short", [300, 3], {"H": 2, "HK": 1, "D": 128}, 16),
        ("heads of 80, blocks of 5", [23, 9], {"H": 6, "HK": 2, "D": 80}, 5),
        ("18 heads a group", [40], {"H": 18, "HK": 1, "D": 64}, 32),
    ]
    cases = [
        Case(name, inputs_of(lengths, each, dtype, seed, device, block))
        for name, lengths, each, block in made
    ]
    base = inputs_of([5, 30, 16], dims, dtype, seed, device)
    dead = {name: base[name].clone() for name in ("k_cache", "v_cache")}
    for cache in dead.values():
        cache[base["block_tables"][0, 0].long(), 5:] = float("nan")
        cache[base["block_tables"][1, 1].long(), 14:] = float("inf")
    cases.append(Case("NaN in dead slots", {**base, **dead}))
    cases.append(Case("large logits", {**base, "q": base["q"] * 300}))
    both = torch.stack((base["k_cache"], base["v_cache"]), 2)
    cases.append(Case("one cache", {**base, "k_cache": both[:, :, 0], "v_cache": both[:, :, 1]}))
    wide = torch.nn.functional.pad(base["q"], (3, 5))[..., 3:-5]
    return [*cases, Case("q not aligned", {**base, "q": wide})]
