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

// 16 bytes of T: the widest load a thread can make.
template <class T> struct alignas(16) Vec {
  static constexpr int N = 16 / sizeof(T);
  T v[N];
};

template <class T> __device__ __forceinline__ Vec<T> load16(const T* p) {
  return *reinterpret_cast<const Vec<T>*>(p);
}
template <class T> __device__ __forceinline__ void store16(T* p, const Vec<T>& v) {
  *reinterpret_cast<Vec<T>*>(p) = v;
}

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
