// AVX-512 with VPOPCNTDQ (Intel Ice Lake, AMD Zen 4 and later): xor, count and add for 512 binary products.
#if defined(__x86_64__)
#include <immintrin.h>

#include "tile.h"

namespace lce {
namespace {

struct Avx512 {
  static constexpr int kLanes = 16, kVectors = 2, kPixels = 7, kRepeat = 1, kMaxWords = 1 << 24;
  static constexpr bool kOwnLoop = false;
  using Word = __m512i;
  using Counter = __m512i;
  using Int = __m512i;
  using Float = __m512;

  static Counter zero() { return _mm512_setzero_si512(); }
  static Word load_word(const uint32_t* from) { return _mm512_load_si512(from); }
  static Word broadcast(const uint32_t* from) { return _mm512_set1_epi32(static_cast<int>(*from)); }
  static void count(Counter& counter, const Word& filter, const Word& pixel) {
    counter = _mm512_add_epi32(counter, _mm512_popcnt_epi32(_mm512_xor_si512(filter, pixel)));
  }
  static Int widen(Counter counter) { return counter; }

  static __mmask16 first(int n) { return static_cast<__mmask16>((1 << n) - 1); }
  static Int load(const int32_t* from) { return _mm512_loadu_si512(from); }
  static Float load(const float* from) { return _mm512_loadu_ps(from); }
  static Float load_some(const float* from, int n) {
    return n >= kLanes ? _mm512_loadu_ps(from) : _mm512_maskz_loadu_ps(first(n), from);
  }
  static void store(int32_t* to, Int v) { _mm512_store_si512(to, v); }
  static void store_some(float* to, Float v, int n) {
    if (n >= kLanes)
      _mm512_storeu_ps(to, v);
    else
      _mm512_mask_storeu_ps(to, first(n), v);
  }
  static Int splat(int32_t value) { return _mm512_set1_epi32(value); }
  static Int add(Int a, Int b) { return _mm512_add_epi32(a, b); }
  static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static Float zeros() { return _mm512_setzero_ps(); }
  static Float max(Float a, Float b) { return _mm512_max_ps(a, b); }
  static Float multiply(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Int max(Int a, Int b) { return _mm512_max_epi32(a, b); }
  static Int min(Int a, Int b) { return _mm512_min_epi32(a, b); }
  static Float to_float(Int v) { return _mm512_cvtepi32_ps(v); }

  using Signs = uint32_t;
  static Signs greater(const Int (&a)[kVectors], const int32_t* b) {
    return _mm512_cmpgt_epi32_mask(a[0], load(b)) | uint32_t{_mm512_cmpgt_epi32_mask(a[1], load(b + kLanes))} << kLanes;
  }
  static Signs negative(const Float (&value)[kVectors]) { return negative(value[0]) | negative(value[1]) << kLanes; }
  static uint32_t negative(Float v) { return _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ); }
  template <int P>
  static void store_bits(const Signs (&signs)[P], uint32_t* bits) {
    for (int p = 0; p < P; ++p) bits[p] = signs[p];
  }

  static void store_int8(int8_t* to, const Float (&value)[kVectors]) {
    for (int v = 0; v < kVectors; ++v)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to) + v, _mm512_cvtepi32_epi8(round_to_int8(value[v])));
  }
  // As in isa_portable.cc.
  static Int round_to_int8(Float v) {
    const __mmask16 ordered = _mm512_cmp_ps_mask(v, v, _CMP_ORD_Q);
    const Float inside =
        _mm512_max_ps(_mm512_min_ps(_mm512_maskz_mov_ps(ordered, v), _mm512_set1_ps(127)), _mm512_set1_ps(-128));
    const Float sign = _mm512_and_ps(inside, _mm512_set1_ps(-0.0f));
    return _mm512_cvttps_epi32(_mm512_add_ps(inside, _mm512_or_ps(sign, _mm512_set1_ps(0.49999997f))));
  }
};

void signs_of_floats(const float* in, int64_t blocks, uint32_t* out) {
  for (int64_t b = 0; b < blocks; ++b, in += 32)
    out[b] = Avx512::negative(_mm512_loadu_ps(in)) | Avx512::negative(_mm512_loadu_ps(in + 16)) << 16;
}

void below_int8(const int8_t* in, int64_t blocks, int8_t bound, uint32_t* out) {
  for (int64_t b = 0; b < blocks; ++b)
    out[b] = _mm256_cmplt_epi8_mask(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + 32 * b)),
                                    _mm256_set1_epi8(bound));
}

using Kernel = TileKernel<Avx512>;

}  // namespace

const Isa kAvx512 = {"avx512",        Kernel::kChannels, Avx512::kPixels, Avx512::kMaxWords, Avx512::kRepeat,
                     Kernel::conv_tile, signs_of_floats, below_int8};

}  // namespace lce
#endif
