// A matrix product as Hopper wants it (sm_90a): the copy engine fills a ring of tiles, warpgroups
// multiply them where they lie, and what one wrote last is stored while the next tile is loaded.
// One warpgroup of a block only asks for copies; the others hold 64 rows of the result each.
// At 128 x 256 a stage costs the tensor cores 1024 cycles and L2 48 KiB: 48 bytes a cycle, where
// A100's 5120 a cycle would be 39 for each of 132 multiprocessors (H100's figure is not published).
// Two blocks of a cluster that share b by multicast would ask for 32, but wait for each other.
#pragma once
#include <hopper.cuh>

#include "tile.cuh"

// BM x BN of the result; 128 bytes of the inner axis at a time, which is one line of the swizzle;
// STAGES of the ring. A_K, B_K: the operand's lines run along the inner axis.
template <class T_, int BM_, int BN_, int STAGES_, bool A_K_, bool B_K_> struct RingPlan {
  using T = T_;
  static constexpr int BM = BM_, BN = BN_, BK = 128 / sizeof(T), STAGES = STAGES_;
  static constexpr bool A_K = A_K_, B_K = B_K_;
  static constexpr int GROUPS = 2, THREADS = 128 * (GROUPS + 1);  // GROUPS of them multiply
  static_assert(BM == 64 * GROUPS, "64 rows for each that multiplies");
  // 65536 registers: 168 each at first, then 40 for who copies and 232 for who multiplies, of
  // which the results take BN / 2.
  static constexpr int FEW = 40, MANY = 232;
  static constexpr int A_BYTES = BM * 128, B_BYTES = BN * 128;
  static constexpr int OUT_BYTES = 16 * 128;  // 16 rows x 64 results of a warp
  static constexpr int BARRIERS = STAGES * (A_BYTES + B_BYTES) + GROUPS * 4 * 2 * OUT_BYTES;
  static constexpr int SHARED_BYTES = BARRIERS + 2 * STAGES * 8;
};

// The stages in shared memory, and this thread's place among them. ``full``: the copies of a stage
// have arrived; ``empty``: every warp that multiplies is done with it.
template <class P> struct Ring {
  unsigned char *a, *b;
  u64 *full, *empty;
  int stage = 0;
  u32 parity = 0;

  __device__ __forceinline__ explicit Ring(unsigned char* shared)
      : a(shared), b(shared + P::STAGES * P::A_BYTES),
        full(reinterpret_cast<u64*>(shared + P::BARRIERS)), empty(full + P::STAGES) {}
  // By every thread of the block, before anything else.
  __device__ __forceinline__ void begin() {
    if (threadIdx.x == 0) {
      for (int i = 0; i < P::STAGES; i++) {
        barrier_init(full + i, 1);
        barrier_init(empty + i, P::GROUPS * 4);
      }
      barrier_init_done();
    }
    __syncthreads();
  }
  __device__ __forceinline__ void next() {
    if (++stage == P::STAGES) {
      stage = 0;
      parity ^= 1;
    }
  }
};

// Asks for the tiles of ``steps`` along the inner axis at (row, column), of b in the matrix
// ``group`` where it has several. One thread.
template <bool GROUPED, class P>
__device__ __forceinline__ void fetch_tiles(Ring<P>& ring, const TensorMap& a, const TensorMap& b,
                                            int row, int column, int steps, int group = 0) {
  for (int step = 0; step < steps; step++) {
    const int k = step * P::BK;
    u64* full = ring.full + ring.stage;
    barrier_wait(ring.empty + ring.stage, ring.parity ^ 1);  // at once in the first round
    barrier_expect(full, P::A_BYTES + P::B_BYTES);
    unsigned char* to = ring.a + ring.stage * P::A_BYTES;
    if constexpr (P::A_K)
      tma_load<2>(to, a, full, {k, row});
    else
#pragma unroll
      for (int i = 0; i < P::BM; i += 64) tma_load<2>(to + i * 128, a, full, {row + i, k});
    to = ring.b + ring.stage * P::B_BYTES;
#pragma unroll
    for (int i = 0; i < P::BN; i += P::B_K ? P::BN : 64) {
      const int x = P::B_K ? k : column + i, y = P::B_K ? column : k;
      if constexpr (GROUPED)
        tma_load<3>(to + i * 128, b, full, {x, y, group});
      else
        tma_load<2>(to + i * 128, b, full, {x, y});
    }
    ring.next();
  }
}

// c = the product of ``steps`` stages for this warpgroup's rows. The four wgmma of a stage begin
// before those of the one before are done, so the tensor cores never wait for the 70 instructions
// that a warp issues between: two warps a scheduler, 146 of 1024 slots at 128 x 256.
template <class P>
__device__ __forceinline__ void multiply_tiles(Ring<P>& ring, float (&c)[P::BN / 2],
                                               int steps) {
  const int group = threadIdx.x / 128 - 1;
  const u64 first_a = tile_address(ring.a + group * 64 * 128, P::BK * 128, 1024);
  const u64 first_b = tile_address(ring.b, P::BK * 128, 1024);
  const bool speaks = threadIdx.x % 32 == 0;
  u64* last = nullptr;
  // Zeros, where the first product could do without: unless sums have a value on the way into the
  // loop, ptxas 12.8 runs the products one by one (C7515).
#pragma unroll
  for (int i = 0; i < P::BN / 2; i++) c[i] = 0.f;
  for (int step = 0; step < steps; step++) {
    const u64 a = first_a + ring.stage * (P::A_BYTES / 16);
    const u64 b = first_b + ring.stage * (P::B_BYTES / 16);
    barrier_wait(ring.full + ring.stage, ring.parity);
    keep(c);
    wgmma_begin();
#pragma unroll
    for (int i = 0; i < 4; i++)
      wgmma<typename P::T, P::BN, P::A_K, P::B_K>(c, a + i * (P::A_K ? 32 : 2048) / 16,
                                                  b + i * (P::B_K ? 32 : 2048) / 16,
                                                  true);
    wgmma_commit();
    wgmma_wait<1>();
    if (step > 0 && speaks) barrier_arrive(last);
    last = ring.empty + ring.stage;
    ring.next();
  }
  wgmma_wait<0>();
  keep(c);
  if (speaks) barrier_arrive(last);
}

// The part of a warpgroup whose rows are none: it gives back every stage as it comes.
template <class P> __device__ __forceinline__ void pass_tiles(Ring<P>& ring, int steps) {
  for (int step = 0; step < steps; step++) {
    barrier_wait(ring.full + ring.stage, ring.parity);
    __syncwarp();
    if (threadIdx.x % 32 == 0) barrier_arrive(ring.empty + ring.stage);
    ring.next();
  }
}

// The same for fp8, whose sums inside of the tensor cores keep some 14 bits: after the 128 products
// of a stage they go into fp32. While one warpgroup adds BN / 2 numbers the other one multiplies.
template <class P>
__device__ __forceinline__ void multiply_exactly(Ring<P>& ring, float (&sum)[P::BN / 2],
                                                 int steps) {
  const int group = threadIdx.x / 128 - 1;
  const u64 first_a = tile_address(ring.a + group * 64 * 128, P::BK * 128, 1024);
  const u64 first_b = tile_address(ring.b, P::BK * 128, 1024);
#pragma unroll
  for (int i = 0; i < P::BN / 2; i++) sum[i] = 0.0f;
  float c[P::BN / 2];
  for (int step = 0; step < steps; step++) {
    const u64 a = first_a + ring.stage * (P::A_BYTES / 16);
    const u64 b = first_b + ring.stage * (P::B_BYTES / 16);
    barrier_wait(ring.full + ring.stage, ring.parity);
    keep(c);
    wgmma_begin();
#pragma unroll
    for (int i = 0; i < 4; i++)
      wgmma<typename P::T, P::BN, true, true>(c, a + 2 * i, b + 2 * i, i > 0);
    wgmma_commit();
    wgmma_wait<0>();
    keep(c);
    if (threadIdx.x % 32 == 0) barrier_arrive(ring.empty + ring.stage);
#pragma unroll
    for (int i = 0; i < P::BN / 2; i++) sum[i] += c[i];
    ring.next();
  }
}

// This warp's 16 rows of the result to ``to``, whose boxes are 16 x 64: through its own two pieces
// of shared memory, so that no warp waits for another. The stores are under way at the end;
// ``turn`` counts them, for with an odd number a tile the next one begins with the other piece.
template <class P, class Out>
__device__ __forceinline__ void store_by_copies(const float (&c)[P::BN / 2], const TensorMap& to,
                                                unsigned char* shared, u32& turn, int row,
                                                int column, int m, int n) {
  const int warp = threadIdx.x / 32 - 4, lane = threadIdx.x % 32;
  unsigned char* held = shared + P::STAGES * (P::A_BYTES + P::B_BYTES) + warp * 2 * P::OUT_BYTES;
  row += warp * 16;
#pragma unroll
  for (int part = 0; part < P::BN / 64; part++) {
    if (row >= m || column + part * 64 >= n) break;
    unsigned char* piece = held + (turn++ & 1) * P::OUT_BYTES;
    if (lane == 0) tma_store_wait_read<1>();
    __syncwarp();
#pragma unroll
    for (int j = 0; j < 8; j += 2) {
      const float* from = c + (part * 8 + j) * 4;
      const u32 words[4] = {pack<Out>(from[0], from[1]), pack<Out>(from[2], from[3]),
                            pack<Out>(from[4], from[5]), pack<Out>(from[6], from[7])};
      stmatrix4(piece + lane % 16 * 128 + (((j + lane / 16) ^ lane % 8) * 16), words);
    }
    fence_async_shared();
    __syncwarp();
    if (lane == 0) {
      tma_store<2>(to, piece, {column + part * 64, row});
      tma_store_commit();
    }
  }
}

// f(row, column, two neighbours) for this thread's results of a tile.
template <class P, class F>
__device__ __forceinline__ void each_pair(const float (&c)[P::BN / 2], F f) {
  const int row = (threadIdx.x / 32 - 4) * 16 + threadIdx.x % 32 / 4;
#pragma unroll
  for (int half = 0; half < 2; half++)
#pragma unroll
    for (int j = 0; j < P::BN / 8; j++)
      f(row + 8 * half, 8 * j + threadIdx.x % 4 * 2, c[4 * j + 2 * half], c[4 * j + 2 * half + 1]);
}
