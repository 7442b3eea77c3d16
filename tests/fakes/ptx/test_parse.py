"""PTX text is read as compilers and people write it."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from tests.fakes.ptx import Machine, parse
from tests.fakes.ptx.program import Address, Immediate, Pair, Register, Symbol, Vector
from tests.fakes.ptx.snippets import HEAD, entry, made

TEXT = (
    HEAD
    + """
.extern .func (.param .b32 r) vprintf (.param .b64 a, .param .b64 b);
.func helper(.param .b32 x) { .reg .b32 %r<2>; ret; }
.global .align 4 .f32 scale = 0f40000000;
.const .align 8 .b8 words[12] = {1, 2, 0xff, 4};
.extern .shared .align 1024 .b8 dynamic[];
.visible .entry _Z1kILi4EEvPf(
  .param .u64 .ptr .global .align 16 p0,  // a pointer
  .param .align 64 .b8 map[128],
  .param .u8 flag, .param .f32 eps
)
.maxntid 128, 1, 1
.minnctapersm 2
{
  .reg .pred %p<3>; .reg .b32 %r<4>, extra; .reg .b64 %rd<2>;
  .local .align 8 .b8 depot[24];
  /* two
     lines */ .loc 1 20 3
  ld.param.u64 %rd1, [p0];
  setp.lt.and.s32 %p1|%p2, %r1, -5, !%p0;
  @!%p1 st.global.v2.b32
     [%rd1+-16], {%r2, %r3};
  add.f32 extra, %r1, 0fBF800000;
  bra $L__BB0_1;
$L__BB0_1:
  .pragma "nounroll";
  ret;
}
.section .debug_str { .b8 1, 2 }
"""
)


def test_a_whole_module() -> None:
    module = parse(TEXT)
    assert module.target == "sm_90a"
    assert module.variables["scale"].content == b"\0\0\0\x40"
    assert module.variables["words"].content == b"\x01\x02\xff\x04"
    assert module.variables["words"].size == 12
    assert (module.variables["dynamic"].size, module.variables["dynamic"].align) == (0, 1024)
    (kernel,) = module.kernels.values()
    assert [(p.name, p.offset, p.size) for p in kernel.params] == [
        ("p0", 0, 8), ("map", 64, 128), ("flag", 192, 1), ("eps", 196, 4),
    ]  # fmt: skip
    assert kernel.variables["depot"].size == 24
    assert kernel.labels == {"$L__BB0_1": len(kernel.body) - 1}


def test_operands_of_every_kind() -> None:
    (kernel,) = parse(TEXT).kernels.values()
    load, compare, store, add, jump, _ = kernel.body
    named = {r.name: r for r in kernel.registers}
    assert load.operands == (named["%rd1"], Address(Symbol("p0")))
    assert compare.operands[0] == Pair(named["%p1"], named["%p2"])
    assert compare.operands[2] == Immediate(-5)
    assert store.guard == (named["%p1"], True)
    assert store.operands == (Address(named["%rd1"], -16), Vector((named["%r2"], named["%r3"])))
    assert store.text == "@!%p1 st.global.v2.b32 [%rd1+-16], {%r2, %r3};"
    assert add.operands[0] == Register("extra", named["extra"].index, 32)
    assert add.operands[2] == Immediate(0xBF800000, "f32")
    assert jump.operands == (Symbol("$L__BB0_1"),)
    assert load.line < store.line


def test_names_of_inner_braces_hide_outer_ones() -> None:
    body = """
    .reg .b32 t; mov.u32 t, 100;
    { .reg .b32 t; mov.u32 t, 5; { .reg .b32 t; mov.u32 t, 6; add.u32 %r1, t, 0; }
      add.u32 %r1, %r1, t; }
    add.u32 %r1, %r1, t;
    """
    assert set(made(body)) == {111}


def test_parameters_of_every_size_reach_the_kernel() -> None:
    text = HEAD + """
    .entry k(.param .u64 y, .param .align 16 .b8 pair[16], .param .u8 small, .param .f32 real) {
      .reg .b64 %rd<4>; .reg .b32 %r<3>; .reg .b16 %h; .reg .f32 %f;
      ld.param.u64 %rd0, [y]; ld.param.v2.b64 {%rd1, %rd2}, [pair];
      ld.param.s8 %h, [small]; cvt.s32.s16 %r1, %h; ld.param.f32 %f, [real];
      mov.b64 %rd3, pair; cvta.param.u64 %rd3, %rd3; ld.b32 %r2, [%rd3+12];
      st.global.v2.b64 [%rd0], {%rd1, %rd2}; st.global.b32 [%rd0+16], %r1;
      st.global.f32 [%rd0+20], %f; st.global.b32 [%rd0+24], %r2;
      ret;
    }"""  # fmt: skip
    y = np.zeros(7, dtype=np.uint32)
    pair = (1 << 64 | 7 << 32 | 9).to_bytes(8 + 8, "little")
    arguments = [y, pair, ctypes.c_byte(-3), ctypes.c_float(2.0)]
    Machine(parse(text)).launch("k", (1,), 1, arguments)
    assert y.tolist() == [9, 7, 1, 0, 2**32 - 3, 0x40000000, 0]


def test_calls_are_refused_when_they_are_reached() -> None:
    called = "{ .param .b64 given; st.param.b64 [given], %rd0; call.uni f, (given); }"
    assert made(f"bra OVER; {called} OVER: mov.u32 %r1, 4;") == [4] * 64
    with pytest.raises(NotImplementedError, match="parameters of calls are not kept"):
        made(called)
    with pytest.raises(NotImplementedError, match=r"calls of functions are not run.* call\.uni f;"):
        made("call.uni f;")


def test_a_label_that_is_nowhere_is_refused() -> None:
    with pytest.raises(KeyError, match="NOWHERE"):
        Machine(parse(entry(1, "bra NOWHERE;"))).launch("k", (1,), 1, [np.zeros(1)])
