// The sum at the end of a residual block in one pass over its maps: batch norms before it, and the ReLU after it.
#include <cstdint>
#include <cstring>

#include "../../device/lce_ops/cpu.h"
#include "library.h"

namespace {

// A map, and its batch norm by channels where `mean` is given.
struct Term {
  const float *values, *mean, *inverse, *scale, *shift;  // inverse: of the standard deviation
};

template <int kBytes>
struct Lanes {
  typedef float Vector __attribute__((vector_size(kBytes), aligned(4), may_alias));

  INLINE Vector at(const float* from) { return *reinterpret_cast<const Vector*>(from); }

  // The order of these operations is oneDNN's: last bits depend on it.
  INLINE Vector normalized(const Term& term, int64_t value, int64_t channel) {
    const Vector values = at(term.values + value);
    if (!term.mean) return values;
    const Vector normal = (values - at(term.mean + channel)) * at(term.inverse + channel);
    return normal * at(term.scale + channel) + at(term.shift + channel);
  }
};

template <int kBytes>
INLINE void sum(const Term& left, const Term& right, int64_t channels, bool is_rectified, float* out, int64_t first,
                int64_t last) {
  typedef typename Lanes<kBytes>::Vector Vector;
  for (int64_t pixel = first; pixel < last; ++pixel)
    for (int64_t channel = 0; channel < channels; channel += kBytes / 4) {
      const int64_t value = pixel * channels + channel;
      const Vector normal = Lanes<kBytes>::normalized(left, value, channel);
      Vector total = normal + Lanes<kBytes>::normalized(right, value, channel);
      if (is_rectified) total = total < 0 ? Vector{} : total;  // NaN stays NaN
      *reinterpret_cast<Vector*>(out + value) = total;
    }
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void sum_avx512(const Term& left, const Term& right, int64_t channels,
                                                   bool is_rectified, float* out, int64_t first, int64_t last) {
  sum<64>(left, right, channels, is_rectified, out, first, last);
}
__attribute__((target("avx2,fma"))) void sum_avx2(const Term& left, const Term& right, int64_t channels,
                                                  bool is_rectified, float* out, int64_t first, int64_t last) {
  sum<32>(left, right, channels, is_rectified, out, first, last);
}
#endif
void sum_plain(const Term& left, const Term& right, int64_t channels, bool is_rectified, float* out, int64_t first,
               int64_t last) {
  sum<16>(left, right, channels, is_rectified, out, first, last);
}

// A call's numbers. The channels are a multiple of 16.
struct Sum {
  int64_t pixels, channels;  // pixels: of an image
  int64_t is_rectified;
};

const Sum& described(const floats::Call& call) { return *reinterpret_cast<const Sum*>(call.numbers); }

int64_t pixels(const floats::Call& call) { return call.images * described(call).pixels; }

void run(const floats::Call& call, int64_t first, int64_t last) {
  Term terms[2];
  std::memcpy(terms, call.maps, sizeof(terms));
  const auto& [left, right] = terms;
  const int64_t channels = described(call).channels;
  const bool is_rectified = described(call).is_rectified;
#if defined(__x86_64__)
  if (lce::cpu().avx512f) return sum_avx512(left, right, channels, is_rectified, call.out, first, last);
  if (lce::cpu().avx2 && lce::cpu().fma)
    return sum_avx2(left, right, channels, is_rectified, call.out, first, last);
#endif
  sum_plain(left, right, channels, is_rectified, call.out, first, last);
}

}  // namespace

// Its parts are pixels. In place: the values of both terms.
const floats::Function floats::residual_sum{pixels, run, 1 | 1 << 5};
