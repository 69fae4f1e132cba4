// AVX2: bits are counted by looking both halves of each byte up in a table.
#if defined(__x86_64__)
#include <immintrin.h>

#include "tile.h"

namespace lce {
namespace {

struct Avx2 {
  // A byte counts at most 8 per word: 31 words reach 248.
  static constexpr int kLanes = 8, kVectors = 2, kPixels = 4, kRepeat = 1, kMaxWords = 31;
  static constexpr bool kOwnLoop = false;
  using Word = __m256i;
  using Counter = __m256i;  // 32 bytes
  using Int = __m256i;
  using Float = __m256;

  static Counter zero() { return _mm256_setzero_si256(); }
  static Word load_word(const uint32_t* from) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(from)); }
  static Word broadcast(const uint32_t* from) { return _mm256_set1_epi32(static_cast<int>(*from)); }
  static void count(Counter& counter, const Word& filter, const Word& pixel) {
    const __m256i ones = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2,
                                          2, 3, 2, 3, 3, 4);
    const __m256i low_half = _mm256_set1_epi8(15);
    const __m256i differing = _mm256_xor_si256(filter, pixel);
    const __m256i low = _mm256_shuffle_epi8(ones, _mm256_and_si256(differing, low_half));
    const __m256i high = _mm256_shuffle_epi8(ones, _mm256_and_si256(_mm256_srli_epi32(differing, 4), low_half));
    counter = _mm256_add_epi8(counter, _mm256_add_epi8(low, high));
  }
  static Int widen(Counter counter) {
    const __m256i pairs = _mm256_maddubs_epi16(counter, _mm256_set1_epi8(1));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  }

  static __m256i first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Int load(const int32_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }
  static Float load(const float* from) { return _mm256_loadu_ps(from); }
  static Float load_some(const float* from, int n) {
    return n >= kLanes ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, first(n));
  }
  static void store(int32_t* to, Int v) { _mm256_store_si256(reinterpret_cast<__m256i*>(to), v); }
  static void store_some(float* to, Float v, int n) {
    if (n >= kLanes)
      _mm256_storeu_ps(to, v);
    else
      _mm256_maskstore_ps(to, first(n), v);
  }
  static Int splat(int32_t value) { return _mm256_set1_epi32(value); }
  static Int add(Int a, Int b) { return _mm256_add_epi32(a, b); }
  static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static Float zeros() { return _mm256_setzero_ps(); }
  static Float max(Float a, Float b) { return _mm256_max_ps(a, b); }
  static Float multiply(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Int max(Int a, Int b) { return _mm256_max_epi32(a, b); }
  static Int min(Int a, Int b) { return _mm256_min_epi32(a, b); }
  static Float to_float(Int v) { return _mm256_cvtepi32_ps(v); }
  static uint32_t greater(Int a, Int b) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(a, b))));
  }
  static uint32_t negative(Float v) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_LT_OQ)));
  }

  using Signs = uint32_t;
  static Signs greater(const Int (&a)[kVectors], const int32_t* b) {
    return greater(a[0], load(b)) | greater(a[1], load(b + kLanes)) << kLanes;
  }
  static Signs negative(const Float (&value)[kVectors]) { return negative(value[0]) | negative(value[1]) << kLanes; }
  template <int P>
  static void store_bits(const Signs (&signs)[P], uint32_t* bits) {
    for (int p = 0; p < P; ++p) bits[p] = signs[p];
  }

  static void store_int8(int8_t* to, const Float (&value)[kVectors]) {
    // Packing goes by halves of a vector.
    const __m256i mixed = _mm256_packs_epi32(round_to_int8(value[0]), round_to_int8(value[1]));
    const __m256i words = _mm256_permute4x64_epi64(mixed, 0xD8);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                     _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
  }
  // As in isa_portable.cc.
  static Int round_to_int8(Float v) {
    const Float number = _mm256_and_ps(v, _mm256_cmp_ps(v, v, _CMP_ORD_Q));
    const Float inside = _mm256_max_ps(_mm256_min_ps(number, _mm256_set1_ps(127)), _mm256_set1_ps(-128));
    const Float sign = _mm256_and_ps(inside, _mm256_set1_ps(-0.0f));
    return _mm256_cvttps_epi32(_mm256_add_ps(inside, _mm256_or_ps(sign, _mm256_set1_ps(0.49999997f))));
  }
};

void signs_of_floats(const float* in, int64_t blocks, uint32_t* out) {
  for (int64_t b = 0; b < blocks; ++b, in += 32) {
    uint32_t bits = 0;
    for (int v = 0; v < 4; ++v) bits |= Avx2::negative(_mm256_loadu_ps(in + 8 * v)) << (8 * v);
    out[b] = bits;
  }
}

void below_int8(const int8_t* in, int64_t blocks, int8_t bound, uint32_t* out) {
  for (int64_t b = 0; b < blocks; ++b) {
    const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + 32 * b));
    out[b] = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpgt_epi8(_mm256_set1_epi8(bound), values)));
  }
}

using Kernel = TileKernel<Avx2>;

}  // namespace

const Isa kAvx2 = {"avx2",          Kernel::kChannels, Avx2::kPixels, Avx2::kMaxWords, Avx2::kRepeat,
                   Kernel::conv_tile, signs_of_floats, below_int8};

}  // namespace lce
#endif
