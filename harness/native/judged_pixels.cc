// Pixels as a judge meets them: on the way from one image to another, and as floats. Each is one pass over what it
// reads, so that memory, which is what it waits for, is read and written once.
#include <cstdint>

#include "../../device/lce_ops/cpu.h"
#include "library.h"

namespace {

template <class Rank>
INLINE void choose(const uint8_t* start, const uint8_t* end, const Rank* ranks, Rank step, int64_t count,
                   uint8_t* out) {
  for (int64_t i = 0; i < count; ++i) {
    const uint8_t gone = static_cast<uint8_t>(-(ranks[i] < step));  // all bits or none: compilers make vectors of that
    out[i] = start[i] ^ ((start[i] ^ end[i]) & gone);
  }
}

INLINE void scale(const uint8_t* pixels, const float* mean, const float* factors, int64_t rows, int64_t width,
                  float* out) {
  for (int64_t row = 0; row < rows; ++row, pixels += width, out += width)
    for (int64_t i = 0; i < width; ++i) out[i] = (static_cast<float>(pixels[i]) - mean[i]) * factors[i];
}

#if defined(__x86_64__)
#define WIDE __attribute__((target("avx2")))
template <class Rank>
WIDE void choose_wide(const uint8_t* start, const uint8_t* end, const Rank* ranks, Rank step, int64_t count,
                      uint8_t* out) {
  choose(start, end, ranks, step, count, out);
}
WIDE void scale_wide(const uint8_t* pixels, const float* mean, const float* factors, int64_t rows, int64_t width,
                     float* out) {
  scale(pixels, mean, factors, rows, width, out);
}
#endif

template <class Rank>
void between(const uint8_t* start, const uint8_t* end, const Rank* ranks, Rank step, int64_t count, uint8_t* out) {
#if defined(__x86_64__)
  if (lce::cpu().avx2) return choose_wide(start, end, ranks, step, count, out);
#endif
  choose(start, end, ranks, step, count, out);
}

}  // namespace

// Writes those of `end` where their rank is below the step, and of `start` elsewhere.
EXPORT void pixels_between_16(const uint8_t* start, const uint8_t* end, const uint16_t* ranks, uint16_t step,
                              int64_t count, uint8_t* out) {
  between(start, end, ranks, step, count, out);
}
EXPORT void pixels_between_32(const uint8_t* start, const uint8_t* end, const uint32_t* ranks, uint32_t step,
                              int64_t count, uint8_t* out) {
  between(start, end, ranks, step, count, out);
}

// Writes (pixel - mean) * factor, with means and factors for each place of a row.
EXPORT void scaled_pixels(const uint8_t* pixels, const float* mean, const float* factors, int64_t rows, int64_t width,
                          float* out) {
#if defined(__x86_64__)
  if (lce::cpu().avx2) return scale_wide(pixels, mean, factors, rows, width, out);
#endif
  scale(pixels, mean, factors, rows, width, out);
}
