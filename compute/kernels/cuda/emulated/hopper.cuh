// The twin of cuda/gpu/hopper.cuh for a CPU. What is asynchronous there happens here at one of the
// two ends of what a GPU may do, and launches take turns: the copy engine at once and products only
// when they are waited for (a stage that is filled again too early gives wrong values), or products
// at once and copies only when somebody waits for them (a wait that is missing does).
#pragma once
#include <functional>
#include <map>

#include "common.cuh"

#define __grid_constant__

typedef unsigned long long u64;

struct alignas(64) TensorMap { u64 words[16]; };

inline unsigned char* tile_shared() {
  const size_t at = reinterpret_cast<size_t>(k2c::shared_memory.data());
  return k2c::shared_memory.data() + (1024 - at % 1024) % 1024;
}

namespace k2c {
inline bool copies_at_once() { return launches % 2; }

// Bytes into the block's shared memory; the addresses that instructions see.
inline size_t offset_of(const void* p, size_t bytes, const char* why) {
  const size_t at = static_cast<const unsigned char*>(p) - tile_shared();
  const size_t held = shared_memory.data() + shared_memory.size() - tile_shared();
  if (at > held || bytes > held - at) fail(why);
  return at;
}

// An mbarrier in its eight bytes.
struct Phase {
  u32 parity : 1, expected : 15, left : 16;
  int bytes;
};
static_assert(sizeof(Phase) == sizeof(u64), "");

struct Work { std::function<void()> run; u64* bar; int bytes; };
struct Products {
  struct One { float* c; int n; std::function<void(float*)> add; };
  std::vector<One> open;
  std::vector<std::vector<One>> pending;
  std::map<float*, std::pair<int, std::vector<float>>> held;  // results not to be seen yet
  bool begun = false;
};
struct Stores {
  std::vector<std::function<void()>> open;
  std::vector<std::vector<std::function<void()>>> reading;
};
struct Meeting { int arrived = 0; unsigned turn = 0; };
// Of the block that runs.
struct Async {
  unsigned block = ~0u;
  std::vector<Work> copies;
  std::map<unsigned, Products> products;
  std::map<unsigned, Stores> stores;
  Meeting named[16];
};
inline Async held_async;
inline void check_thread_end();
inline Async& async() {
  if (held_async.block != blocks) {
    held_async = Async();
    held_async.block = blocks;
    if (at_end.empty()) at_end.push_back(check_thread_end);
  }
  return held_async;
}
inline Products& products() { return async().products[current]; }
inline Stores& stores() { return async().stores[current]; }

inline Phase& phase(u64* bar) {
  if (offset_of(bar, 8, "an mbarrier lies outside of shared memory") % 8)
    fail("an mbarrier needs an address at a multiple of 8");
  return *reinterpret_cast<Phase*>(bar);
}
inline void settle(Phase& p) {
  moved = true;
  if (p.left || p.bytes) return;
  p.parity ^= 1;
  p.left = p.expected;
}
inline void arrive(u64* bar) {
  Phase& p = phase(bar);
  if (!p.left) fail("more threads arrive at an mbarrier than it was made for");
  p.left--;
  settle(p);
}
inline void deliver(u64* bar) {
  auto& copies = async().copies;
  for (size_t i = 0; i < copies.size();) {
    if (copies[i].bar != bar) {
      i++;
      continue;
    }
    const Work work = copies[i];
    copies.erase(copies.begin() + i);
    work.run();
    Phase& p = phase(bar);
    p.bytes -= work.bytes;
    settle(p);
  }
}

// A tensor map as compute/kernels/build/tensor_maps.py writes it for the CPU.
struct Map {
  unsigned char* address;
  int rank, element;
  u64 size[5], stride[5], box[5];
  explicit Map(const TensorMap& map) {
    address = reinterpret_cast<unsigned char*>(map.words[0]);
    rank = map.words[1] & 255;
    element = map.words[1] >> 8 & 255;
    for (int i = 0; i < 5; i++) {
      size[i] = map.words[2 + i];
      stride[i] = i ? map.words[6 + i] : element;
      box[i] = map.words[11 + i];
    }
  }
  u64 count() const {
    u64 n = 1;
    for (int i = 0; i < rank; i++) n *= box[i];
    return n;
  }
};
inline size_t swizzled(size_t at) { return at ^ (at >> 7 & 7) << 4; }
// f(where in memory or null, where in shared memory) for every element of the box at ``at``.
template <class F> void each(const Map& map, const std::vector<int>& at, size_t shared, F f) {
  const u64 line = map.box[0] * map.element;
  for (u64 n = 0; n < map.count(); n++) {
    unsigned char* from = map.address;
    u64 rest = n;
    for (int i = 0; i < map.rank; i++) {
      const i64 place = i64(at[i]) + i64(rest % map.box[i]);
      rest /= map.box[i];
      if (place < 0 || u64(place) >= map.size[i]) from = nullptr;
      if (from) from += place * map.stride[i];
    }
    const size_t to = shared + n / map.box[0] * line + n % map.box[0] * map.element;
    f(from, tile_shared() + swizzled(to));
  }
}
inline size_t box_place(const Map& map, const void* tile, int rank) {
  if (map.rank != rank) fail("a tensor map has another number of axes than its copy");
  if (map.box[0] * map.element != 128) fail("a swizzled box is 128 bytes wide");
  const size_t bytes = map.count() * map.element;
  const size_t at = offset_of(tile, bytes, "a box reaches out of shared memory");
  if (at % 1024) fail("a swizzled box needs an address at a multiple of 1024");
  return at;
}

inline void run_products(size_t left) {
  Products& mine = products();
  while (mine.pending.size() > left) {
    for (auto& one : mine.pending.front()) {
      auto& held = mine.held[one.c];
      one.add(held.second.data());
      if (--held.first == 0) {
        std::memcpy(one.c, held.second.data(), one.n * sizeof(float));
        mine.held.erase(one.c);
      }
    }
    mine.pending.erase(mine.pending.begin());
  }
}
inline void product(float* c, int n, std::function<void(float*)> add) {
  Products& mine = products();
  if (!mine.begun) fail("wgmma without wgmma_begin");
  if (!copies_at_once()) return add(c);
  auto& held = mine.held[c];
  if (held.first++ == 0) {
    held.second.assign(c, c + n);
    for (int i = 0; i < n; i++) c[i] = __int_as_float(0x7fffffff);  // not to be read yet
  }
  mine.open.push_back({c, n, std::move(add)});
}
inline void run_stores(size_t left) {
  auto& mine = stores().reading;
  while (mine.size() > left) {
    for (auto& store : mine.front()) store();
    mine.erase(mine.begin());
  }
}
inline void check_thread_end() {
  const Products& mine = products();
  if (!mine.open.empty() || !mine.pending.empty()) fail("a product that nobody waits for");
  const Stores& stored = stores();
  if (!stored.open.empty() || !stored.reading.empty()) fail("a store that nobody waits for");
  for (unsigned i = 0; i < fibers.size(); i++)
    if (i != current && !fibers[i].done) return;
  if (!async().copies.empty()) fail("a copy that nobody waits for");
}

// A value of the tile at a descriptor: ``line`` counts M or N, ``k`` the inner axis.
template <class T, bool K> float tile_value(u64 tile, int line, int k) {
  const size_t start = (tile & 0x3fff) << 4, leading = (tile >> 16 & 0x3fff) << 4;
  const size_t stride = (tile >> 32 & 0x3fff) << 4;
  size_t at;
  if (K)
    at = start + line / 8 * stride + line % 8 * 128 + k * sizeof(T);
  else
    at = start + line / 64 * leading + k / 8 * stride + k % 8 * 128 + line % 64 * sizeof(T);
  T v;
  unsigned char* from = tile_shared() + swizzled(at);
  offset_of(from, sizeof(T), "wgmma reads outside of shared memory");
  std::memcpy(&v, from, sizeof(T));
  return float(v);
}
// This thread's part of 64 x N: rows lane / 4 and eight further of its warp's 16.
template <class T, int N, bool B_K, class Left>
void add_tile(float* c, u64 b, bool add, Left left) {
  constexpr int K = 32 / sizeof(T);
  const int lane = current % 32;
  float rows[2][K];
  for (int half = 0; half < 2; half++)
    for (int k = 0; k < K; k++) rows[half][k] = left(half, k);
  for (int j = 0; j < N / 8; j++)
    for (int e = 0; e < 2; e++) {
      const int column = 8 * j + 2 * (lane % 4) + e;
      float sums[2] = {0.0f, 0.0f};
      for (int k = 0; k < K; k++) {
        const float right = tile_value<T, B_K>(b, column, k);
        sums[0] += rows[0][k] * right;
        sums[1] += rows[1][k] * right;
      }
      for (int half = 0; half < 2; half++) {
        float& to = c[4 * j + 2 * half + e];
        to = add ? to + sums[half] : sums[half];
      }
    }
}
}  // namespace k2c

// --- barriers ---------------------------------------------------------------------------------

inline void barrier_init(u64* bar, u32 arrivals) {
  k2c::phase(bar) = {0, arrivals, arrivals, 0};
}
inline void barrier_init_done() {}
inline void barrier_arrive(u64* bar) { k2c::arrive(bar); }
inline void barrier_expect(u64* bar, u32 bytes) {
  k2c::phase(bar).bytes += int(bytes);
  k2c::arrive(bar);
}
inline void barrier_wait(u64* bar, u32 parity) {
  while (k2c::phase(bar).parity == (parity & 1)) {
    k2c::deliver(bar);
    if (k2c::phase(bar).parity == (parity & 1)) k2c::yield();
  }
}
inline void named_arrive(int id, int threads) {
  if (id < 1 || id > 15 || threads % 32) k2c::fail("a named barrier is 1 to 15, for whole warps");
  k2c::Meeting& m = k2c::async().named[id];
  k2c::moved = true;
  if (++m.arrived == threads) {
    m.arrived = 0;
    m.turn++;
  }
}
inline void named_sync(int id, int threads) {
  k2c::Meeting& m = k2c::async().named[id];
  const unsigned turn = m.turn;
  named_arrive(id, threads);
  while (m.turn == turn) k2c::yield();
}

// --- the copy engine --------------------------------------------------------------------------

inline void tma_prefetch(const TensorMap&) {}
template <int RANK>
void tma_load(void* to, const TensorMap& map, u64* bar, const int (&at)[RANK]) {
  const k2c::Map decoded(map);
  const size_t place = k2c::box_place(decoded, to, RANK);
  const std::vector<int> where(at, at + RANK);
  auto run = [=] {
    k2c::each(decoded, where, place, [&](const unsigned char* from, unsigned char* held) {
      if (from)
        std::memcpy(held, from, decoded.element);
      else
        std::memset(held, 0, decoded.element);
    });
  };
  k2c::phase(bar);
  k2c::async().copies.push_back({run, bar, int(decoded.count() * decoded.element)});
  if (k2c::copies_at_once()) k2c::deliver(bar);
}
template <int RANK>
void tma_store(const TensorMap& map, const void* from, const int (&at)[RANK]) {
  const k2c::Map decoded(map);
  const size_t place = k2c::box_place(decoded, from, RANK);
  const std::vector<int> where(at, at + RANK);
  k2c::stores().open.push_back([=] {
    k2c::each(decoded, where, place, [&](unsigned char* to, const unsigned char* held) {
      if (to) std::memcpy(to, held, decoded.element);
    });
  });
}
inline void tma_store_commit() {
  k2c::Stores& mine = k2c::stores();
  mine.reading.push_back(std::move(mine.open));
  mine.open.clear();
}
template <int LEFT> void tma_store_wait_read() { k2c::run_stores(LEFT); }
template <int LEFT> void tma_store_wait() { k2c::run_stores(LEFT); }
inline void fence_async_shared() {}

template <int R> void registers_down() {
  static_assert(R >= 24 && R <= 256 && R % 8 == 0, "setmaxnreg");
}
template <int R> void registers_up() {
  static_assert(R >= 24 && R <= 256 && R % 8 == 0, "setmaxnreg");
}

inline void stmatrix4(void* row, const u32 (&r)[4]) {
  k2c::slot(k2c::lane()).row = row;
  std::memcpy(k2c::slot(k2c::lane()).words, r, 16);
  __syncwarp();
  unsigned short* to = static_cast<unsigned short*>(row);  // of matrix lane / 8, row lane % 8
  for (int column = 0; column < 8; column++) {
    const k2c::Slot& from = k2c::slot(k2c::lane() % 8 * 4 + column / 2);
    to[column] = from.words[k2c::lane() / 8] >> (column % 2 * 16);
  }
  __syncwarp();
}

// --- matrix products of a warpgroup -----------------------------------------------------------

inline u64 tile_address(const void* tile, int leading_bytes, int stride_bytes) {
  const size_t at = k2c::offset_of(tile, 16, "a tile lies outside of shared memory");
  return u64(at >> 4 & 0x3fff) | u64(leading_bytes >> 4) << 16 | u64(stride_bytes >> 4) << 32 |
         u64(1) << 62;
}
inline void wgmma_begin() {
  __syncwarp();
  k2c::products().begun = true;
}
inline void wgmma_commit() {
  k2c::Products& mine = k2c::products();
  mine.pending.push_back(std::move(mine.open));
  mine.open.clear();
}
template <int LEFT> void wgmma_wait() {
  k2c::run_products(LEFT);
  __syncwarp();  // no lane goes on while another one's products still read their tiles
  k2c::products().begun = false;  // registers are touched now
}
template <int N> void keep(float (&)[N]) {}

template <class T, int N, bool A_K, bool B_K>
void wgmma(float (&c)[N / 2], u64 a, u64 b, bool add) {
  static_assert(sizeof(T) == 2 || (A_K && B_K), "8-bit operands lie along K");
  const int row = k2c::current / 32 % 4 * 16 + k2c::current % 32 / 4;
  __syncwarp();
  k2c::product(c, N / 2, [=](float* to) {
    k2c::add_tile<T, N, B_K>(to, b, add, [=](int half, int k) {
      return k2c::tile_value<T, A_K>(a, row + 8 * half, k);
    });
  });
}
template <class T, int N, bool B_K>
void wgmma(float (&c)[N / 2], const u32 (&a)[4], u64 b, bool add) {
  std::memcpy(k2c::slot(k2c::lane()).words, a, 16);
  __syncwarp();
  std::vector<float> left(32);
  for (int half = 0; half < 2; half++)
    for (int k = 0; k < 16; k++)  // a lane holds two neighbours along K, twice, eight apart
      left[16 * half + k] = k2c::value_of<T>(
          &k2c::slot(k2c::lane() / 4 * 4 + k % 8 / 2).words[k / 8 * 2 + half], k % 2);
  __syncwarp();
  k2c::product(c, N / 2, [=](float* to) {
    k2c::add_tile<T, N, B_K>(to, b, add, [=](int half, int k) { return left[16 * half + k]; });
  });
}
