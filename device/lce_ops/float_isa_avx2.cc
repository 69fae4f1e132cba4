// AVX2 with FMA.
#if defined(__x86_64__)
#include <immintrin.h>

#include "float_rows.h"
#include "float_tile.h"

namespace lce {
namespace {

struct Avx2 {
  static constexpr int kLanes = 8, kVectors = 2, kPixels = 6, kNarrow = 2, kRow = 4;
  using Float = __m256;

  static __m256i first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Float load(const float* from) { return _mm256_loadu_ps(from); }
  static Float load_some(const float* from, int n) {
    return n >= kLanes ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, first(n));
  }
  static void hold(Float& v) { asm("" : "+x"(v)); }
  static void store_some(float* to, Float v, int n) {
    if (n >= kLanes)
      _mm256_storeu_ps(to, v);
    else
      _mm256_maskstore_ps(to, first(n), v);
  }
  static Float broadcast(float x) { return _mm256_set1_ps(x); }
  static Float scalar(const float* from) { return _mm256_broadcast_ss(from); }
  static Float multiply_add(Float sum, Float a, Float b) { return _mm256_fmadd_ps(a, b, sum); }
  static Float max(Float a, Float b) { return _mm256_max_ps(a, b); }
  static Float min(Float a, Float b) { return _mm256_min_ps(a, b); }
  static Float multiply(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float scale_negative(Float v, Float by) {
    return _mm256_blendv_ps(v, _mm256_mul_ps(v, by), _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_LT_OQ));
  }
  static uint32_t negative(Float v) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_LT_OQ)));
  }
};

using Kernel = FloatKernel<Avx2>;

}  // namespace

const FloatIsa kFloatAvx2 = {Kernel::kChannels,  Avx2::kLanes,           Avx2::kPixels,
 Kernel::conv, Kernel::depthwise_row, Kernel::max_tile, Kernel::signs_of_products,
 add, multiply};

}  // namespace lce
#endif
