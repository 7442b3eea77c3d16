"""Accesses to shared memory that no barrier orders are found, whichever warp runs first."""

from __future__ import annotations

import pytest

from tests.fakes.ptx import Race
from tests.fakes.ptx.snippets import made

REVERSE = """
mov.u32 %r2, held;
mad.lo.u32 %r3, %r0, 4, %r2;
st.shared.b32 [%r3], %r0;
{barrier}
sub.u32 %r4, 63, %r0;
mad.lo.u32 %r3, %r4, 4, %r2;
ld.shared.b32 %r1, [%r3];
"""
HELD = ".shared .align 4 .b8 held[256];"


@pytest.mark.parametrize("order", ["together", "forwards", "backwards"])
def test_a_barrier_makes_stores_seen(order: str) -> None:
    body = REVERSE.format(barrier="bar.sync 0;")
    assert made(body, variables=HELD, order=order) == list(range(63, -1, -1))


@pytest.mark.parametrize("order", ["forwards", "backwards"])
def test_a_missing_barrier_shows_as_wrong_values(order: str) -> None:
    body = REVERSE.format(barrier="")
    assert 2**32 - 1 in made(body, variables=HELD, order=order, races=False)


@pytest.mark.parametrize("order", ["together", "forwards", "backwards"])
def test_a_missing_barrier_is_a_race_whoever_runs_first(order: str) -> None:
    with pytest.raises(Race, match=r"warp \d of its CTA has .* no barrier stands between"):
        made(REVERSE.format(barrier=""), variables=HELD, order=order)


def test_warps_that_arrive_and_do_not_wait_have_seen_nothing() -> None:
    body = """
    mov.u32 %r2, held; mov.u32 %r1, 9;
    setp.lt.u32 %p1, %r0, 32;
    @!%p1 bra SECOND;
    st.shared.b32 [%r2], %r0;
    {first} 2, 64;
    bra DONE;
    SECOND: {second} 2, 64;
    ld.shared.b32 %r1, [%r2];
    DONE:
    """
    got = made(body.format(first="bar.arrive", second="bar.sync"), variables=HELD)
    assert got == [9] * 32 + [31] * 32
    with pytest.raises(Race, match="line"):
        made(body.format(first="bar.sync", second="bar.arrive"), variables=HELD)


def test_a_second_store_has_to_wait_for_those_that_load() -> None:
    body = """
    mov.u32 %r2, held; mov.u32 %r3, 0; setp.lt.u32 %p1, %r0, 32;
    AGAIN: @%p1 st.shared.b32 [%r2], %r3;
    bar.sync 0;
    ld.shared.b32 %r1, [%r2];
    {barrier}
    add.u32 %r3, %r3, 1; setp.lt.u32 %p2, %r3, 3; @%p2 bra AGAIN;
    """
    assert made(body.format(barrier="bar.sync 0;"), variables=HELD) == [2] * 64
    with pytest.raises(Race, match=r"stores to byte 0 of shared memory; warp 1 .* has loaded"):
        made(body.format(barrier=""), variables=HELD)


def test_lanes_of_a_warp_need_a_barrier_too() -> None:
    body = """
    mov.u32 %r2, held; mad.lo.u32 %r3, %r0, 4, %r2;
    st.shared.b32 [%r3], %r0;
    {barrier}
    xor.b32 %r4, %r0, 1; mad.lo.u32 %r3, %r4, 4, %r2; ld.shared.b32 %r1, [%r3];
    """
    assert made(body.format(barrier="bar.warp.sync -1;"), variables=HELD) == [
        n ^ 1 for n in range(64)
    ]
    with pytest.raises(Race, match=r"lane \d+ of its own warp has stored there"):
        made(body.format(barrier=""), variables=HELD)
