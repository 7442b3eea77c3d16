// A CUDA block on a CPU: each thread is a fiber, run until it meets a barrier, a shuffle or its
// end. Asynchronous copies arrive only when they are waited for. So a missing barrier or wait gives
// wrong values here too; what it cannot show is a race inside one instruction, and speed.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __constant__
#undef __forceinline__
#undef __launch_bounds__
#undef __align__
#undef __noinline__
#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __constant__ static
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define K2C_EMULATED 1

typedef long long i64;
typedef unsigned int u32;

struct Place { unsigned x = 0, y = 0, z = 0; };
inline Place threadIdx, blockIdx, blockDim, gridDim;

namespace k2c {
constexpr size_t STACK = 64 * 1024;
struct Copy { void* to; const void* from; int bytes; };
struct Fiber {
  ucontext_t begin;
  jmp_buf at;
  bool begun = false, done = false;
  std::vector<Copy> open;                  // not committed yet
  std::vector<std::vector<Copy>> pending;  // committed groups, oldest first
};
struct Barrier { unsigned arrived = 0, turn = 0, members = 0; };
struct Slot { u32 words[8]; const void* row; };

inline std::vector<Fiber> fibers;
inline std::vector<Barrier> warps;
inline std::vector<Slot> slots;
inline std::vector<char> stacks;
inline Barrier block;
inline jmp_buf scheduler;
inline unsigned current = 0;
inline bool moved = false;
inline std::vector<unsigned char> shared_memory;
inline void (*body)(void*);
inline void* body_data;

inline const char* trouble = nullptr;  // what a program did that a GPU would punish
inline unsigned launches = 0, blocks = 0;

// The kernel ends here, and its launch says why.
[[noreturn]] inline void fail(const char* why) {
  trouble = why;
  _longjmp(scheduler, 1);
}
inline void yield() {
  if (_setjmp(fibers[current].at) == 0) _longjmp(scheduler, 1);
}
inline void meet(Barrier& b) {
  const unsigned turn = b.turn;
  moved = true;
  if (++b.arrived == b.members) {
    b.arrived = 0;
    b.turn++;
  } else {
    while (b.turn == turn) yield();
  }
}
// A thread that has returned counts at every later barrier.
inline void leave(Barrier& b) {
  if (--b.members > 0 && b.arrived == b.members) {
    b.arrived = 0;
    b.turn++;
  }
}
inline std::vector<void (*)()> at_end;  // checks when a thread returns
inline void enter() {
  body(body_data);
  for (auto check : at_end) check();
  fibers[current].done = true;
  moved = true;
  leave(block);
  leave(warps[current / 32]);
  _longjmp(scheduler, 1);
}
inline void resume(unsigned i) {
  current = i;
  threadIdx.x = i;
  Fiber& f = fibers[i];
  if (_setjmp(scheduler)) return;
  if (f.begun) _longjmp(f.at, 1);
  f.begun = true;
  getcontext(&f.begin);
  f.begin.uc_stack.ss_sp = stacks.data() + i * STACK;
  f.begin.uc_stack.ss_size = STACK;
  makecontext(&f.begin, enter, 0);
  setcontext(&f.begin);
}
// Every thread of a warp until it waits; again while that changes anything, where a warp runs as far
// ahead of the others as barriers let it. Whether anything changed.
inline bool run_warp(unsigned first, unsigned last, bool backwards, bool ahead) {
  bool any = false;
  do {
    moved = false;
    for (unsigned k = first; k < last; k++) {
      const unsigned i = backwards ? first + last - 1 - k : k;
      if (!fibers[i].done) resume(i);
      if (trouble) return false;
    }
    any |= moved;
  } while (ahead && moved);
  return any;
}
// False when some threads wait at a barrier that the others never reach. In every third launch warps
// run ahead, in the others they keep step.
inline bool run_block(unsigned threads, bool backwards) {
  blocks++;
  fibers = std::vector<Fiber>(threads);
  warps.assign((threads + 31) / 32, Barrier());
  for (unsigned w = 0; w < warps.size(); w++) warps[w].members = std::min(32u, threads - 32 * w);
  block = Barrier{0, 0, threads};
  for (unsigned left = threads; left > 0;) {
    bool any = false;
    for (unsigned k = 0; k < warps.size(); k++) {
      const unsigned w = backwards ? unsigned(warps.size()) - 1 - k : k;
      any |= run_warp(32 * w, std::min(threads, 32 * w + 32), backwards, launches % 3 == 0);
      if (trouble) return false;
    }
    left = 0;
    for (const auto& fiber : fibers) left += !fiber.done;
    if (left && !any) {
      trouble = "some threads wait at a barrier that others never reach";
      return false;
    }
  }
  return true;
}
inline unsigned lane() { return current % 32; }
inline Slot& slot(unsigned lane_) { return slots[current / 32 * 32 + lane_]; }
inline void warp_meet() { meet(warps[current / 32]); }
// Every lane gives a value; returns the one of lane ``from`` (out of range: its own).
template <class T> T exchange(T v, unsigned from) {
  static_assert(sizeof(T) <= 32, "");
  std::memcpy(slot(lane()).words, &v, sizeof(T));
  warp_meet();
  T got;
  std::memcpy(&got, slot(from < 32 ? from : lane()).words, sizeof(T));
  warp_meet();
  return got;
}
template <class F, class... A, size_t... I>
void call(F f, std::tuple<A...>*, void** arguments, std::index_sequence<I...>) {
  f(*reinterpret_cast<std::remove_reference_t<A>*>(arguments[I])...);
}
struct Call { void** arguments; void (*run)(void**); };
template <class... A, class F> void call_with(F f, void (*)(A...), void** arguments) {
  call(f, static_cast<std::tuple<A...>*>(nullptr), arguments, std::index_sequence_for<A...>());
}
inline int launch(unsigned gx, unsigned gy, unsigned gz, unsigned threads, size_t shared, Call& c) {
  trouble = nullptr;
  launches++;
  stacks.resize(threads * STACK);
  slots.resize((threads + 31) / 32 * 32);
  gridDim = {gx, gy, gz};
  blockDim = {threads, 1, 1};
  body_data = &c;
  body = [](void* data) { static_cast<Call*>(data)->run(static_cast<Call*>(data)->arguments); };
  unsigned number = 0;
  for (unsigned z = 0; z < gz; z++)
    for (unsigned y = 0; y < gy; y++)
      for (unsigned x = 0; x < gx; x++) {
        blockIdx = {x, y, z};
        shared_memory.assign(shared + 1024, 0xAB);  // never zeros by luck
        if (!run_block(threads, number++ % 2 == 1)) return 1;
      }
  return 0;
}
}  // namespace k2c

inline void __syncthreads() { k2c::meet(k2c::block); }
inline void __syncwarp(u32 = 0xffffffffu) { k2c::warp_meet(); }
inline void __threadfence() {}
template <class T> T __shfl_sync(u32, T v, int from, int width = 32) {
  const unsigned base = k2c::lane() / width * width;
  return k2c::exchange(v, base + unsigned(from) % width);
}
template <class T> T __shfl_xor_sync(u32, T v, int mask, int = 32) {
  return k2c::exchange(v, k2c::lane() ^ unsigned(mask));
}
template <class T> T __shfl_down_sync(u32, T v, unsigned by, int width = 32) {
  const unsigned to = k2c::lane() + by;
  return k2c::exchange(v, to / width == k2c::lane() / width ? to : k2c::lane());
}
template <class T> T __shfl_up_sync(u32, T v, unsigned by, int width = 32) {
  const unsigned at = k2c::lane() % width;
  return k2c::exchange(v, at >= by ? k2c::lane() - by : k2c::lane());
}
inline u32 __ballot_sync(u32, int predicate) {
  u32 bits = 0;
  const u32 mine = predicate ? 1u : 0u;
  std::memcpy(k2c::slot(k2c::lane()).words, &mine, 4);
  k2c::warp_meet();
  for (unsigned i = 0; i < k2c::warps[k2c::current / 32].members; i++)
    bits |= (k2c::slot(i).words[0] & 1u) << i;
  k2c::warp_meet();
  return bits;
}
inline int __any_sync(u32 m, int p) { return __ballot_sync(m, p) != 0; }
inline int __all_sync(u32 m, int p) { return __ballot_sync(m, !p) == 0; }
inline float __int_as_float(int v) { float f; std::memcpy(&f, &v, 4); return f; }
inline int __float_as_int(float v) { int i; std::memcpy(&i, &v, 4); return i; }
inline float __uint_as_float(u32 v) { float f; std::memcpy(&f, &v, 4); return f; }
inline u32 __float_as_uint(float v) { u32 i; std::memcpy(&i, &v, 4); return i; }
inline float __expf(float v) { return std::exp(v); }
inline float __logf(float v) { return std::log(v); }
inline float __fdividef(float a, float b) { return a / b; }
inline float rsqrtf(float v) { return 1.0f / std::sqrt(v); }
inline int __float2int_rn(float v) { return int(std::nearbyint(v)); }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __frcp_rn(float v) { return 1.0f / v; }
inline int __popc(u32 v) { return __builtin_popcount(v); }
inline int __clz(int v) { return v ? __builtin_clz(unsigned(v)) : 32; }
inline int __ffs(int v) { return __builtin_ffs(v); }
template <class T> T __ldg(const T* p) { return *p; }
template <class T> T min(T a, T b) { return b < a ? b : a; }
template <class T> T max(T a, T b) { return a < b ? b : a; }
// One fiber runs at a time, so a plain addition is atomic.
template <class T> T atomicAdd(T* p, T v) { const T old = *p; *p = old + v; return old; }
template <class T> T atomicMax(T* p, T v) { const T old = *p; if (old < v) *p = v; return old; }

inline unsigned char* dynamic_shared() {
  const size_t at = reinterpret_cast<size_t>(k2c::shared_memory.data());
  return k2c::shared_memory.data() + (128 - at % 128) % 128;
}
inline void cp_async16(void* to, const void* from, int bytes = 16) {
  if (reinterpret_cast<size_t>(to) % 16 || (bytes && reinterpret_cast<size_t>(from) % 16))
    k2c::fail("cp.async of 16 bytes needs addresses at multiples of 16");
  k2c::fibers[k2c::current].open.push_back({to, from, bytes});
}
inline void cp_async_commit() {
  auto& f = k2c::fibers[k2c::current];
  f.pending.push_back(std::move(f.open));
  f.open.clear();
}
template <int LEFT> void cp_async_wait() {
  auto& pending = k2c::fibers[k2c::current].pending;
  while (pending.size() > LEFT) {
    for (const auto& c : pending.front()) {
      std::memset(c.to, 0, 16);
      if (c.bytes > 0) std::memcpy(c.to, c.from, c.bytes);
    }
    pending.erase(pending.begin());
  }
}

namespace k2c {
inline void load_rows(u32 (&r)[4], const void* row, bool trans) {
  slot(lane()).row = row;
  warp_meet();
  for (int m = 0; m < 4; m++) {
    unsigned short pair[2];
    for (int e = 0; e < 2; e++) {
      const unsigned i = lane() / 4, j = 2 * (lane() % 4) + e;
      const unsigned at = trans ? j : i, column = trans ? i : j;
      pair[e] = static_cast<const unsigned short*>(slot(8 * m + at).row)[column];
    }
    r[m] = pair[0] | (u32(pair[1]) << 16);
  }
  warp_meet();
}
template <class T> float value_of(const u32* words, int i) {
  T v;
  std::memcpy(&v, reinterpret_cast<const unsigned char*>(words) + i * sizeof(T), sizeof(T));
  return float(v);
}
// A is 16 x K, B is K x 8; a register holds 4 / sizeof(T) neighbours along K, a lane four
// registers of A (rows g and g + 8, then K / 2 further) and two of B.
template <class T> void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  constexpr int EACH = 4 / sizeof(T), K = 8 * EACH;
  Slot& mine = slot(lane());
  std::memcpy(mine.words, a, 16);
  mine.words[4] = b0;
  mine.words[5] = b1;
  warp_meet();
  const unsigned g = lane() / 4, t = lane() % 4;
  for (int i = 0; i < 4; i++) {
    const unsigned row = g, column = 2 * t + i % 2;
    for (int k = 0; k < K; k++) {
      const int half = k / (K / 2), within = k % (K / 2);
      const Slot& left = slot(row * 4 + within / EACH);
      const Slot& right = slot(column * 4 + within / EACH);
      const float av = value_of<T>(&left.words[2 * half + i / 2], within % EACH);
      c[i] += av * value_of<T>(&right.words[4 + half], within % EACH);
    }
  }
  warp_meet();
}
}  // namespace k2c
inline void ldmatrix4(u32 (&r)[4], const void* row) { k2c::load_rows(r, row, false); }
inline void ldmatrix4_trans(u32 (&r)[4], const void* row) { k2c::load_rows(r, row, true); }
template <class T> void mma16(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  k2c::multiply<T>(c, a, b0, b1);
}
inline void mma32_e4m3(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  k2c::multiply<__nv_fp8_e4m3>(c, a, b0, b1);
}
inline float fast_exp2(float x) { return std::exp2(x); }
inline void forget(u32&) {}
