"""What the lanes of a warp do together, and atomics."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fakes.ptx.snippets import STORE_R1, entry, made, run


@pytest.mark.parametrize(
    ("instruction", "source"),
    [
        ("shfl.sync.bfly.b32 %r1|%p1, %r0, 3, 31, -1;", lambda n: n ^ 3),
        ("shfl.sync.down.b32 %r1|%p1, %r0, 5, 31, -1;", lambda n: n + 5 if n % 32 < 27 else n),
        ("shfl.sync.up.b32 %r1|%p1, %r0, 5, 0, -1;", lambda n: n - 5 if n % 32 >= 5 else n),
        ("shfl.sync.idx.b32 %r1|%p1, %r0, 9, 31, -1;", lambda n: n // 32 * 32 + 9),
        # Segments of eight lanes.
        ("shfl.sync.down.b32 %r1|%p1, %r0, 3, 0x181f, -1;", lambda n: n + 3 if n % 8 < 5 else n),
        ("shfl.sync.idx.b32 %r1|%p1, %r0, 2, 0x181f, -1;", lambda n: n // 8 * 8 + 2),
    ],
)
def test_shuffles_read_the_lane_they_name(instruction: str, source: object) -> None:
    assert callable(source)
    assert made(instruction) == [source(n) for n in range(64)]


@pytest.mark.parametrize(
    ("body", "want"),
    [
        ("setp.lt.u32 %p1, %r0, 40; vote.sync.ballot.b32 %r1, %p1, -1;",
         lambda n: 0xFFFFFFFF if n < 32 else 0xFF),
        ("setp.lt.u32 %p1, %r0, 40; vote.sync.all.pred %p2, %p1, -1; selp.u32 %r1, 1, 0, %p2;",
         lambda n: int(n < 32)),
        ("setp.eq.u32 %p1, %r0, 40; vote.sync.any.pred %p2, %p1, -1; selp.u32 %r1, 1, 0, %p2;",
         lambda n: int(n >= 32)),
        ("redux.sync.add.s32 %r1, %r0, -1;", lambda n: sum(range(n // 32 * 32, n // 32 * 32 + 32))),
        ("redux.sync.max.u32 %r1, %r0, -1;", lambda n: n // 32 * 32 + 31),
        ("and.b32 %r2, %r0, 3; match.any.sync.b32 %r1, %r2, -1;", lambda n: 0x11111111 << n % 4),
        ("elect.sync _|%p1, -1; selp.u32 %r1, 1, 0, %p1;", lambda n: int(n % 32 == 0)),
        ("elect.sync %r1|%p1, 0xfffffff0;", lambda n: 4),
        ("mov.u32 %r1, %laneid;", lambda n: n % 32),
        ("mov.u32 %r1, %lanemask_lt;", lambda n: 2 ** (n % 32) - 1),
    ],
)  # fmt: skip
def test_warps(body: str, want: object) -> None:
    assert callable(want)
    assert made(body) == [want(n) for n in range(64)]


@pytest.mark.parametrize(
    ("instruction", "last"),
    [
        ("red.global.add.u32 [%rd1], %r0;", sum(range(64))),
        ("red.global.max.s32 [%rd1], %r0;", 63),
        ("atom.global.exch.b32 %r2, [%rd1], %r0;", 63),
        ("atom.global.cas.b32 %r2, [%rd1], %r0, 9;", 9),
        ("atom.global.inc.u32 %r2, [%rd1], 9;", 64 % 10),
    ],
)
def test_atomics_happen_one_after_the_other(instruction: str, last: int) -> None:
    y, total = np.zeros(64, dtype=np.uint32), np.zeros(1, dtype=np.uint32)
    run(entry(2, instruction), 1, 64, y, total)
    assert total[0] == last


def test_atomics_give_each_thread_the_value_before_its_own() -> None:
    y, total = np.zeros(64, dtype=np.float32), np.zeros(1, dtype=np.float32)
    body = "mov.f32 %f2, 0f3F000000; atom.global.add.f32 %f1, [%rd1], %f2; mov.b32 %r1, %f1;"
    run(entry(2, body + STORE_R1), 1, 64, y, total)
    assert sorted(y.tolist()) == [n / 2 for n in range(64)]
    assert total[0] == 32.0
