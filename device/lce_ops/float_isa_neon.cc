// XNNPACK has several kernels for a convolution here. For some numbers of pixels it takes one that splits each sum in four.
#if defined(__aarch64__)
#include <arm_neon.h>

#include <cstring>

#include "float_rows.h"
#include "float_tile.h"

namespace lce {
namespace {

struct Neon {
  static constexpr int kLanes = 4, kVectors = 4, kPixels = 6, kNarrow = 1, kRow = 6;
  using Float = float32x4_t;

  static Float load(const float* from) { return vld1q_f32(from); }
  static Float load_some(const float* from, int n) {
    if (n >= kLanes) return vld1q_f32(from);
    float lanes[kLanes] = {};
    std::memcpy(lanes, from, sizeof(float) * static_cast<size_t>(n));
    return vld1q_f32(lanes);
  }
  static void hold(Float& v) { asm("" : "+w"(v)); }
  static void store_some(float* to, Float v, int n) {
    if (n >= kLanes) return vst1q_f32(to, v);
    float lanes[kLanes];
    vst1q_f32(lanes, v);
    if (n > 0) std::memcpy(to, lanes, sizeof(float) * static_cast<size_t>(n));
  }
  static Float broadcast(float x) { return vdupq_n_f32(x); }
  static Float multiply_add(Float sum, Float a, Float b) { return vfmaq_f32(sum, a, b); }
  static Float max(Float a, Float b) { return vmaxq_f32(a, b); }
  static Float min(Float a, Float b) { return vminq_f32(a, b); }
  static Float multiply(Float a, Float b) { return vmulq_f32(a, b); }
  static uint32_t negative(Float v) {
    const uint32_t place[kLanes] = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(vcltzq_f32(v), vld1q_u32(place)));
  }
};

using Kernel = FloatKernel<Neon>;

}  // namespace

const FloatIsa kFloatNeon = {Kernel::kChannels,  Neon::kLanes,           Neon::kPixels,
 nullptr, Kernel::depthwise_row, Kernel::max_tile, Kernel::signs_of_products,
 add, multiply};

}  // namespace lce
#endif
