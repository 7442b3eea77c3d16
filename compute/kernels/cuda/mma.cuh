// Tensor cores: fragments of matrices that lie in shared memory, and where a lane's results belong.
// Written for mma.sync (m16n8k16, m16n8k32 for fp8), which every GPU from sm_80 on has.
#pragma once
#include "common.cuh"

// Rows of COLS elements, an odd number of 16-byte chunks apart: eight rows begin in eight different
// groups of four banks, so neither ldmatrix nor a 16-byte store meets a conflict.
template <class T, int COLS> struct Rows {
  static constexpr int EACH = 16 / sizeof(T);
  static constexpr int CHUNKS = COLS / EACH;
  static constexpr int STRIDE = (CHUNKS | 1) * EACH;
  static_assert(COLS % EACH == 0, "whole chunks");
};

// ROWS x COLS elements from global memory, rows ``stride`` apart, to Rows<T, COLS>; zeros beyond
// ``rows`` and ``columns``. ``from`` and ``stride`` are multiples of 16 bytes. All THREADS take
// part; the copies are asynchronous and committed by the caller.
template <int ROWS, int COLS, int THREADS, class T>
__device__ __forceinline__ void load_rows(T* to, const T* from, i64 stride, int rows, int columns) {
  using R = Rows<T, COLS>;
  // A thread stays in its column, so that one address and one step do; with an address for each
  // copy attention with D = 128 spilled 81 times.
  constexpr int DOWN = THREADS / R::CHUNKS, BUSY = DOWN * R::CHUNKS;
  static_assert(DOWN > 0, "a row at once");
  if (BUSY < THREADS && threadIdx.x >= BUSY) return;
  const int row = threadIdx.x / R::CHUNKS, column = threadIdx.x % R::CHUNKS * R::EACH;
  const int bytes = max(0, min(R::EACH, columns - column)) * (int)sizeof(T);
  const T* source = from + row * stride + column;
#pragma unroll
  for (int i = 0; i < (ROWS + DOWN - 1) / DOWN; i++) {
    if (ROWS % DOWN != 0 && row + i * DOWN >= ROWS) break;
    const bool inside = row + i * DOWN < rows && bytes > 0;
    cp_async16(to + (row + i * DOWN) * R::STRIDE + column, inside ? source : from,
               inside ? bytes : 0);
    source += DOWN * stride;
  }
}

// SHORT_SUMS: what is added up inside of the tensor cores keeps 13 bits of mantissa.
template <class T> struct Mma {
  static constexpr bool SHORT_SUMS = false;
  static __device__ __forceinline__ void add(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    mma16<T>(c, a, b0, b1);
  }
};
template <> struct Mma<__nv_fp8_e4m3> {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ == 890
  static constexpr bool SHORT_SUMS = true;
#else
  static constexpr bool SHORT_SUMS = false;  // sm_90 and sm_100 widen fp8 to fp16 first
#endif
  static __device__ __forceinline__ void add(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    mma32_e4m3(c, a, b0, b1);
  }
};

// Four 8 x 16-byte matrices from rows that are STRIDE apart. ACROSS: the second matrix lies to the
// right of the first, else below it. TRANS: transposed on the way (16-bit values only).
template <int STRIDE, bool ACROSS, bool TRANS, class T>
__device__ __forceinline__ void load_matrices(u32 (&r)[4], const T* tile) {
  constexpr int EACH = 16 / sizeof(T);
  const int lane = threadIdx.x % 32;
  const int row = ACROSS ? lane / 16 * 8 + lane % 8 : lane % 16;
  const int column = (ACROSS ? lane / 8 % 2 : lane / 16) * EACH;
  if constexpr (TRANS)
    ldmatrix4_trans(r, tile + row * STRIDE + column);
  else
    ldmatrix4(r, tile + row * STRIDE + column);
}

// The 16 x 2 EACH operand on the left, at (m, k) of a tile whose rows run along k (K_DENSE) or m.
template <int STRIDE, bool K_DENSE, class T>
__device__ __forceinline__ void load_left(u32 (&r)[4], const T* tile, int m, int k) {
  if constexpr (K_DENSE)
    load_matrices<STRIDE, false, false>(r, tile + m * STRIDE + k);
  else
    load_matrices<STRIDE, true, true>(r, tile + k * STRIDE + m);
}

// Two neighbouring operands on the right, at (k, n) and (k, n + 8): r[0], r[1] and r[2], r[3].
template <int STRIDE, bool K_DENSE, class T>
__device__ __forceinline__ void load_right(u32 (&r)[4], const T* tile, int k, int n) {
  if constexpr (K_DENSE)
    load_matrices<STRIDE, true, false>(r, tile + n * STRIDE + k);
  else
    load_matrices<STRIDE, false, true>(r, tile + k * STRIDE + n);
}

// Two fp32 values as neighbours of T in one register: accumulators become a left operand.
template <class T> __device__ __forceinline__ u32 pack(float low, float high) {
  T two[2] = {from_float<T>(low), from_float<T>(high)};
  u32 word;
  memcpy(&word, two, 4);
  return word;
}

// Two neighbouring results to memory, as one store where both are inside and aligned.
template <class T>
__device__ __forceinline__ void store_pair(T* to, float low, float high, int left, bool even) {
  if (even && left > 1) {
    struct alignas(2 * sizeof(T)) Pair { T v[2]; };
    *reinterpret_cast<Pair*>(to) = Pair{{from_float<T>(low), from_float<T>(high)}};
  } else {
    if (left > 0) to[0] = from_float<T>(low);
    if (left > 1) to[1] = from_float<T>(high);
  }
}
