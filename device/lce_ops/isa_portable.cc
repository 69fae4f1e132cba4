// Kernels in plain C++, for any CPU; compilers turn the lane loops into whatever vectors the target has.
#include <cstring>

#include "tile.h"

namespace lce {
namespace {

struct Portable {
  static constexpr int kLanes = 8, kVectors = 1, kPixels = 2, kRepeat = 1, kMaxWords = 1 << 24;
  static constexpr bool kOwnLoop = false;
  template <class T>
  struct Vector {
    T lane[kLanes];
  };
  using Word = Vector<uint32_t>;
  using Counter = Vector<uint32_t>;
  using Int = Vector<int32_t>;
  using Float = Vector<float>;

  template <class R, class F>
  static inline R each(F function) {
    R result;
    for (int i = 0; i < kLanes; ++i) result.lane[i] = function(i);
    return result;
  }

  static Counter zero() { return {}; }
  static Word load_word(const uint32_t* from) {
    return each<Word>([=](int i) { return from[i]; });
  }
  static Word broadcast(const uint32_t* from) {
    return each<Word>([=](int) { return *from; });
  }

  // Sums of bits by halves, for all lanes at once: a baseline x86 has no instruction for it.
  static uint32_t ones(uint32_t x) {
    x -= (x >> 1) & 0x55555555u;
    x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0fu;
    return (x * 0x01010101u) >> 24;
  }
  static void count(Counter& counter, const Word& filter, const Word& pixel) {
    for (int i = 0; i < kLanes; ++i) counter.lane[i] += ones(filter.lane[i] ^ pixel.lane[i]);
  }
  static Int widen(const Counter& counter) {
    return each<Int>([&](int i) { return static_cast<int32_t>(counter.lane[i]); });
  }

  static Int load(const int32_t* from) {
    return each<Int>([=](int i) { return from[i]; });
  }
  static Float load(const float* from) {
    return each<Float>([=](int i) { return from[i]; });
  }
  static Float load_some(const float* from, int n) {
    return each<Float>([=](int i) { return i < n ? from[i] : 0.0f; });
  }
  static void store(int32_t* to, const Int& v) { std::memcpy(to, v.lane, sizeof v.lane); }
  static void store_some(float* to, const Float& v, int n) {
    for (int i = 0; i < kLanes && i < n; ++i) to[i] = v.lane[i];
  }
  static Int splat(int32_t value) {
    return each<Int>([=](int) { return value; });
  }
  static Int add(const Int& a, const Int& b) {
    return each<Int>([&](int i) { return a.lane[i] + b.lane[i]; });
  }
  static Float add(const Float& a, const Float& b) {
    return each<Float>([&](int i) { return a.lane[i] + b.lane[i]; });
  }
  static Float zeros() { return {}; }
  static Float max(const Float& a, const Float& b) {
    return each<Float>([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  static Float multiply(const Float& a, const Float& b) {
    return each<Float>([&](int i) { return a.lane[i] * b.lane[i]; });
  }
  static Int max(const Int& a, const Int& b) {
    return each<Int>([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  static Int min(const Int& a, const Int& b) {
    return each<Int>([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  static Float to_float(const Int& v) {
    return each<Float>([&](int i) { return static_cast<float>(v.lane[i]); });
  }

  using Signs = uint32_t;
  static Signs greater(const Int (&a)[kVectors], const int32_t* b) {
    uint32_t bits = 0;
    for (int i = 0; i < kLanes; ++i) bits |= static_cast<uint32_t>(a[0].lane[i] > b[i]) << i;
    return bits;
  }
  static Signs negative(const Float (&value)[kVectors]) {
    uint32_t bits = 0;
    for (int i = 0; i < kLanes; ++i) bits |= static_cast<uint32_t>(value[0].lane[i] < 0) << i;
    return bits;
  }
  template <int P>
  static void store_bits(const Signs (&signs)[P], uint32_t* bits) {
    for (int p = 0; p < P; ++p) bits[p] = signs[p];
  }

  // To nearest, half away from zero; NaN gives 0. The addend is the float below one half, so that 0.49999997 stays 0.
  static void store_int8(int8_t* to, const Float (&value)[kVectors]) {
    for (int i = 0; i < kLanes; ++i) {
      const float x = value[0].lane[i];
      const float inside = x > 127 ? 127.0f : x < -128 ? -128.0f : x == x ? x : 0.0f;
      to[i] = static_cast<int8_t>(inside + (inside < 0 ? -0.49999997f : 0.49999997f));
    }
  }
};

template <class T, class F>
void bits_where(const T* in, int64_t blocks, uint32_t* out, F function) {
  for (int64_t b = 0; b < blocks; ++b) {
    uint32_t bits = 0;
    for (int i = 0; i < 32; ++i) bits |= static_cast<uint32_t>(function(in[b * 32 + i])) << i;
    out[b] = bits;
  }
}

void signs_of_floats(const float* in, int64_t blocks, uint32_t* out) {
  bits_where(in, blocks, out, [](float x) { return x < 0; });
}

void below_int8(const int8_t* in, int64_t blocks, int8_t bound, uint32_t* out) {
  bits_where(in, blocks, out, [=](int8_t x) { return x < bound; });
}

using Kernel = TileKernel<Portable>;

}  // namespace

const Isa kPortable = {"portable",        Kernel::kChannels, Portable::kPixels, Portable::kMaxWords, Portable::kRepeat,
                       Kernel::conv_tile, signs_of_floats, below_int8};

}  // namespace lce
