// A row a block: HELD vectors a thread stay in registers from the first pass over the row to the
// last. With LONG the row may be longer than that, and what lies behind is read again in each pass.
#pragma once
#include "common.cuh"

// V is a Vec of W elements, or a struct of several where an operator reads several matrices.
template <class V, int W, int THREADS, int HELD, bool LONG> struct Row {
  // Loads under way together of what lies behind; with three, bf16 rows spill on sm_90.
  static constexpr int AT_ONCE = sizeof(V) > 16 ? 1 : 2;
  V held[HELD];
  int vectors;

  // read(at) gives the vector that begins at element ``at``. All loads stand before the first use:
  // a use between them would make each wait for the one before.
  template <class Read> __device__ __forceinline__ Row(int columns, Read read) {
    vectors = columns / W;
#pragma unroll
    for (int i = 0; i < HELD; i++) {
      const int place = i * THREADS + threadIdx.x;
      if (place < vectors) held[i] = read(place * W);
    }
  }

  // use(vector, at) for every vector of this thread, first what is held.
  template <class Read, class Use> __device__ __forceinline__ void each(Read read, Use use) {
    each_held(use);
    if constexpr (LONG)
      for (int from = HELD * THREADS; from < vectors; from += AT_ONCE * THREADS)
        behind(from, read, use);
  }

  // The same for the last pass, from the end of the row: L2 still has what was read last.
  template <class Read, class Use> __device__ __forceinline__ void each_back(Read read, Use use) {
    if constexpr (LONG) {
      constexpr int STEP = AT_ONCE * THREADS;
      const int steps = (vectors - HELD * THREADS + STEP - 1) / STEP;
      for (int i = steps - 1; i >= 0; i--) behind(HELD * THREADS + i * STEP, read, use);
    }
    each_held(use);
  }

 private:
  // Without forgetting, bf16 rows keep their floats too: 48 registers where 32 do, and spills.
  template <class Use> __device__ __forceinline__ void each_held(Use use) {
    if constexpr (sizeof(V) % 16 == 0)
#pragma unroll
      for (int i = 0; i < HELD * (int)sizeof(V) / 4; i++) forget(reinterpret_cast<u32*>(held)[i]);
#pragma unroll
    for (int i = 0; i < HELD; i++) {
      const int place = i * THREADS + threadIdx.x;
      if (place < vectors) use(held[i], place * W);
    }
  }

  template <class Read, class Use>
  __device__ __forceinline__ void behind(int from, Read read, Use use) {
    V got[AT_ONCE];
#pragma unroll
    for (int i = 0; i < AT_ONCE; i++) {
      const int place = from + i * THREADS + threadIdx.x;
      if (place < vectors) got[i] = read(place * W);
    }
#pragma unroll
    for (int i = 0; i < AT_ONCE; i++) {
      const int place = from + i * THREADS + threadIdx.x;
      if (place < vectors) use(got[i], place * W);
    }
  }
};
