"""The PTX machine reports what a GPU would punish, and runs what a GPU would run."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.fakes.ptx import Deadlock, Fault, Machine, parse
from tests.fakes.ptx.snippets import HEAD, STORE_R1, entry, made, run

HELD = ".shared .align 4 .b8 held[256];"


def test_threads_part_and_meet_again() -> None:
    body = """
    and.b32 %r2, %r0, 1;
    setp.eq.u32 %p1, %r2, 0;
    @%p1 bra EVEN;
    mul.lo.u32 %r1, %r0, 10;
    bra.uni DONE;
    EVEN: add.u32 %r1, %r0, 1000;
    DONE: vote.sync.ballot.b32 %r3, 1, -1;
    setp.ne.u32 %p2, %r3, 0xffffffff;
    @%p2 trap;
    """
    assert made(body) == [n * 10 if n % 2 else n + 1000 for n in range(64)]


def test_loops_end_for_each_thread_on_its_own() -> None:
    body = """
    mov.u32 %r1, 0; mov.u32 %r2, %r0;
    AGAIN: setp.eq.u32 %p1, %r2, 0;
    @%p1 bra OUT;
    add.u32 %r1, %r1, %r2; sub.u32 %r2, %r2, 1;
    bra AGAIN;
    OUT:
    """
    assert made(body) == [n * (n + 1) // 2 for n in range(64)]


def test_labels_and_registers_of_inline_assembly_are_its_own() -> None:
    twice = """
    { .reg .pred p; .reg .b32 t; mov.u32 t, %r0; setp.lt.u32 p, t, 5;
    @p bra SKIP; add.u32 %r1, %r1, t; SKIP: add.u32 %r1, %r1, 1; }
    """
    assert made("mov.u32 %r1, 0;" + twice * 2) == [2 + 2 * n * (n >= 5) for n in range(64)]


def test_exited_threads_are_not_waited_for() -> None:
    body = """
    setp.ge.u32 %p1, %r0, 40;
    @%p1 ret;
    bar.sync 0;
    mov.u32 %r1, 5;
    """
    assert made(body) == [5] * 40 + [77] * 24


def test_ctas_do_not_share_shared_memory() -> None:
    y = np.zeros(8, dtype=np.uint32)
    body = """
    mov.u32 %r2, %ctaid.x; mov.u32 %r3, held;
    atom.shared.add.u32 %r4, [%r3], 1;
    ld.shared.b32 %r1, [%r3];
    mad.wide.u32 %rd20, %r2, 4, %rd0; st.global.b32 [%rd20], %r1;
    """
    run(entry(1, body, HELD), 8, 3, y)
    assert set(y.tolist()) == {2}  # -1, which memory begins with, and three


def test_barriers_for_some_warps_let_those_go_on() -> None:
    body = """
    setp.lt.u32 %p1, %r0, 64;
    @%p1 bra FIRST;
    bar.arrive 3, 96;
    mov.u32 %r1, 1; bra DONE;
    FIRST: bar.sync 3, 96; mov.u32 %r1, 2;
    DONE:
    """
    assert made(body, threads=96) == [2] * 64 + [1] * 32


def test_a_barrier_that_some_threads_never_reach_is_a_deadlock() -> None:
    body = """
    setp.lt.u32 %p1, %r0, 32;
    @%p1 bar.sync 1, 64;
    mov.u32 %r1, 1;
    """
    with pytest.raises(
        Deadlock, match=r"32 threads \(warp 0 of CTA 0\) wait for barrier 1 at line"
    ):
        made(body)


def test_lanes_that_wait_for_an_absent_lane_are_a_deadlock() -> None:
    body = """
    setp.eq.u32 %p1, %r0, 7;
    @%p1 bar.sync 1, 64;
    shfl.sync.idx.b32 %r1, %r0, 0, 31, -1;
    """
    with pytest.raises(Deadlock, match="other lanes of its warp"):
        made(body)


@pytest.mark.parametrize("order", ["together", "backwards"])
def test_stores_and_loads_outside_of_memory_are_faults(order: str) -> None:
    x, y = np.arange(65, dtype=np.uint32)[:64], np.zeros(64, dtype=np.uint32)
    body = """
    mad.wide.u32 %rd20, %r0, 4, %rd0; ld.global.b32 %r1, [%rd20+4];
    mad.wide.u32 %rd20, %r0, 4, %rd1; st.global.b32 [%rd20], %r1;
    """
    with pytest.raises(Fault, match=r"thread 63 of CTA 0 .* 4 bytes at 0x\w+, outside") as caught:
        run(entry(2, body), 1, 64, x, y, order=order)
    assert "ld.global.b32 %r1, [%rd20+4];" in str(caught.value)
    assert "the nearest is p0" in str(caught.value)


def test_misaligned_accesses_are_faults() -> None:
    with pytest.raises(Fault, match="no multiple of 8"):
        run(entry(1, "ld.global.b64 %rd2, [%rd0+4];"), 1, 1, np.zeros(64, dtype=np.uint64))


def test_shared_memory_ends_where_it_ends() -> None:
    with pytest.raises(Fault, match="at byte 256 of 256 bytes of shared memory"):
        made("mov.u32 %r2, held; ld.shared.b32 %r1, [%r2+256];", variables=HELD)


def test_what_is_not_known_is_named_when_it_is_reached() -> None:
    unknown = "txq.width.b32 %r1, [%rd0];"
    with pytest.raises(NotImplementedError, match=re.escape(unknown)):
        made(unknown)
    assert made(f"bra OVER; {unknown} OVER: mov.u32 %r1, 3;") == [3] * 64


def test_generic_addresses_reach_every_space() -> None:
    body = """
    mov.u64 %rd2, held; cvta.shared.u64 %rd3, %rd2;
    mad.wide.u32 %rd4, %r0, 4, %rd3; st.b32 [%rd4], %r0;
    isspacep.shared %p1, %rd4; @!%p1 trap;
    mov.u64 %rd5, kept; cvta.local.u64 %rd6, %rd5; ld.b32 %r2, [%rd4]; st.b32 [%rd6+4], %r2;
    ld.local.b32 %r3, [%rd5+4];
    mov.u64 %rd7, table; ld.b32 %r4, [%rd7+8];
    add.u32 %r1, %r3, %r4;
    """
    variables = HELD + ".global .align 4 .u32 table[3] = {5, 6, 700};"
    local = ".local .align 8 .b8 kept[16];"
    assert made(local + body, variables=variables) == [n + 700 for n in range(64)]


def test_vectors_and_narrow_values_keep_their_places() -> None:
    x = np.arange(64, dtype=np.uint8) * 5
    y = np.zeros(16, dtype=np.uint32)
    body = """
    mad.wide.u32 %rd20, %r0, 4, %rd1;
    ld.global.nc.v4.u8 {%h1, %h2, %h3, %h4}, [%rd20];
    mov.b32 %r2, {%h1, %h3}; mov.b32 {%h5, %h6}, %r2;
    cvt.u32.u16 %r3, %h6; ld.global.s8 %r4, [%rd20+3]; sub.u32 %r1, %r3, %r4;
    """
    run(entry(2, body + STORE_R1), 1, 16, y, x)
    wide = x.reshape(16, 4)
    assert (y == (wide[:, 2] - wide[:, 3].view(np.int8).astype(np.int64)).astype(np.uint32)).all()


def test_arguments_have_to_fit_the_parameters() -> None:
    machine = Machine(parse(entry(2, "")))
    with pytest.raises(ValueError, match="1 arguments for 2 parameters"):
        machine.launch("k", (1,), 32, [np.zeros(1)])
    with pytest.raises(ValueError, match="p1 has 8 bytes, 3 are given"):
        machine.launch("k", (1,), 32, [np.zeros(1), b"abc"])


def test_grids_and_blocks_have_three_axes() -> None:
    text = entry(1, """
    mov.u32 %r1, %ctaid.y; mov.u32 %r2, %ctaid.x; mad.lo.u32 %r3, %r1, 3, %r2;
    mov.u32 %r4, %tid.y; mov.u32 %r5, %tid.x; mad.lo.u32 %r6, %r4, 4, %r5;
    mad.lo.u32 %r7, %r3, 8, %r6; mad.wide.u32 %rd20, %r7, 4, %rd0; st.global.b32 [%rd20], %r7;
    """)  # fmt: skip
    y = np.zeros(6 * 8, dtype=np.uint32)
    Machine(parse(text)).launch("k", (3, 2), (4, 2), [y])
    assert y.tolist() == list(range(48))


def test_a_text_that_is_not_understood_is_refused_with_its_line() -> None:
    with pytest.raises(ValueError, match=r"line 4: \.nonsense"):
        parse(HEAD + ".nonsense 5;")
