// NEON, as every aarch64 CPU has it.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "neon_loop.h"
#include "tile.h"

namespace lce {
namespace {

// Lanes of all ones or none, as bytes.
inline uint8x16_t narrow(uint32x4_t a, uint32x4_t b, uint32x4_t c, uint32x4_t d) {
  const uint16x8_t low = vuzp1q_u16(vreinterpretq_u16_u32(a), vreinterpretq_u16_u32(b));
  const uint16x8_t high = vuzp1q_u16(vreinterpretq_u16_u32(c), vreinterpretq_u16_u32(d));
  return vuzp1q_u8(vreinterpretq_u8_u16(low), vreinterpretq_u8_u16(high));
}

// Bytes of all ones or none: the bits of each four neighbours in one byte. Added to its neighbour's, it is a byte of
// packed bits.
inline uint8x16_t half_bytes(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d) {
  const uint8_t powers[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t own = vld1q_u8(powers);
  return vpaddq_u8(vpaddq_u8(vandq_u8(a, own), vandq_u8(b, own)), vpaddq_u8(vandq_u8(c, own), vandq_u8(d, own)));
}

struct Neon {
  // A 16-bit lane counts at most 16 per word: 4095 words reach 65520.
  static constexpr int kLanes = 4, kVectors = 4, kPixels = 4, kRepeat = kRepeats, kMaxWords = 4095;
  static constexpr bool kOwnLoop = true;
  using Word = uint32x4_t;
  using Counter = uint16x8_t;
  using Int = int32x4_t;
  using Float = float32x4_t;

  static Counter zero() { return vdupq_n_u16(0); }
  static Word load_word(const uint32_t* from) { return vld1q_u32(from); }
  static Word broadcast(const uint32_t* from) { return vld1q_u32(from); }
  static void count(Counter& counter, Word filter, Word pixel) {
    counter = vpadalq_u8(counter, vcntq_u8(vreinterpretq_u8_u32(veorq_u32(filter, pixel))));
  }

  static const uint32_t* count_tile(const Run* run, const Run* end, const uint32_t* weights, const uint32_t* const* in,
                                    Counter (&counters)[kPixels][kVectors]) {
    return count_neon_tile(run, end, weights, in, counters);
  }
  static Int widen(Counter counter) { return vreinterpretq_s32_u32(vpaddlq_u16(counter)); }

  static Int load(const int32_t* from) { return vld1q_s32(from); }
  static Float load(const float* from) { return vld1q_f32(from); }
  static Float load_some(const float* from, int n) {
    if (n >= kLanes) return vld1q_f32(from);
    float lanes[kLanes] = {};
    for (int i = 0; i < n; ++i) lanes[i] = from[i];
    return vld1q_f32(lanes);
  }
  static void store(int32_t* to, Int v) { vst1q_s32(to, v); }
  static void store_some(float* to, Float v, int n) {
    if (n >= kLanes) return vst1q_f32(to, v);
    float lanes[kLanes];
    vst1q_f32(lanes, v);
    for (int i = 0; i < n; ++i) to[i] = lanes[i];
  }
  static Int splat(int32_t value) { return vdupq_n_s32(value); }
  static Int add(Int a, Int b) { return vaddq_s32(a, b); }
  static Float add(Float a, Float b) { return vaddq_f32(a, b); }
  static Float zeros() { return vdupq_n_f32(0); }
  static Float max(Float a, Float b) { return vmaxq_f32(a, b); }
  static Float multiply(Float a, Float b) { return vmulq_f32(a, b); }
  static Int max(Int a, Int b) { return vmaxq_s32(a, b); }
  static Int min(Int a, Int b) { return vminq_s32(a, b); }
  static Float to_float(Int v) { return vcvtq_f32_s32(v); }

  using Signs = uint8x16_t;  // a byte for each channel, all ones or none
  static Signs greater(const Int (&a)[kVectors], const int32_t* b) {
    return narrow(vcgtq_s32(a[0], vld1q_s32(b)), vcgtq_s32(a[1], vld1q_s32(b + 4)), vcgtq_s32(a[2], vld1q_s32(b + 8)),
                  vcgtq_s32(a[3], vld1q_s32(b + 12)));
  }
  static Signs negative(const Float (&value)[kVectors]) {
    return narrow(vcltzq_f32(value[0]), vcltzq_f32(value[1]), vcltzq_f32(value[2]), vcltzq_f32(value[3]));
  }
  template <int P>
  static void store_bits(const Signs (&signs)[P], uint32_t* bits) {
    static_assert(P <= 4 && 4 <= kMaxTilePixels);
    const Signs none = vdupq_n_u8(0);
    const uint8x16_t halves = half_bytes(signs[0], P > 1 ? signs[P > 1 ? 1 : 0] : none,
                                         P > 2 ? signs[P > 2 ? 2 : 0] : none, P > 3 ? signs[P > 3 ? 3 : 0] : none);
    vst1q_u32(bits, vmovl_u16(vreinterpret_u16_u8(vget_low_u8(vpaddq_u8(halves, halves)))));
  }

  // To nearest, half away from zero; NaN gives 0. What is outside int8 takes the nearest number inside.
  static void store_int8(int8_t* to, const Float (&value)[kVectors]) {
    int16x8_t halves[2];
    for (int i = 0; i < 2; ++i)
      halves[i] = vqmovn_high_s32(vqmovn_s32(vcvtaq_s32_f32(value[2 * i])), vcvtaq_s32_f32(value[2 * i + 1]));
    vst1q_s8(to, vqmovn_high_s16(vqmovn_s16(halves[0]), halves[1]));
  }
};

// Packs what `bytes` makes of 16 values. Four words at a time, so that no lane of the sums is idle.
template <class T, class Bytes>
inline void pack(const T* in, int64_t blocks, uint32_t* out, Bytes bytes) {
  for (; blocks >= 4; blocks -= 4, in += 128, out += 4) {
    const uint8x16_t first = half_bytes(bytes(in), bytes(in + 16), bytes(in + 32), bytes(in + 48));
    const uint8x16_t last = half_bytes(bytes(in + 64), bytes(in + 80), bytes(in + 96), bytes(in + 112));
    vst1q_u32(out, vreinterpretq_u32_u8(vpaddq_u8(first, last)));
  }
  for (; blocks > 0; --blocks, in += 32) {
    const uint8x16_t none = vdupq_n_u8(0), halves = half_bytes(bytes(in), bytes(in + 16), none, none);
    *out++ = vgetq_lane_u32(vreinterpretq_u32_u8(vpaddq_u8(halves, halves)), 0);
  }
}

void signs_of_floats(const float* in, int64_t blocks, uint32_t* out) {
  pack(in, blocks, out, [](const float* from) {
    return narrow(vcltzq_f32(vld1q_f32(from)), vcltzq_f32(vld1q_f32(from + 4)), vcltzq_f32(vld1q_f32(from + 8)),
                  vcltzq_f32(vld1q_f32(from + 12)));
  });
}

void below_int8(const int8_t* in, int64_t blocks, int8_t bound, uint32_t* out) {
  const int8x16_t limit = vdupq_n_s8(bound);
  pack(in, blocks, out, [=](const int8_t* from) { return vcltq_s8(vld1q_s8(from), limit); });
}

using Kernel = TileKernel<Neon>;

}  // namespace

const Isa kNeon = {"neon",          Kernel::kChannels, Neon::kPixels, Neon::kMaxWords, Neon::kRepeat,
                   Kernel::conv_tile, signs_of_floats, below_int8};

}  // namespace lce
#endif
