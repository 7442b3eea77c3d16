// Decode attention over a paged KV cache: one query token a sequence, its tokens split over blocks
// and over the four warps of a block; each part has its own maximum and sum until they are joined.
#pragma once
#include "flash.cuh"

// Which part of which sequence and heads a block works on.
struct PagedPart {
  int batch, head, first, heads, begin, end, part;
  template <int ROWS>
  static __device__ __forceinline__ PagedPart of(const int* lengths, int kv_heads, int group,
                                                 int step) {
    PagedPart p;
    const int tiles = (group + ROWS - 1) / ROWS, place = blockIdx.x / tiles;
    p.batch = place / kv_heads;
    p.head = place % kv_heads;
    p.first = blockIdx.x % tiles * ROWS;
    p.heads = min(ROWS, group - p.first);
    p.part = blockIdx.y;
    // Whole steps a part, by this sequence's own length: short sequences are spread as evenly.
    const int length = lengths[p.batch];
    const int each = ((length + gridDim.y - 1) / (int)gridDim.y + step - 1) / step * step;
    p.begin = min(length, p.part * each);
    p.end = min(length, p.begin + each);
    return p;
  }
};

// Joins the WARPS partial results of a block, then writes the result, or this part's share of it.
// ``sums`` [WARPS][ROWS][D] and ``stats`` [WARPS][ROWS][2] (maximum, sum) lie in shared memory.
template <class T, int WARPS, int ROWS, int D>
__device__ __forceinline__ void join_warps(const float* sums, const float* stats, T* out,
                                           float* parts, float* part_stats, i64 row, int heads,
                                           int size) {
  for (int at = threadIdx.x; at < heads * size; at += 32 * WARPS) {
    const int r = at / size, d = at % size;
    float most = minus_infinity(), total = 0.0f, sum = 0.0f;
#pragma unroll
    for (int w = 0; w < WARPS; w++) most = fmaxf(most, stats[(w * ROWS + r) * 2]);
    const float base = most == minus_infinity() ? 0.0f : most;
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
      const float factor = fast_exp2(stats[(w * ROWS + r) * 2] - base);
      total += factor * stats[(w * ROWS + r) * 2 + 1];
      sum += factor * sums[(w * ROWS + r) * D + d];
    }
    const i64 line = (row + r) * gridDim.y + blockIdx.y;
    if (gridDim.y == 1) {
      out[(row + r) * size + d] = from_float<T>(total == 0.0f ? 0.0f : sum / total);
    } else {
      parts[line * size + d] = sum;
      if (d == 0) {
        part_stats[line * 2] = most;
        part_stats[line * 2 + 1] = total;
      }
    }
  }
}

// 16-bit values: the heads of a group are the 16 rows of mma.sync, a warp takes 16 tokens at a time
// through a ring of its own, so that nothing in the loop waits for another warp.
template <class T, int D, int STAGES>
__global__ void __launch_bounds__(128)
paged(const T* __restrict__ q, const T* __restrict__ keys, const T* __restrict__ values,
      const int* __restrict__ tables, const int* __restrict__ lengths, T* __restrict__ out,
      float* __restrict__ parts, float* __restrict__ part_stats, i64 q_batch, i64 q_head,
      i64 k_block, i64 k_slot, i64 k_head, i64 v_block, i64 v_slot, i64 v_head, i64 table_row,
      int block, int kv_heads, int group, int dense, int size, float scale) {
  constexpr int WARPS = 4, STEP = 16, STRIDE = Rows<T, D>::STRIDE, TILE = STEP * STRIDE;
  constexpr int CHUNKS = Rows<T, D>::CHUNKS, EACH = 16 / sizeof(T);
  const PagedPart p = PagedPart::of<16>(lengths, kv_heads, group, WARPS * STEP);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  T* held_q = reinterpret_cast<T*>(dynamic_shared());
  T* ring = held_q + TILE + warp * STAGES * 2 * TILE;
  const int* table = tables + p.batch * table_row;
  keys += p.head * k_head;
  values += p.head * v_head;
  auto fetch = [&](int step) {
    const int at = p.begin + (step * WARPS + warp) * STEP;
    if (at < p.end) {
      T* to = ring + step % STAGES * 2 * TILE;
#pragma unroll
      for (int i = 0; i < (STEP * CHUNKS + 31) / 32; i++) {
        const int chunk = i * 32 + lane, row = chunk / CHUNKS, column = chunk % CHUNKS * EACH;
        if (STEP * CHUNKS % 32 != 0 && chunk >= STEP * CHUNKS) break;
        const int token = at + row;
        const bool live = token < p.end && column < dense;  // dead slots may hold NaN
        const i64 page = live ? table[token / block] : 0, slot = token % block;
        const int bytes = live ? min(EACH, dense - column) * (int)sizeof(T) : 0;
        cp_async16(to + row * STRIDE + column,
                   live ? keys + page * k_block + slot * k_slot + column : keys, bytes);
        cp_async16(to + TILE + row * STRIDE + column,
                   live ? values + page * v_block + slot * v_slot + column : values, bytes);
      }
    }
    cp_async_commit();
  };
  load_rows<16, D, 128>(held_q, q + p.batch * q_batch + (i64)(p.head * group + p.first) * q_head,
                        q_head, p.heads, dense);
  cp_async_commit();
  for (int step = 0; step < STAGES - 1; step++) fetch(step);
  cp_async_wait<STAGES - 1>();
  __syncthreads();  // the queries are there
  FlashRows<T, D, STEP> rows[1];
  rows[0].clear();
  const int steps = (p.end - p.begin + WARPS * STEP - 1) / (WARPS * STEP);
  for (int step = 0; step < steps; step++) {
    fetch(step + STAGES - 1);
    cp_async_wait<STAGES - 1>();
    __syncwarp();
    const int at = p.begin + (step * WARPS + warp) * STEP;
    if (at < p.end) {
      const T* held = ring + step % STAGES * 2 * TILE;
      float logits[1][STEP / 8][4];
      logits_of<T, D, STEP>(logits, held_q, held);
#pragma unroll
      for (int j = 0; j < STEP / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
          if (at + 8 * j + lane % 4 * 2 + e % 2 >= p.end) logits[0][j][e] = minus_infinity();
      rows[0].soften(logits[0], scale);
      add_values<T, D, STEP>(rows, logits, held + TILE);
    }
    __syncwarp();  // this stage is read before it is filled again
  }
  cp_async_wait<0>();
  __syncthreads();  // the rings become room for the partial results
  float* sums = reinterpret_cast<float*>(dynamic_shared());
  float* stats = sums + WARPS * 16 * D;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int r = warp * 16 + lane / 4 + 8 * half;
    const float total = quad_reduce(rows[0].total[half], Sum());
    if (lane % 4 == 0) {
      stats[2 * r] = rows[0].most[half] * scale;
      stats[2 * r + 1] = total;
    }
#pragma unroll
    for (int j = 0; j < D / 8; j++) {
      sums[r * D + 8 * j + lane % 4 * 2] = rows[0].out[j][2 * half];
      sums[r * D + 8 * j + lane % 4 * 2 + 1] = rows[0].out[j][2 * half + 1];
    }
  }
  __syncthreads();
  const i64 row = (i64)(p.batch * kv_heads + p.head) * group + p.first;
  join_warps<T, WARPS, 16, D>(sums, stats, out, parts, part_stats, row, p.heads, size);
}

// fp32: a warp takes a token at a time, a lane four columns of every 128; eight heads at once.
template <int D>
__global__ void __launch_bounds__(128)
paged_fp32(const float* __restrict__ q, const float* __restrict__ keys,
           const float* __restrict__ values, const int* __restrict__ tables,
           const int* __restrict__ lengths, float* __restrict__ out, float* __restrict__ parts,
           float* __restrict__ part_stats, i64 q_batch, i64 q_head, i64 k_block, i64 k_slot,
           i64 k_head, i64 v_block, i64 v_slot, i64 v_head, i64 table_row, int block, int kv_heads,
           int group, int dense, int size, float scale) {
  constexpr int WARPS = 4, ROWS = 8, C = D / 128;
  const PagedPart p = PagedPart::of<ROWS>(lengths, kv_heads, group, WARPS);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int* table = tables + p.batch * table_row;
  Vec<float> query[ROWS][C], sum[ROWS][C];
  float most[ROWS], total[ROWS];
  const Vec<float> zero = {{0.0f, 0.0f, 0.0f, 0.0f}};
  q += p.batch * q_batch + (i64)(p.head * group + p.first) * q_head;
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    most[r] = minus_infinity();
    total[r] = 0.0f;
#pragma unroll
    for (int c = 0; c < C; c++) {
      const int column = 128 * c + 4 * lane;
      query[r][c] = r < p.heads && column < dense ? load16(q + r * q_head + column) : zero;
      sum[r][c] = zero;
    }
  }
  for (int token = p.begin + warp; token < p.end; token += WARPS) {
    const i64 page = table[token / block], slot = token % block;
    const float* k_at = keys + page * k_block + slot * k_slot + p.head * k_head;
    const float* v_at = values + page * v_block + slot * v_slot + p.head * v_head;
    Vec<float> key[C], value[C];
#pragma unroll
    for (int c = 0; c < C; c++) {
      const int column = 128 * c + 4 * lane;
      key[c] = column < dense ? load16(k_at + column) : zero;
      value[c] = column < dense ? load16(v_at + column) : zero;
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      if (r >= p.heads) break;
      float logit = 0.0f;
#pragma unroll
      for (int c = 0; c < C; c++)
#pragma unroll
        for (int e = 0; e < 4; e++) logit = fmaf(query[r][c].v[e], key[c].v[e], logit);
      logit = warp_reduce(logit, Sum());
      const float high = fmaxf(most[r], logit);
      const float base = high == minus_infinity() ? 0.0f : high;
      const float keep = exp2f((most[r] - base) * scale), weight = exp2f((logit - base) * scale);
      most[r] = high;
      total[r] = total[r] * keep + weight;
#pragma unroll
      for (int c = 0; c < C; c++)
#pragma unroll
        for (int e = 0; e < 4; e++)
          sum[r][c].v[e] = fmaf(weight, value[c].v[e], sum[r][c].v[e] * keep);
    }
  }
  float* sums = reinterpret_cast<float*>(dynamic_shared());
  float* stats = sums + WARPS * ROWS * D;
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    if (lane == 0) {
      stats[(warp * ROWS + r) * 2] = most[r] * scale;
      stats[(warp * ROWS + r) * 2 + 1] = total[r];
    }
#pragma unroll
    for (int c = 0; c < C; c++)
      store16(sums + (warp * ROWS + r) * D + 128 * c + 4 * lane, sum[r][c]);
  }
  __syncthreads();
  const i64 row = (i64)(p.batch * kv_heads + p.head) * group + p.first;
  join_warps<float, WARPS, ROWS, D>(sums, stats, out, parts, part_stats, row, p.heads, size);
}

// One block a query head: the parts of a split sequence become one result.
template <class T>
__global__ void __launch_bounds__(128)
join_parts(const float* __restrict__ parts, const float* __restrict__ stats, T* __restrict__ out,
           int count, int size) {
  const i64 row = blockIdx.x;
  stats += row * count * 2;
  parts += row * count * size;
  float most = minus_infinity();
  for (int i = 0; i < count; i++) most = fmaxf(most, stats[2 * i]);
  const float base = most == minus_infinity() ? 0.0f : most;
  for (int d = threadIdx.x; d < size; d += 128) {
    float total = 0.0f, sum = 0.0f;
    for (int i = 0; i < count; i++) {
      const float factor = fast_exp2(stats[2 * i] - base);
      total += factor * stats[2 * i + 1];
      sum += factor * parts[(i64)i * size + d];
    }
    out[row * size + d] = from_float<T>(total == 0.0f ? 0.0f : sum / total);
  }
}
