"""PTX written by hand, right, and with one fault each that hardware would punish."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

STAGE = 10_240  # bytes: 64 x 64 16-bit values of a, then 16 x 64 of b
BARRIERS = 2 * STAGE
SHARED_BYTES = BARRIERS + 16

# y[64, 16] = a b^T over 64 x ``steps`` of K. Thread 0 loads a step ahead of what is multiplied.
PRODUCT = """
.version 8.3
.target sm_90a
.address_size 64
.extern .shared .align 1024 .b8 tiles[];
.visible .entry product(.param .align 64 .b8 a[128], .param .align 64 .b8 b[128],
                        .param .u64 y, .param .u32 steps)
{{
  .reg .pred %p<8>;
  .reg .b32 %r<32>;
  .reg .f32 %f<8>;
  .reg .b64 %rd<16>;
  mov.b64 %rd1, a;
  cvta.param.u64 %rd1, %rd1;
  mov.b64 %rd2, b;
  cvta.param.u64 %rd2, %rd2;
  ld.param.u64 %rd3, [y];
  ld.param.u32 %r1, [steps];
  mov.u32 %r2, %tid.x;
  mov.u32 %r3, tiles;
  add.u32 %r4, %r3, {barriers};
  setp.eq.u32 %p1, %r2, 0;
  @%p1 mbarrier.init.shared::cta.b64 [%r4], 1;
  @%p1 mbarrier.init.shared::cta.b64 [%r4+8], 1;
  fence.proxy.async.shared::cta;
  bar.sync 0;
  mov.u32 %r5, 0;
  mov.u32 %r6, 0;
  mov.u32 %r17, 0;
  mov.u32 %r18, -64;
{zeros}
  @!%p1 bra LOADED;
LOAD:
  add.u32 %r18, %r18, 64;
  and.b32 %r8, %r6, 1;
  mul.lo.u32 %r9, %r8, {stage};
  add.u32 %r9, %r9, %r3;
  add.u32 %r10, %r9, 8192;
  shl.b32 %r11, %r8, 3;
  add.u32 %r11, %r11, %r4;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r11], {bytes};
  cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes
    [%r9], [%rd1, {{%r18, %r17}}], [%r11];
  cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes
    [%r10], [%rd2, {{%r18, %r17}}], [%r11];
LOADED:
  add.u32 %r6, %r6, 1;
  setp.eq.u32 %p2, %r6, 1;
  @%p2 bra AHEAD;
  and.b32 %r8, %r5, 1;
  shl.b32 %r11, %r8, 3;
  add.u32 %r11, %r11, %r4;
  shr.u32 %r12, %r5, 1;
  and.b32 %r12, %r12, 1;
WAIT:
  {wait_barrier}
  mul.lo.u32 %r9, %r8, {stage};
  add.u32 %r9, %r9, %r3;
  shr.u32 %r13, %r9, 4;
  and.b32 %r13, %r13, 16383;
  cvt.u64.u32 %rd4, %r13;
  or.b64 %rd4, %rd4, {descriptor};
  add.u64 %rd5, %rd4, 512;
  setp.ne.u32 %p4, %r5, 0;
  {wgmma_fence}
{products}
  wgmma.commit_group.sync.aligned;
  wgmma.wait_group.sync.aligned {left};
  bar.sync 0;
  add.u32 %r5, %r5, 1;
AHEAD:
  setp.lt.u32 %p5, %r6, %r1;
  and.pred %p6, %p5, %p1;
  @%p6 bra LOAD;
  setp.lt.u32 %p5, %r5, %r1;
  @%p5 bra LOADED;
  {wait_products}
  shr.u32 %r14, %r2, 5;
  shl.b32 %r14, %r14, 4;
  shr.u32 %r15, %r2, 2;
  and.b32 %r15, %r15, 7;
  add.u32 %r14, %r14, %r15;
  shl.b32 %r14, %r14, 4;
  and.b32 %r16, %r2, 3;
  shl.b32 %r16, %r16, 1;
  add.u32 %r14, %r14, %r16;
  mul.wide.u32 %rd6, %r14, 4;
  add.u64 %rd7, %rd3, %rd6;
{stores}
  ret;
}}
"""


def product(**changed: str) -> str:
    """The kernel, with some of its parts replaced."""
    registers = ", ".join(f"%f{i}" for i in range(8))
    steps = []
    for k in range(4):
        steps += [f"  add.u64 %rd8, %rd4, {2 * k};", f"  add.u64 %rd9, %rd5, {2 * k};"]
        if k == 1:
            steps.append("  setp.eq.u32 %p4, %r5, %r5;")
        steps.append(
            f"  wgmma.mma_async.sync.aligned.m64n16k16.f32.f16.f16 {{{registers}}}, "
            "%rd8, %rd9, %p4, 1, 1, 0, 0;"
        )
    stores = [
        f"  st.global.f32 [%rd7+{4 * (half * 8 * 16 + block * 8 + pair)}], "
        f"%f{4 * block + 2 * half + pair};"
        for block in range(2) for half in range(2) for pair in range(2)
    ]  # fmt: skip
    parts = {
        "barriers": str(BARRIERS),
        "stage": str(STAGE),
        "bytes": str(STAGE),
        "wait_barrier": "mbarrier.try_wait.parity.shared::cta.b64 %p3, [%r11], %r12;\n"
        "  @!%p3 bra WAIT;",
        "descriptor": str((1024 >> 4) << 32 | 1 << 62),
        "wgmma_fence": "wgmma.fence.sync.aligned;",
        "products": "\n".join(steps),
        # Without a value on every path into the loop ptxas 12.8 runs the products one by one.
        "zeros": "\n".join(f"  mov.f32 %f{i}, 0f00000000;" for i in range(8)),
        "left": "0",
        "wait_products": "wgmma.wait_group.sync.aligned 0;",
        "stores": "\n".join(stores),
    }
    return PRODUCT.format(**(parts | changed))


# out[64, 64] of 16-bit numbers: each thread's own, from shared memory by the copy engine.
STORE = """
.version 8.3
.target sm_90a
.address_size 64
.extern .shared .align 1024 .b8 tiles[];
.visible .entry store(.param .align 64 .b8 out[128])
{{
  .reg .pred %p<4>;
  .reg .b32 %r<16>;
  .reg .b64 %rd<4>;
  mov.b64 %rd1, out;
  cvta.param.u64 %rd1, %rd1;
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, tiles;
  shl.b32 %r3, %r1, 6;
  add.u32 %r3, %r3, %r2;
  mov.u32 %r4, 0;
MORE:
  st.shared.u32 [%r3], %r1;
  add.u32 %r3, %r3, 4;
  add.u32 %r4, %r4, 1;
  setp.lt.u32 %p1, %r4, 16;
  @%p1 bra MORE;
  {fence}
  bar.sync 0;
  setp.ne.u32 %p2, %r1, 0;
  @%p2 bra END;
  mov.u32 %r5, 0;
  cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%rd1, {{%r5, %r5}}], [%r2{offset}];
  cp.async.bulk.commit_group;
  {wait}
END:
  ret;
}}
"""


def store(**changed: str) -> str:
    """The kernel, with some of its parts replaced."""
    parts = {
        "fence": "fence.proxy.async.shared::cta;",
        "wait": "cp.async.bulk.wait_group.read 0;",
        "offset": "",
    }
    return STORE.format(**(parts | changed))


def map_bytes(held: NDArray[np.generic], box: tuple[int, int]) -> bytes:
    """A tensor map of a matrix, lines swizzled by 128 bytes; ``box`` innermost first."""
    word = np.zeros(16, np.uint64)
    word[0] = held.ctypes.data
    word[1] = 2 | held.itemsize << 8 | 128 << 16
    word[2:4] = held.shape[::-1]
    word[7] = held.strides[0]
    word[11:13] = box
    return word.tobytes()


def aligned(rows: int, columns: int) -> NDArray[np.float16]:
    """A matrix of 16-bit zeros that begins at a multiple of 16 bytes."""
    raw = np.zeros(rows * columns + 8, np.float16)
    skipped = -raw.ctypes.data % 16 // 2
    return raw[skipped : skipped + rows * columns].reshape(rows, columns)


def number(value: int) -> ctypes.c_uint32:
    """A parameter."""
    return ctypes.c_uint32(value)
