"""Inputs that break element-wise kernels: odd lengths, halves of one buffer, special values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from compute.kernels.cases.data import strided
from compute.kernels.operator import Case, Dims, Inputs

LENGTHS = (0, 1, 7, 8, 129, 8192, 8197, 20_000)


def line_cases(
    made: Callable[[Dims, str, int, str], Inputs], dtype: str, seed: int, device: str
) -> list[Case]:
    """For operators on [N]: odd and empty lengths, a step of two, an offset, special values."""
    cases = [Case(str(n), made({"N": n}, dtype, seed, device)) for n in LENGTHS]
    base = made({"N": 1000}, dtype, seed, device)

    def case(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Case:
        return Case(name, {key: change(value) for key, value in base.items()})

    cases.append(case("every second element", lambda t: t.repeat_interleave(2)[::2]))
    cases.append(case("not aligned", lambda t: strided(t, pad=3, offset=1)))
    cases.append(case("one value for all", lambda t: t[:1].expand(100)))
    cases.append(case("special values", _special))
    return cases


def pair_cases(
    made: Callable[[Dims, str, int, str], Inputs],
    dtype: str,
    seed: int,
    device: str,
    names: Sequence[str],
) -> list[Case]:
    """For operators on two matrices [M, N]: halves of one buffer, rows apart, huge values."""
    sizes = ((0, 8), (3, 0), (1, 1), (5, 3), (7, 129), (2, 4104), (3, 2048))
    cases = [Case(f"{m}x{n}", made({"M": m, "N": n}, dtype, seed, device)) for m, n in sizes]
    base = made({"M": 6, "N": 136}, dtype, seed, device)
    first, second = names

    def case(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Case:
        return Case(name, {key: change(base[key]) for key in names})

    for columns in (136, 67):
        both = torch.cat([base[first][:, :columns], base[second][:, :columns]], dim=1)
        halves = {first: both[:, :columns], second: both[:, columns:]}
        cases.append(Case(f"halves of [6, {2 * columns}]", halves))
    cases.append(case("not aligned", lambda t: strided(t, pad=5, offset=3)))
    cases.append(case("transposed", lambda t: t.t().contiguous().t()))
    cases.append(Case("one transposed", {**base, first: base[first].t().contiguous().t()}))
    factor = 100.0 if dtype == "float16" else 1e4
    cases.append(Case("large", {**base, first: base[first] * factor}))
    cases.append(Case("tiny", {**base, first: base[first] * 1e-4}))
    cases.append(Case("special values", {**base, first: _special(base[first])}))
    return cases


def _special(tensor: torch.Tensor) -> torch.Tensor:
    """NaN, both infinities and zeros at some places."""
    changed = tensor.clone()
    for place, value in enumerate((float("nan"), float("inf"), -float("inf"), 0.0, -0.0)):
        changed[..., 3 + 5 * place] = value
    return changed
