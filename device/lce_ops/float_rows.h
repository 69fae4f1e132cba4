// Loops that compilers make vectors of: of those instructions that the including file is compiled for.
#pragma once

#include <cstdint>

namespace lce {
namespace {

// Out of the operands may be the left one.
void add(const float* left, const float* right, int64_t count, float least, float* out) {
  for (int64_t i = 0; i < count; ++i) {
    const float sum = left[i] + right[i];
    out[i] = least > sum ? least : sum;
  }
}

void multiply(const float* in, const float* factors, int64_t pixels, int64_t channels, float* out) {
  for (; pixels > 0; --pixels, in += channels, out += channels)
    for (int64_t c = 0; c < channels; ++c) out[c] = in[c] * factors[c];
}

}  // namespace
}  // namespace lce
