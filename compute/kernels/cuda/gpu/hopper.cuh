// Hopper's own instructions (sm_90a): matrix products of a warpgroup on tiles in shared memory,
// copies of tiles by the copy engine, and the barriers between them; cuda/emulated/hopper.cuh is the
// twin. A tile lies in shared memory as the copy engine leaves it with the 128-byte swizzle: lines of 128
// bytes, whose 16-byte chunks change places with the line's number modulo 8.
#pragma once
#include "common.cuh"

typedef unsigned long long u64;

// What the copy engine has to know of a matrix (PTX ISA, tensor-map); made by the host, passed as
// ``const __grid_constant__ TensorMap``.
struct alignas(64) TensorMap { u64 words[16]; };

// Dynamic shared memory of the block, aligned for swizzled tiles.
__device__ __forceinline__ unsigned char* tile_shared() {
  extern __shared__ __align__(1024) unsigned char k2c_tiles[];
  return k2c_tiles;
}

// --- barriers in shared memory (PTX ISA, mbarrier) --------------------------------------------

// A phase is complete after so many arrivals and all bytes that were announced. One thread.
__device__ __forceinline__ void barrier_init(u64* bar, u32 arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(shared_address(bar)),
               "r"(arrivals));
}
// After the last one and before the __syncthreads() that lets others see them.
__device__ __forceinline__ void barrier_init_done() {
  asm volatile("fence.mbarrier_init.release.cluster;\nfence.proxy.async.shared::cta;\n" ::
                   : "memory");
}
__device__ __forceinline__ void barrier_arrive(u64* bar) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(shared_address(bar)) : "memory");
}
// One arrival, and so many bytes are on their way.
__device__ __forceinline__ void barrier_expect(u64* bar, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n" ::"r"(
                   shared_address(bar)),
               "r"(bytes)
               : "memory");
}
__device__ __forceinline__ bool barrier_try(u64* bar, u32 parity) {
  u32 done;
  asm volatile(
      "{\n.reg .pred done;\nmbarrier.try_wait.parity.shared::cta.b64 done, [%1], %2;\n"
      "selp.u32 %0, 1, 0, done;\n}\n"
      : "=r"(done)
      : "r"(shared_address(bar)), "r"(parity)
      : "memory");
  return done;
}
__device__ __forceinline__ u32 nanoseconds() {
  u32 now;
  asm volatile("mov.u32 %0, %%globaltimer_lo;\n" : "=r"(now));
  return now;
}
// Until the phase of this parity is complete. After two seconds it is a fault of ours: an error is
// better than a card that hangs. A store to nowhere and not __trap(): with a trap in it the compiler
// no longer gives a warpgroup more registers than the block was launched with (168 of 240 in
// attention, which then spilled 244 bytes and waited for each product).
__device__ __forceinline__ void barrier_wait(u64* bar, u32 parity) {
  if (barrier_try(bar, parity)) return;
  const u32 since = nanoseconds();
  while (!barrier_try(bar, parity))
    if (nanoseconds() - since > 2000000000u)
      asm volatile("st.global.u32 [%0], %1;\n" ::"l"(8ull), "r"(0u) : "memory");
}

// Barriers of some warps of a block, by number (1 ... 15); ``threads`` counts all that come.
__device__ __forceinline__ void named_sync(int id, int threads) {
  asm volatile("bar.sync %0, %1;\n" ::"r"(id), "r"(threads) : "memory");
}
// Counted, but does not wait.
__device__ __forceinline__ void named_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;\n" ::"r"(id), "r"(threads) : "memory");
}

// --- the copy engine (PTX ISA, cp.async.bulk.tensor) ------------------------------------------

__device__ __forceinline__ void tma_prefetch(const TensorMap& map) {
  asm volatile("prefetch.tensormap [%0];\n" ::"l"(&map) : "memory");
}
// The map's box at ``at`` (innermost first) to shared memory; zeros beyond the matrix. Its bytes
// count at ``bar``. One thread.
template <int RANK>
__device__ __forceinline__ void tma_load(void* to, const TensorMap& map, u64* bar,
                                         const int (&at)[RANK]) {
  const u32 address = shared_address(to), barrier = shared_address(bar);
  if constexpr (RANK == 2)
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
        "[%0], [%1, {%3, %4}], [%2];\n" ::"r"(address),
        "l"(&map), "r"(barrier), "r"(at[0]), "r"(at[1])
        : "memory");
  else if constexpr (RANK == 3)
    asm volatile(
        "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes "
        "[%0], [%1, {%3, %4, %5}], [%2];\n" ::"r"(address),
        "l"(&map), "r"(barrier), "r"(at[0]), "r"(at[1]), "r"(at[2])
        : "memory");
  else
    asm volatile(
        "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
        "[%0], [%1, {%3, %4, %5, %6}], [%2];\n" ::"r"(address),
        "l"(&map), "r"(barrier), "r"(at[0]), "r"(at[1]), "r"(at[2]), "r"(at[3])
        : "memory");
  static_assert(RANK >= 2 && RANK <= 4, "axes");
}
// The box from shared memory to ``at``; what lies beyond the matrix is left out. One thread.
template <int RANK>
__device__ __forceinline__ void tma_store(const TensorMap& map, const void* from,
                                          const int (&at)[RANK]) {
  const u32 address = shared_address(from);
  if constexpr (RANK == 2)
    asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];\n" ::
                     "l"(&map), "r"(address), "r"(at[0]), "r"(at[1])
                 : "memory");
  else if constexpr (RANK == 3)
    asm volatile(
        "cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%2, %3, %4}], [%1];\n" ::"l"(
            &map),
        "r"(address), "r"(at[0]), "r"(at[1]), "r"(at[2])
        : "memory");
  else
    asm volatile(
        "cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5}], "
        "[%1];\n" ::"l"(&map),
        "r"(address), "r"(at[0]), "r"(at[1]), "r"(at[2]), "r"(at[3])
        : "memory");
  static_assert(RANK >= 2 && RANK <= 4, "axes");
}
__device__ __forceinline__ void tma_store_commit() {
  asm volatile("cp.async.bulk.commit_group;\n" ::: "memory");
}
// Until at most LEFT of this thread's groups still read shared memory.
template <int LEFT> __device__ __forceinline__ void tma_store_wait_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;\n" ::"n"(LEFT) : "memory");
}
// Until at most LEFT are under way at all.
template <int LEFT> __device__ __forceinline__ void tma_store_wait() {
  asm volatile("cp.async.bulk.wait_group %0;\n" ::"n"(LEFT) : "memory");
}
// Between ordinary stores to shared memory and what the copy engine or wgmma reads of it; by each
// thread that stored, before the barrier.
__device__ __forceinline__ void fence_async_shared() {
  asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory");
}

// --- registers --------------------------------------------------------------------------------

// A whole warpgroup gives registers back, or takes what others gave. R is a multiple of 8.
template <int R> __device__ __forceinline__ void registers_down() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;\n" ::"n"(R));
}
template <int R> __device__ __forceinline__ void registers_up() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;\n" ::"n"(R));
}

// Four 8x8 matrices of 16-bit values to shared memory; the mirror of ldmatrix4.
__device__ __forceinline__ void stmatrix4(void* row, const u32 (&r)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};\n" ::"r"(
                   shared_address(row)),
               "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
               : "memory");
}

// --- matrix products of a warpgroup (PTX ISA, wgmma) ------------------------------------------

// Where a tile lies, for wgmma. Along K: lines of 128 bytes, groups of eight ``stride_bytes``
// apart. Across it: 64 values and eight steps of K are 1024 bytes; the next eight steps lie
// ``stride_bytes`` and the next 64 values ``leading_bytes`` further. A later place: + bytes / 16.
__device__ __forceinline__ u64 tile_address(const void* tile, int leading_bytes,
                                            int stride_bytes) {
  const u64 swizzle128 = 1;
  return u64(shared_address(tile) >> 4 & 0x3fff) | u64(leading_bytes >> 4) << 16 |
         u64(stride_bytes >> 4) << 32 | swizzle128 << 62;
}
// Before the first product, and whenever registers of one were touched by something else.
__device__ __forceinline__ void wgmma_begin() {
  asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory");
}
__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory");
}
// Until at most LEFT of the committed groups are under way.
template <int LEFT> __device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(LEFT) : "memory");
}
// The compiler may not move reads or writes of ``c`` across this.
template <int N> __device__ __forceinline__ void keep(float (&c)[N]) {
#pragma unroll
  for (int i = 0; i < N; i++) asm volatile("" : "+f"(c[i])::"memory");
}

template <class T, int N> struct Warpgroup;
// Accumulators, sixteen at a time.
#define K2C_R0 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define K2C_R1 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define K2C_R2 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define K2C_R3 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define K2C_R4 "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"
#define K2C_R5 "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define K2C_R6 \
  "%96, %97, %98, %99, %100, %101, %102, %103, " \
  "%104, %105, %106, %107, %108, %109, %110, %111"
#define K2C_R7 \
  "%112, %113, %114, %115, %116, %117, %118, %119, " \
  "%120, %121, %122, %123, %124, %125, %126, %127"
#define K2C_4(i) "+f"(c[i]), "+f"(c[i + 1]), "+f"(c[i + 2]), "+f"(c[i + 3])
#define K2C_C(i) K2C_4(i), K2C_4(i + 4), K2C_4(i + 8), K2C_4(i + 12)
#define K2C_R_32 K2C_R0
#define K2C_C_32 K2C_C(0)
#define K2C_R_64 K2C_R0 ", " K2C_R1
#define K2C_C_64 K2C_C(0), K2C_C(16)
#define K2C_R_96 K2C_R0 ", " K2C_R1 ", " K2C_R2
#define K2C_C_96 K2C_C(0), K2C_C(16), K2C_C(32)
#define K2C_R_128 K2C_R0 ", " K2C_R1 ", " K2C_R2 ", " K2C_R3
#define K2C_C_128 K2C_C(0), K2C_C(16), K2C_C(32), K2C_C(48)
#define K2C_R_192 K2C_R0 ", " K2C_R1 ", " K2C_R2 ", " K2C_R3 ", " K2C_R4 ", " K2C_R5
#define K2C_C_192 K2C_C(0), K2C_C(16), K2C_C(32), K2C_C(48), K2C_C(64), K2C_C(80)
#define K2C_R_256 \
  K2C_R0 ", " K2C_R1 ", " K2C_R2 ", " K2C_R3 ", " \
  K2C_R4 ", " K2C_R5 ", " K2C_R6 ", " K2C_R7
#define K2C_C_256 \
  K2C_C(0), K2C_C(16), K2C_C(32), K2C_C(48), \
  K2C_C(64), K2C_C(80), K2C_C(96), K2C_C(112)

// c += a b (c = a b unless ``add``) of 64 x N, with 32 bytes of K; both operands in shared memory
// (two), or the left one in registers (one). A..G are the places of the other operands.
#define K2C_WGMMA16(T, KIND, N, A, B, C, D, E, F, G)                                               \
  template <> struct Warpgroup<T, N> {                                                             \
    template <bool A_K, bool B_K>                                                                  \
    static __device__ __forceinline__ void two(float (&c)[N / 2], u64 a, u64 b, int add) {         \
      asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, " C ", 0;\n"                              \
                   "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." KIND " {" K2C_R_##N "}, "     \
                   A ", " B ", add, 1, 1, " D ", " E ";\n}\n"                                      \
                   : K2C_C_##N                                                                     \
                   : "l"(a), "l"(b), "r"(add), "n"(A_K ? 0 : 1), "n"(B_K ? 0 : 1));                \
    }                                                                                              \
    template <bool B_K>                                                                            \
    static __device__ __forceinline__ void one(float (&c)[N / 2], const u32 (&a)[4], u64 b,        \
                                               int add) {                                          \
      asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, " F ", 0;\n"                              \
                   "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." KIND " {" K2C_R_##N "}, {"    \
                   A ", " B ", " C ", " D "}, " E ", add, 1, 1, " G ";\n}\n"                       \
                   : K2C_C_##N                                                                     \
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add),                 \
                     "n"(B_K ? 0 : 1));                                                            \
    }                                                                                              \
  };
#define K2C_WGMMA8(N, A, B, C)                                                                     \
  template <> struct Warpgroup<__nv_fp8_e4m3, N> {                                                 \
    template <bool A_K, bool B_K>                                                                  \
    static __device__ __forceinline__ void two(float (&c)[N / 2], u64 a, u64 b, int add) {         \
      static_assert(A_K && B_K, "fp8 operands lie along K");                                       \
      asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, " C ", 0;\n"                              \
                   "wgmma.mma_async.sync.aligned.m64n" #N "k32.f32.e4m3.e4m3 {" K2C_R_##N "}, "    \
                   A ", " B ", add, 1, 1;\n}\n"                                                    \
                   : K2C_C_##N                                                                     \
                   : "l"(a), "l"(b), "r"(add));                                                    \
    }                                                                                              \
  };
#define K2C_WGMMA(N, A, B, C, D, E, F, G)                                                          \
  K2C_WGMMA16(__half, "f16.f16", N, A, B, C, D, E, F, G)                                           \
  K2C_WGMMA16(__nv_bfloat16, "bf16.bf16", N, A, B, C, D, E, F, G)                                  \
  K2C_WGMMA8(N, A, B, C)
K2C_WGMMA(32, "%16", "%17", "%18", "%19", "%20", "%21", "%22")
K2C_WGMMA(64, "%32", "%33", "%34", "%35", "%36", "%37", "%38")
K2C_WGMMA(96, "%48", "%49", "%50", "%51", "%52", "%53", "%54")
K2C_WGMMA(128, "%64", "%65", "%66", "%67", "%68", "%69", "%70")
K2C_WGMMA(192, "%96", "%97", "%98", "%99", "%100", "%101", "%102")
K2C_WGMMA(256, "%128", "%129", "%130", "%131", "%132", "%133", "%134")

template <class T, int N, bool A_K, bool B_K>
__device__ __forceinline__ void wgmma(float (&c)[N / 2], u64 a, u64 b, bool add) {
  Warpgroup<T, N>::template two<A_K, B_K>(c, a, b, add);
}
// ``a``: 16 steps of K in registers, laid out as the left operand of mma.m16n8k16 a warp.
template <class T, int N, bool B_K>
__device__ __forceinline__ void wgmma(float (&c)[N / 2], const u32 (&a)[4], u64 b, bool add) {
  Warpgroup<T, N>::template one<B_K>(c, a, b, add);
}
