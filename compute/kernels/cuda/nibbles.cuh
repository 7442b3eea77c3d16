// Weights of 4 bits in registers: 16-bit pairs for mma.sync.
#pragma once
#include "mma.cuh"

// Two nibbles of ``word``, four apart, less 8, as a pair of T: the nibble is set under the exponent
// of 128 (bf16) or 1024 (fp16), where a step of the mantissa is 1, and 136 or 1032 are taken off.
template <class T> struct Nibbles;
template <> struct Nibbles<__nv_bfloat16> {
  using Pair = __nv_bfloat162;
  static constexpr u32 EXPONENT = 0x43004300u, LESS = 0x43084308u;
};
template <> struct Nibbles<__half> {
  using Pair = __half2;
  static constexpr u32 EXPONENT = 0x64006400u, LESS = 0x64086408u;
};
template <class T>
__device__ __forceinline__ u32 weights_of(u32 word, typename Nibbles<T>::Pair s) {
  const u32 raw = (word & 0x000f000fu) | Nibbles<T>::EXPONENT, less = Nibbles<T>::LESS;
  typename Nibbles<T>::Pair a, b;
  memcpy(&a, &raw, 4);
  memcpy(&b, &less, 4);
  a = __hmul2(__hsub2(a, b), s);
  u32 made;
  memcpy(&made, &a, 4);
  return made;
}

// 16 bytes as they are loaded; zeros where ``inside`` is false.
struct alignas(16) Words {
  u32 w[4];
};
__device__ __forceinline__ Words words_of(const void* from, bool inside) {
  const Words none = {{0, 0, 0, 0}};
  return inside ? *static_cast<const Words*>(from) : none;
}
