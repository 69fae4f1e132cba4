// NEON, as every aarch64 CPU has it: xor, byte counts and a widening accumulate for 128 binary products. The dot
// product of newer cores would replace the accumulate, not lower the number.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "tile.h"

namespace lce {
namespace {

struct Neon {
  // A 16-bit lane counts at most 16 per word: 4095 words reach 65520.
  static constexpr int kLanes = 4, kVectors = 4, kPixels = 4, kRepeat = 4, kMaxWords = 4095;
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
  static Int add(Int a, Int b) { return vaddq_s32(a, b); }
  static Float add(Float a, Float b) { return vaddq_f32(a, b); }
  static Float zeros() { return vdupq_n_f32(0); }
  static Float max(Float a, Float b) { return vmaxq_f32(a, b); }
  static Float multiply(Float a, Float b) { return vmulq_f32(a, b); }
  static Int clamp(Int v, int32_t low, int32_t high) {
    return vmaxq_s32(vminq_s32(v, vdupq_n_s32(high)), vdupq_n_s32(low));
  }
  static Float to_float(Int v) { return vcvtq_f32_s32(v); }
  static uint32_t lanes_to_bits(uint32x4_t lanes) {
    const uint32_t weights[kLanes] = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(lanes, vld1q_u32(weights)));
  }
  static uint32_t greater(Int a, Int b) { return lanes_to_bits(vcgtq_s32(a, b)); }
  static uint32_t negative(Float v) { return lanes_to_bits(vcltzq_f32(v)); }
  // To nearest, half away from zero; NaN gives 0.
  static Int round_to_int8(Float v) {
    const Float inside = vmaxq_f32(vminq_f32(v, vdupq_n_f32(127)), vdupq_n_f32(-128));
    return vcvtaq_s32_f32(inside);
  }
};

// Byte k of each half becomes bit k.
uint32_t bytes_to_bits(uint8x16_t low, uint8x16_t high) {
  const uint8_t powers[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t weights = vld1q_u8(powers);
  uint8x16_t sums = vpaddq_u8(vandq_u8(low, weights), vandq_u8(high, weights));
  sums = vpaddq_u8(sums, sums);
  sums = vpaddq_u8(sums, sums);
  return vgetq_lane_u32(vreinterpretq_u32_u8(sums), 0);
}

uint8x16_t negative_bytes(const float* in) {
  const uint16x8_t a = vuzp1q_u16(vreinterpretq_u16_u32(vcltzq_f32(vld1q_f32(in))),
                                  vreinterpretq_u16_u32(vcltzq_f32(vld1q_f32(in + 4))));
  const uint16x8_t b = vuzp1q_u16(vreinterpretq_u16_u32(vcltzq_f32(vld1q_f32(in + 8))),
                                  vreinterpretq_u16_u32(vcltzq_f32(vld1q_f32(in + 12))));
  return vuzp1q_u8(vreinterpretq_u8_u16(a), vreinterpretq_u8_u16(b));
}

void signs_of_floats(const float* in, int64_t blocks, uint32_t* out) {
  for (int64_t b = 0; b < blocks; ++b)
    out[b] = bytes_to_bits(negative_bytes(in + 32 * b), negative_bytes(in + 32 * b + 16));
}

void below_int8(const int8_t* in, int64_t blocks, int8_t bound, uint32_t* out) {
  const int8x16_t limit = vdupq_n_s8(bound);
  for (int64_t b = 0; b < blocks; ++b)
    out[b] = bytes_to_bits(vcltq_s8(vld1q_s8(in + 32 * b), limit), vcltq_s8(vld1q_s8(in + 32 * b + 16), limit));
}

using Kernel = TileKernel<Neon>;

}  // namespace

const Isa kNeon = {"neon",          Kernel::kChannels, Neon::kPixels, Neon::kMaxWords, Neon::kRepeat,
                   Kernel::conv_tile, signs_of_floats, below_int8};

}  // namespace lce
#endif
