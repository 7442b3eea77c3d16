"""Small PTX kernels around a few instructions, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.ptx import Machine, parse
from tests.fakes.ptx.program import BITS
from tests.fakes.ptx.values import UNSIGNED

HEAD = ".version 8.5\n.target sm_90a\n.address_size 64\n"

STORE_R1 = "mad.wide.u32 %rd20, %r0, 4, %rd0; st.global.b32 [%rd20], %r1;"


def entry(params: int, body: str, variables: str = "") -> str:
    """A kernel ``k`` of 64-bit parameters p0, p1, ...; %rd0, %rd1 hold them, %r0 the thread."""
    declared = ", ".join(f".param .u64 p{i}" for i in range(params))
    loads = "\n".join(f"ld.param.u64 %rd{i}, [p{i}];" for i in range(params))
    return f"""{HEAD}{variables}
.visible .entry k({declared}) {{
.reg .pred %p<9>; .reg .b16 %h<9>; .reg .b32 %r<30>; .reg .f32 %f<9>; .reg .b64 %rd<30>;
{loads}
mov.u32 %r0, %tid.x;
{body}
ret;
}}"""


def run(text: str, grid: int, threads: int, *arrays: Any, **options: Any) -> None:
    """Launch ``k`` on arrays, which it may change."""
    shared = options.pop("shared_bytes", 0)
    Machine(parse(text), **options).launch("k", (grid,), threads, list(arrays), shared)


def computed(instruction: str, out: str, *columns: tuple[str, list[int]]) -> list[int]:
    """The bits that ``instruction`` leaves in ``d`` for the operands a, b, c, ... of each thread.

    ``columns``: the type and the bits of each operand. A result of type "pred" is 0 or 1.
    """
    names = "abcdefg".replace("d", "")[: len(columns)]
    count = len(columns[0][1])
    width = 32 if out == "pred" else BITS[out]
    arrays: list[NDArray[Any]] = [np.zeros(count, dtype=UNSIGNED[width])]
    lines = [f".reg .{'pred' if out == 'pred' else f'b{width}'} d;"]
    for number, (name, (kind, values)) in enumerate(zip(names, columns, strict=True), 1):
        bits = BITS[kind]
        arrays.append(np.array([v % 2**bits for v in values], dtype=UNSIGNED[bits]))
        lines += [
            f".reg .b{bits} {name};", f"mad.wide.u32 %rd20, %r0, {bits // 8}, %rd{number};",
            f"ld.global.b{bits} {name}, [%rd20];",
        ]  # fmt: skip
    lines += [f"{instruction};", f"mad.wide.u32 %rd20, %r0, {width // 8}, %rd0;"]
    if out == "pred":
        lines += ["selp.b32 %r1, 1, 0, d;", "st.global.b32 [%rd20], %r1;"]
    else:
        lines.append(f"st.global.b{width} [%rd20], d;")
    run(entry(len(arrays), "\n".join(lines)), 1, count, *arrays)
    return [int(v) for v in arrays[0]]


def made(
    body: str, threads: int = 64, grid: int = 1, variables: str = "", **options: Any
) -> list[int]:
    """What each thread of the last CTA left in %r1."""
    y = np.full(threads, 77, dtype=np.uint32)
    run(entry(1, body + STORE_R1, variables), grid, threads, y, **options)
    return [int(v) for v in y]
