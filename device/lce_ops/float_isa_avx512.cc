#if defined(__x86_64__)
#include <immintrin.h>

#include "float_rows.h"
#include "float_tile.h"

namespace lce {
namespace {

struct Avx512 {
  static constexpr int kLanes = 16, kVectors = 2, kPixels = 8, kNarrow = 2, kRow = 8;
  using Float = __m512;

  static __mmask16 first(int n) { return static_cast<__mmask16>((1 << n) - 1); }
  static Float load(const float* from) { return _mm512_loadu_ps(from); }
  static Float load_some(const float* from, int n) {
    return n >= kLanes ? _mm512_loadu_ps(from) : _mm512_maskz_loadu_ps(first(n), from);
  }
  // In a register: compilers would load it again for each use.
  static void hold(Float& v) { asm("" : "+v"(v)); }
  static void store_some(float* to, Float v, int n) {
    if (n >= kLanes)
      _mm512_storeu_ps(to, v);
    else
      _mm512_mask_storeu_ps(to, first(n), v);
  }
  static Float broadcast(float x) { return _mm512_set1_ps(x); }
  static Float scalar(const float* from) { return _mm512_set1_ps(*from); }
  static Float multiply_add(Float sum, Float a, Float b) { return _mm512_fmadd_ps(a, b, sum); }
  static Float max(Float a, Float b) { return _mm512_max_ps(a, b); }
  static Float min(Float a, Float b) { return _mm512_min_ps(a, b); }
  static Float multiply(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float scale_negative(Float v, Float by) {
    return _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ), v, by);
  }
  static uint32_t negative(Float v) { return _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ); }
};

using Kernel = FloatKernel<Avx512>;

}  // namespace

const FloatIsa kFloatAvx512 = {Kernel::kChannels,  Avx512::kLanes,           Avx512::kPixels,
 Kernel::conv, Kernel::depthwise_row, Kernel::max_tile, Kernel::signs_of_products,
 add, multiply};

}  // namespace lce
#endif
