"""The machine on code that is known to be right: ``python -m tests.fakes.ptx.triton_proof``.

Triton's compiler makes PTX for a real architecture of small kernels; what the machine computes is
held against float64. In a process of its own: Triton must not be its own interpreter.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
import triton
from triton.tools.tensor_descriptor import TensorDescriptor

from tests.fakes.ptx import Machine
from tests.fakes.ptx import triton_kernels as kernels
from tests.fakes.ptx.triton_driver import on_machine

F16, BF16, F32 = torch.float16, torch.bfloat16, torch.float32
E4M3, E5M2, S8 = torch.float8_e4m3fn, torch.float8_e5m2, torch.int8
# Relative Frobenius error: one rounding of the result, or of the operands for tf32.
ALLOWED = {F16: 4e-4, BF16: 3e-3, F32: 2e-6, torch.int32: 0.0}
TF32_ALLOWED = 1e-3
FP8_ALLOWED = 5e-4  # sums keep 13 bits


@dataclass(frozen=True)
class Proof:
    """One kernel on one architecture."""

    name: str
    error: float
    allowed: float
    seconds: float

    @property
    def right(self) -> bool:
        """NaN is wrong."""
        return self.error <= self.allowed


def matrix(rows: int, columns: int, dtype: torch.dtype, across: bool = False) -> torch.Tensor:
    """Normal values [rows, columns] (small integers for int8); ``across``: columns are lines.
    Lines begin at multiples of 16 bytes, as descriptors want it.
    """
    lines, length = (columns, rows) if across else (rows, columns)
    width = -(-length // 16) * 16
    if dtype == S8:
        made = torch.randint(-128, 128, (lines, width), dtype=S8)
    else:
        made = torch.randn(lines, width).to(dtype)
    held = made[:, :length]
    return held.t() if across else held


def exact(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """float64."""
    return a.to(torch.float64) @ b.to(torch.float64)


def difference(got: torch.Tensor, expected: torch.Tensor) -> float:
    """Relative Frobenius."""
    return float((got.to(torch.float64) - expected).norm() / expected.norm())


# --- kernels ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Product:
    """m x n x k; ``sums`` is the accumulator's type."""

    dtype: torch.dtype
    size: tuple[int, int, int] = (100, 72, 150)
    tile: tuple[int, int, int] = (64, 64, 64)
    a_across: bool = False
    b_across: bool = True
    warps: int = 4
    stages: int = 3
    sums: Any = triton.language.float32
    precision: str = "tf32"

    def operands(self) -> tuple[torch.Tensor, torch.Tensor]:
        """a [m, k] and b [k, n]."""
        m, n, k = self.size
        return matrix(m, k, self.dtype, self.a_across), matrix(k, n, self.dtype, self.b_across)

    def result(self) -> torch.Tensor:
        """Full of NaN, or of a number."""
        kinds = {triton.language.float16: F16, triton.language.int32: torch.int32}
        dtype = kinds.get(self.sums, self.dtype if self.dtype in (F16, BF16) else F32)
        return torch.full(
            self.size[:2], float("nan") if dtype.is_floating_point else 7, dtype=dtype
        )

    def grid(self) -> tuple[int, int]:
        """Tiles."""
        return triton.cdiv(self.size[0], self.tile[0]), triton.cdiv(self.size[1], self.tile[1])


def by_pointers(case: Product) -> tuple[float, float]:
    """Error, and what is allowed."""
    a, b = case.operands()
    c = case.result()
    kernels.product_kernel[case.grid()](
        a, b, c, *case.size, *a.stride(), *b.stride(), *case.tile, case.sums, case.precision,
        num_warps=case.warps, num_stages=case.stages,
    )  # fmt: skip
    allowed = ALLOWED[c.dtype]
    if case.dtype == F32 and case.precision == "tf32":
        allowed = TF32_ALLOWED
    if case.dtype in (E4M3, E5M2):
        allowed = max(allowed, FP8_ALLOWED)
    if case.sums == triton.language.float16:
        allowed = 4e-3  # every step of the sum is rounded
    return difference(c, exact(a, b)), allowed


def by_descriptors(case: Product) -> tuple[float, float]:
    """Descriptors of the host; the result's lines are padded."""
    a, b = case.operands()
    bm, bn, bk = case.tile
    c = matrix(*case.size[:2], case.result().dtype)
    c.fill_(float("nan"))
    lines = (a.t() if case.a_across else a, b.t() if case.b_across else b, c)
    boxes = ([bk, bm] if case.a_across else [bm, bk], [bn, bk] if case.b_across else [bk, bn])
    maps = [
        TensorDescriptor(t, list(t.shape), list(t.stride()), box)
        for t, box in zip(lines, (*boxes, [bm, bn]), strict=True)
    ]
    kernels.described_kernel[case.grid()](
        *maps, case.size[2], *case.tile, not case.a_across, case.b_across,
        num_warps=case.warps, num_stages=case.stages,
    )  # fmt: skip
    allowed = {F32: TF32_ALLOWED, E4M3: FP8_ALLOWED, E5M2: FP8_ALLOWED}.get(
        case.dtype, ALLOWED[c.dtype]
    )
    return difference(c, exact(a, b)), allowed


def by_own_descriptors(case: Product) -> tuple[float, float]:
    """Descriptors that the kernel makes."""
    triton.set_allocator(lambda size, align, stream: torch.zeros(size, dtype=torch.uint8))
    m, n, k = case.size
    a, b = case.operands()
    c = matrix(m, n, case.result().dtype)
    c.fill_(float("nan"))
    kernels.describing_kernel[case.grid()](
        a, b, c, m, n, k, c.stride(0), a.stride(0), *case.tile,
        num_warps=case.warps, num_stages=case.stages,
    )  # fmt: skip
    return difference(c, exact(a, b)), ALLOWED[c.dtype]


def attention(
    dtype: torch.dtype, length: int, d: int, causal: bool, described: bool, bm: int = 64,
    bn: int = 64, warps: int = 4, stages: int = 2,
) -> tuple[float, float]:  # fmt: skip
    """One head."""
    q, k, v = (torch.randn(length, d).to(dtype) for _ in range(3))
    out = torch.full((length, d), float("nan"), dtype=dtype)
    scale = 1 / d**0.5
    given: list[Any] = [q, k, v, out]
    if described:
        boxes = [[bm, d], [bn, d], [bn, d], [bm, d]]
        given = [
            TensorDescriptor(t, [length, d], [d, 1], box)
            for t, box in zip(given, boxes, strict=True)
        ]
    kernels.attention_kernel[(triton.cdiv(length, bm),)](
        *given, length, scale * 1.4426950408889634, bm, bn, d, causal, described,
        num_warps=warps, num_stages=stages,
    )  # fmt: skip
    scores = exact(q, k.t()) * scale
    if causal:
        scores += torch.full((length, length), float("-inf"), dtype=torch.float64).triu(1)
    # The weights are rounded as well as the result.
    return difference(out, exact(scores.softmax(1), v)), 2 * ALLOWED[dtype]


# --- which of them ----------------------------------------------------------------------------

Run = Callable[[], tuple[float, float]]


def on_ampere(f8: bool) -> Iterator[tuple[str, Run]]:
    """mma.sync, ldmatrix, cp.async."""
    for dtype in (F16, BF16):
        for a_across, b_across in ((False, True), (True, False)):
            case = Product(dtype, a_across=a_across, b_across=b_across)
            yield f"product {dtype} {a_across} {b_across}", partial(by_pointers, case)
    yield (
        "product of few rows",
        partial(by_pointers, Product(BF16, (5, 40, 70), (16, 32, 32), warps=2)),
    )
    yield "product in fp16", partial(by_pointers, Product(F16, sums=triton.language.float16))
    yield "product tf32", partial(by_pointers, Product(F32, tile=(64, 64, 32)))
    yield (
        "product fp32",
        partial(by_pointers, Product(F32, (50, 40, 33), (32, 32, 16), precision="ieee")),
    )
    yield "product int8", partial(by_pointers, Product(S8, sums=triton.language.int32))
    if f8:
        for dtype in (E4M3, E5M2):
            yield f"product {dtype}", partial(by_pointers, Product(dtype))
    yield "attention", partial(attention, F16, 150, 64, True, False)
    yield "attention of 128", partial(attention, BF16, 100, 128, False, False, warps=8)


def on_hopper() -> Iterator[tuple[str, Run]]:
    """wgmma, the copy engine, mbarrier; pipelines of cp.async too."""
    wide = (128, 128, 64)
    for dtype in (F16, BF16):
        for a_across, b_across in ((False, True), (True, False), (False, False), (True, True)):
            case = Product(dtype, a_across=a_across, b_across=b_across)
            yield f"product {dtype} {a_across} {b_across}", partial(by_pointers, case)
            case = Product(dtype, (200, 136, 264), wide, a_across, b_across, warps=8)
            yield f"described {dtype} {a_across} {b_across}", partial(by_descriptors, case)
    narrow = Product(BF16, (70, 24, 100), (64, 16, 32))
    yield "product of few columns", partial(by_pointers, narrow)
    yield "product 256 wide", partial(by_pointers, Product(F16, (70, 300, 100), (64, 256, 32)))
    yield "product in fp16", partial(by_pointers, Product(F16, sums=triton.language.float16))
    yield "product tf32", partial(by_pointers, Product(F32, tile=(64, 64, 32)))
    yield "product int8", partial(by_pointers, Product(S8, sums=triton.language.int32))
    for dtype in (E4M3, E5M2):
        yield f"product {dtype}", partial(by_pointers, Product(dtype))
        yield f"described {dtype}", partial(by_descriptors, Product(dtype, tile=(64, 64, 128)))
    for row in (32, 64):
        case = Product(F16, (100, 72, 150), (64, 64, row // 2))
        yield f"described in lines of {row} bytes", partial(by_descriptors, case)
    yield "described tf32", partial(by_descriptors, Product(F32, tile=(64, 64, 32)))
    yield "own descriptors", partial(by_own_descriptors, Product(BF16, (100, 72, 150), wide))
    yield "attention", partial(attention, F16, 150, 64, True, False)
    yield "attention of 128", partial(attention, BF16, 100, 128, False, False, warps=8)
    yield "attention described", partial(attention, F16, 150, 64, True, True)
    yield "attention described of 128", partial(attention, BF16, 200, 128, True, True, 128, 64, 8)


def proofs(
    arch: int, wanted: str = "", eager: bool = False, order: str = "together"
) -> Iterator[Proof]:
    """Those of an architecture whose name has ``wanted`` in it."""
    make = partial(Machine, eager_async=eager, order=order)
    with on_machine(arch, make):
        for name, run in on_hopper() if arch == 90 else on_ampere(f8=arch >= 89):
            if wanted in name:
                torch.manual_seed(0)
                since = time.process_time()
                error, allowed = run()
                took = round(time.process_time() - since, 2)
                yield Proof(f"sm_{arch} {name}", error, allowed, took)


def main() -> int:
    """A JSON object a line; 1 when one is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arch", type=int, nargs="?", default=90)
    parser.add_argument("wanted", nargs="?", default="")
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--order", default="together")
    given = parser.parse_args()
    wrong = 0
    for proof in proofs(given.arch, given.wanted, given.eager, given.order):
        wrong += not proof.right
        sys.stdout.write(json.dumps(asdict(proof) | {"right": proof.right}) + "\n")
        sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
