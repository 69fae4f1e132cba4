// What is wrong with a graph or a request, in one sentence; reported through the runtime at the C boundary.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace lce {

struct Refusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void require(bool condition, const char* sentence) {
  if (!condition) throw Refusal(sentence);
}

// Sizes stay below this, so that sums of two of them, doubled, still fit 32 bits.
constexpr int64_t kMaxSize = int64_t{1} << 29;

inline int64_t checked_product(int64_t a, int64_t b) {
  int64_t product;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product) || product > kMaxSize)
    throw Refusal("a size is negative or beyond 2^29 elements");
  return product;
}

}  // namespace lce
