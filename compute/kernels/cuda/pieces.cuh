// Element by element: a block takes one piece of one row, EACH vectors a thread, all loaded before
// the first is used. Rows may lie apart in the inputs and lie together in the result.
#pragma once
#include "common.cuh"

// ``in`` holds pointers to the first element of the first row, ``apart`` the elements between rows.
template <class T, int W, int THREADS, int EACH, int INPUTS, class Make>
__device__ __forceinline__ void make_piece(const T* const (&in)[INPUTS], const i64 (&apart)[INPUTS],
                                           T* out, i64 columns, u32 pieces, Make make) {
  const i64 row = blockIdx.x / pieces;
  const i64 vectors = columns / W;
  const i64 first = (i64)(blockIdx.x % pieces) * (THREADS * EACH) + threadIdx.x;
  const T* from[INPUTS];
#pragma unroll
  for (int k = 0; k < INPUTS; k++) from[k] = in[k] + row * apart[k];
  T* to = out + row * columns;
  Vec<T, W> got[INPUTS][EACH];
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    const i64 place = first + i * THREADS;
#pragma unroll
    for (int k = 0; k < INPUTS; k++)
      if (place < vectors) got[k][i] = load<W>(from[k] + place * W);
  }
  T one[INPUTS];
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    const i64 place = first + i * THREADS;
    Vec<T, W> made;
#pragma unroll
    for (int j = 0; j < W; j++) {
#pragma unroll
      for (int k = 0; k < INPUTS; k++) one[k] = got[k][i].v[j];
      made.v[j] = make(one);
    }
    if (place < vectors) store<W>(to + place * W, made);
  }
  // What is left of a single row that is not whole vectors.
  const i64 rest = vectors * W + threadIdx.x;
  if (W > 1 && blockIdx.x == 0 && rest < columns) {
#pragma unroll
    for (int k = 0; k < INPUTS; k++) one[k] = from[k][rest];
    to[rest] = make(one);
  }
}
