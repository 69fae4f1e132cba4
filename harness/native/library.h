// What the functions of the library have in common.
#pragma once

#include <cstddef>
#include <cstdint>

#define INLINE static inline __attribute__((always_inline))
#define EXPORT extern "C" __attribute__((visibility("default")))

namespace floats {

// What a function is given, as its Python module lays it out.
struct Call {
  const int64_t* numbers;
  const float* const* maps;  // null where there is none
  float* out;
  int64_t images;
  void* state;  // that `start` made, for this call alone
};

// A function can share its work: it has so many parts for a call, and does those of [first, last).
struct Function {
  int64_t (*parts)(const Call& call);
  void (*run)(const Call& call, int64_t first, int64_t last);
  uint64_t in_place = 0;  // a bit for each map that may lie where `out` does: each float is read before it is written
  // If it has a state: made from a call, null if that fails, and used for others with the same numbers.
  void* (*start)(const Call& call) = nullptr;
  void (*stop)(const int64_t* numbers, void* state) = nullptr;
};

extern const Function convolution, dense_gradient, residual_sum, sign_convolution;

}  // namespace floats
