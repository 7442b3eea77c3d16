// One block's tile of a matrix product: both operands come through a ring of asynchronous copies
// and are multiplied by tensor cores, or in IEEE fp32 by FMA.
#pragma once
#include "mma.cuh"

// BM x BN of the result, BK of the inner axis at a time, STAGES copies under way, WM x WN a warp.
// A_K: rows of a run along the inner axis (else along M); B_K: so do the columns of b.
template <class T_, int BM_, int BN_, int BK_, int WM_, int WN_, int STAGES_, bool A_K_, bool B_K_>
struct Plan {
  using T = T_;
  static constexpr int BM = BM_, BN = BN_, BK = BK_, WM = WM_, WN = WN_, STAGES = STAGES_;
  static constexpr bool A_K = A_K_, B_K = B_K_;
  static constexpr int THREADS = BM / WM * (BN / WN) * 32;
  static constexpr int A_STRIDE = Rows<T, A_K ? BK : BM>::STRIDE;
  static constexpr int B_STRIDE = Rows<T, B_K ? BK : BN>::STRIDE;
  static constexpr int A_SIZE = A_STRIDE * (A_K ? BM : BK), B_SIZE = B_STRIDE * (B_K ? BN : BK);
};

// Results of this thread: fragments of mma.sync.
template <class P, class T = typename P::T> struct Product {
  static constexpr int I = P::WM / 16, J = P::WN / 8, STEP = 32 / sizeof(T);
  float c[I][J][4];

  __device__ __forceinline__ static int warp_m() {
    return threadIdx.x / 32 / (P::BN / P::WN) * P::WM;
  }
  __device__ __forceinline__ static int warp_n() {
    return threadIdx.x / 32 % (P::BN / P::WN) * P::WN;
  }
  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < I; i++)
#pragma unroll
      for (int j = 0; j < J; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) c[i][j][e] = 0.0f;
  }
  __device__ __forceinline__ void add(const T* a, const T* b) {
    if constexpr (Mma<T>::SHORT_SUMS) return add_apart(a, b);
#pragma unroll
    for (int k = 0; k < P::BK; k += STEP) {
      u32 left[I][4], right[J / 2][4];
#pragma unroll
      for (int i = 0; i < I; i++)
        load_left<P::A_STRIDE, P::A_K>(left[i], a, warp_m() + 16 * i, k);
#pragma unroll
      for (int j = 0; j < J / 2; j++)
        load_right<P::B_STRIDE, P::B_K>(right[j], b, k, warp_n() + 16 * j);
#pragma unroll
      for (int i = 0; i < I; i++)
#pragma unroll
        for (int j = 0; j < J; j++)
          Mma<T>::add(c[i][j], left[i], right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]);
    }
  }
  // The same through sums of these BK products alone, which go into fp32: in sums of thousands
  // every step would cut off more.
  __device__ __forceinline__ void add_apart(const T* a, const T* b) {
    constexpr int STEPS = P::BK / STEP;
    u32 left[STEPS][I][4];
#pragma unroll
    for (int s = 0; s < STEPS; s++)
#pragma unroll
      for (int i = 0; i < I; i++)
        load_left<P::A_STRIDE, P::A_K>(left[s][i], a, warp_m() + 16 * i, s * STEP);
#pragma unroll
    for (int j = 0; j < J; j += 2) {
      u32 right[STEPS][4];
#pragma unroll
      for (int s = 0; s < STEPS; s++)
        load_right<P::B_STRIDE, P::B_K>(right[s], b, s * STEP, warp_n() + 8 * j);
#pragma unroll
      for (int i = 0; i < I; i++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
          float part[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll
          for (int s = 0; s < STEPS; s++)
            Mma<T>::add(part, left[s][i], right[s][2 * half], right[s][2 * half + 1]);
#pragma unroll
          for (int e = 0; e < 4; e++) c[i][j + half][e] += part[e];
        }
    }
  }
  // f(row, column, two neighbouring results, how many of them count) for all of this thread's.
  template <class F> __device__ __forceinline__ void each(F f) const {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < I; i++)
#pragma unroll
      for (int half = 0; half < 2; half++)
#pragma unroll
        for (int j = 0; j < J; j++)
          f(warp_m() + 16 * i + 8 * half + lane / 4, warp_n() + 8 * j + lane % 4 * 2,
            c[i][j][2 * half], c[i][j][2 * half + 1], 2);
  }
};

// The same in fp32, fused multiply-adds in the order of k: BM / 16 x BN / 16 results a thread of
// 256. Four steps of k are read at once where k runs along the rows, else four neighbours of m, n.
template <class P> struct Product<P, float> {
  static constexpr int I = P::BM / 16, J = P::BN / 16;
  static_assert(P::THREADS == 256 && I % 4 == 0 && J % 4 == 0, "16 x 16 threads");
  float c[I][J];

  __device__ __forceinline__ static int y() { return threadIdx.x / 64 * 4 + threadIdx.x % 32 / 8; }
  __device__ __forceinline__ static int x() { return threadIdx.x / 32 % 2 * 8 + threadIdx.x % 8; }
  template <bool K> __device__ __forceinline__ static int place(int i, int at) {
    return K ? at + 16 * i : i / 4 * 64 + at * 4 + i % 4;
  }
  template <int N, int STRIDE, bool K>
  __device__ __forceinline__ static void read(float (&v)[N][4], const float* tile, int k, int at) {
#pragma unroll
    for (int i = 0; i < N; i++) {
      const int row = K ? place<true>(i, at) : k + i % 4;
      const int column = K ? k : place<false>(i / 4 * 4, at);
      const Vec<float> got = load16(tile + row * STRIDE + column);
#pragma unroll
      for (int e = 0; e < 4; e++) {
        if (K)
          v[i][e] = got.v[e];
        else
          v[i / 4 * 4 + e][i % 4] = got.v[e];
      }
    }
  }
  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < I; i++)
#pragma unroll
      for (int j = 0; j < J; j++) c[i][j] = 0.0f;
  }
  __device__ __forceinline__ void add(const float* a, const float* b) {
#pragma unroll
    for (int k = 0; k < P::BK; k += 4) {
      float left[I][4], right[J][4];
      read<I, P::A_STRIDE, P::A_K>(left, a, k, y());
      read<J, P::B_STRIDE, P::B_K>(right, b, k, x());
#pragma unroll
      for (int e = 0; e < 4; e++)
#pragma unroll
        for (int i = 0; i < I; i++)
#pragma unroll
          for (int j = 0; j < J; j++) c[i][j] = fmaf(left[i][e], right[j][e], c[i][j]);
    }
  }
  template <class F> __device__ __forceinline__ void each(F f) const {
#pragma unroll
    for (int i = 0; i < I; i++)
#pragma unroll
      for (int j = 0; j < J; j += 2) {
        const int row = place<P::A_K>(i, y()), column = place<P::B_K>(j, x());
        if (P::B_K) {
          f(row, column, c[i][j], 0.0f, 1);
          f(row, place<P::B_K>(j + 1, x()), c[i][j + 1], 0.0f, 1);
        } else {
          f(row, column, c[i][j], c[i][j + 1], 2);
        }
      }
  }
};

// Adds rows x k times k x columns to ``sum``. ``a`` and ``b`` point at this tile's first row and
// column; ``a_stride`` and ``b_stride`` are the distances along the axis that is not dense.
template <class P, class T = typename P::T>
__device__ __forceinline__ void multiply(Product<P>& sum, const T* a, i64 a_stride, int rows,
                                         const T* b, i64 b_stride, int columns, int k) {
  T* ring_a = reinterpret_cast<T*>(dynamic_shared());
  T* ring_b = ring_a + P::STAGES * P::A_SIZE;
  const int steps = (k + P::BK - 1) / P::BK;
  auto fetch = [&](int step) {
    if (step < steps) {
      const int at = step * P::BK, stage = step % P::STAGES;
      T* to_a = ring_a + stage * P::A_SIZE;
      T* to_b = ring_b + stage * P::B_SIZE;
      if constexpr (P::A_K)
        load_rows<P::BM, P::BK, P::THREADS>(to_a, a + at, a_stride, rows, k - at);
      else
        load_rows<P::BK, P::BM, P::THREADS>(to_a, a + at * a_stride, a_stride, k - at, rows);
      if constexpr (P::B_K)
        load_rows<P::BN, P::BK, P::THREADS>(to_b, b + at, b_stride, columns, k - at);
      else
        load_rows<P::BK, P::BN, P::THREADS>(to_b, b + at * b_stride, b_stride, k - at, columns);
    }
    cp_async_commit();  // empty groups too: the count that is waited for stays the same
  };
#pragma unroll
  for (int step = 0; step < P::STAGES - 1; step++) fetch(step);
  for (int step = 0; step < steps; step++) {
    cp_async_wait<P::STAGES - 2>();
    __syncthreads();  // this stage is there, and nobody reads the one that is filled next
    fetch(step + P::STAGES - 1);
    const int stage = step % P::STAGES;
    sum.add(ring_a + stage * P::A_SIZE, ring_b + stage * P::B_SIZE);
  }
  cp_async_wait<0>();
}

// Where tile ``index`` lies when eight rows of tiles are walked together, column by column: the
// blocks that run at one time then share operands in L2. In 32 bits, which hold every grid: a
// 64-bit division is a call of 80 instructions.
__device__ __forceinline__ void walk(u32 index, u32 tiles_m, u32 tiles_n, int& m, int& n) {
  constexpr u32 TOGETHER = 8;
  const u32 band = index / (TOGETHER * tiles_n);
  const u32 high = min(TOGETHER, tiles_m - band * TOGETHER);
  const u32 within = index - band * TOGETHER * tiles_n;
  m = int(band * TOGETHER + within % high);
  n = int(within / high);
}
