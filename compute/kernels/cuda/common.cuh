// What every CUDA kernel here shares: 16-byte vectors, conversions, reductions over a block.
#pragma once
#include <machine.cuh>

__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ float to_float(__half v) { return __half2float(v); }
__device__ __forceinline__ float to_float(__nv_bfloat16 v) { return __bfloat162float(v); }

template <class T> __device__ __forceinline__ T from_float(float v);
template <> __device__ __forceinline__ float from_float<float>(float v) { return v; }
template <> __device__ __forceinline__ __half from_float<__half>(float v) {
  return __float2half_rn(v);
}
template <> __device__ __forceinline__ __nv_bfloat16 from_float<__nv_bfloat16>(float v) {
  return __float2bfloat16_rn(v);
}

// W neighbours of T in one load: 16 bytes, the widest one, unless said otherwise. With W = 1 the
// same code takes rows that begin anywhere.
template <class T, int W = 16 / sizeof(T)> struct alignas(W * sizeof(T)) Vec {
  static constexpr int N = W;
  T v[N];
};
template <int W, class T> __device__ __forceinline__ Vec<T, W> load(const T* p) {
  return *reinterpret_cast<const Vec<T, W>*>(p);
}
template <int W, class T> __device__ __forceinline__ void store(T* p, const Vec<T, W>& v) {
  *reinterpret_cast<Vec<T, W>*>(p) = v;
}

template <class T> __device__ __forceinline__ Vec<T> load16(const T* p) {
  return *reinterpret_cast<const Vec<T>*>(p);
}
template <class T> __device__ __forceinline__ void store16(T* p, const Vec<T>& v) {
  *reinterpret_cast<Vec<T>*>(p) = v;
}

constexpr float LOWEST = -3.402823466e38f;  // finite, so that -inf - LOWEST is -inf and not NaN
constexpr float LOG2E = 1.4426950408889634f;
// e^x to about 1e-7 times max(2, |x|): one product and ex2.
__device__ __forceinline__ float fast_exp(float x) { return fast_exp2(x * LOG2E); }

struct Sum {
  static __device__ __forceinline__ float zero() { return 0.0f; }
  __device__ __forceinline__ float operator()(float a, float b) const { return a + b; }
};
// Keeps a NaN, which fmaxf drops.
struct Max {
  static __device__ __forceinline__ float zero() { return __int_as_float(0xff800000); }
  __device__ __forceinline__ float operator()(float a, float b) const {
    return (a > b || a != a) ? a : b;
  }
};

// Of values that are not negative; keeps a NaN, whose bits stand above infinity's.
struct MaxSize {
  static __device__ __forceinline__ float zero() { return 0.0f; }
  __device__ __forceinline__ float operator()(float a, float b) const {
    return __uint_as_float(max(__float_as_uint(a), __float_as_uint(b)));
  }
};

template <class Op> __device__ __forceinline__ float warp_reduce(float v, Op op) {
#pragma unroll
  for (int step = 16; step > 0; step >>= 1) v = op(v, __shfl_xor_sync(0xffffffffu, v, step));
  return v;
}

// Every thread of the block gets the result. THREADS is a multiple of 32; shared holds one float
// a warp, and may be used again after the call.
template <int THREADS, class Op>
__device__ __forceinline__ float block_reduce(float v, float* shared, Op op) {
  constexpr int WARPS = THREADS / 32;
  v = warp_reduce(v, op);
  if (WARPS == 1) return v;
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = v;
  __syncthreads();
  v = threadIdx.x % 32 < WARPS ? shared[threadIdx.x % 32] : Op::zero();
  v = warp_reduce(v, op);
  __syncthreads();
  return v;
}

// The softmax of values seen so far: their maximum and the sum of e^(value - maximum). It starts at
// a finite maximum, so that -inf adds 0; only -inf leaves the sum 0; a NaN stays in the sum.
struct Online {
  float top = LOWEST, sum = 0.0f;
  template <class T, int W> __device__ __forceinline__ void add(const Vec<T, W>& got) {
    float most = top, part = 0.0f;
#pragma unroll
    for (int j = 0; j < W; j++) most = fmaxf(most, to_float(got.v[j]));
#pragma unroll
    for (int j = 0; j < W; j++) part += fast_exp(to_float(got.v[j]) - most);
    sum = sum * fast_exp(top - most) + part;
    top = most;
  }
  __device__ __forceinline__ void join(float other_top, float other_sum) {
    const float most = fmaxf(top, other_top);
    sum = sum * fast_exp(top - most) + other_sum * fast_exp(other_top - most);
    top = most;
  }
};

__device__ __forceinline__ void warp_join(Online& o) {
#pragma unroll
  for (int step = 16; step > 0; step >>= 1)
    o.join(__shfl_xor_sync(0xffffffffu, o.top, step), __shfl_xor_sync(0xffffffffu, o.sum, step));
}

// Every thread of the block gets the whole; shared holds two floats a warp. Sum and order are the
// same in every thread.
template <int THREADS>
__device__ __forceinline__ void block_join(Online& o, float* shared) {
  constexpr int WARPS = THREADS / 32;
  warp_join(o);
  if (WARPS == 1) return;
  const int lane = threadIdx.x % 32;
  if (lane == 0) {
    shared[threadIdx.x / 32] = o.top;
    shared[WARPS + threadIdx.x / 32] = o.sum;
  }
  __syncthreads();
  o.top = lane < WARPS ? shared[lane] : LOWEST;
  o.sum = lane < WARPS ? shared[WARPS + lane] : 0.0f;
  warp_join(o);
}
