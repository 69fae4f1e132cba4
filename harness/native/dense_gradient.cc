// The way back through a dense layer: gradients by its outputs times its weights as they lie in memory. There are few
// images for many weights, so that memory is what it waits for, and each row of weights is read once.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "../../device/lce_ops/cpu.h"
#include "library.h"

namespace {

constexpr int kRows = 4, kImages = 4;  // of weights and of gradients that are worked on together

// Sums of products of kRows rows of weights with kImages rows of gradients, in registers throughout.
template <int kBytes>
INLINE void products(const float* const* weights, const float* const* gradients, int64_t depth,
                     float (*to)[kImages]) {
  typedef float Vector __attribute__((vector_size(kBytes)));
  typedef float Unaligned __attribute__((vector_size(kBytes), aligned(4), may_alias));
  constexpr int64_t kWidth = kBytes / 4;
  Vector sums[kRows][kImages] = {};
  int64_t k = 0;
  for (; k + kWidth <= depth; k += kWidth) {
    Vector w[kRows];
    for (int i = 0; i < kRows; ++i) {
      __builtin_prefetch(weights[i] + kRows * depth + k, 0, 2);  // the rows that come next
      w[i] = *reinterpret_cast<const Unaligned*>(weights[i] + k);
    }
    for (int j = 0; j < kImages; ++j) {
      const Vector g = *reinterpret_cast<const Unaligned*>(gradients[j] + k);
      for (int i = 0; i < kRows; ++i) sums[i][j] += w[i] * g;
    }
  }
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kImages; ++j) {
      float lanes[kWidth];
      std::memcpy(lanes, &sums[i][j], sizeof(lanes));
      to[i][j] = 0;
      for (int64_t lane = 0; lane < kWidth; ++lane) to[i][j] += lanes[lane];
      for (int64_t rest = k; rest < depth; ++rest) to[i][j] += weights[i][rest] * gradients[j][rest];
    }
}

template <int kBytes>
INLINE void go_back(const float* gradients, int64_t images, const float* weights, int64_t depth, float* out,
                    int64_t inputs, int64_t first, int64_t last) {
  for (int64_t row = first; row < last; row += kRows)
    for (int64_t image = 0; image < images; image += kImages) {
      // At an edge the last one is repeated, and its sum written once.
      const float *w[kRows], *g[kImages];
      for (int i = 0; i < kRows; ++i) w[i] = weights + std::min(row + i, last - 1) * depth;
      for (int j = 0; j < kImages; ++j) g[j] = gradients + std::min(image + j, images - 1) * depth;
      float sums[kRows][kImages];
      products<kBytes>(w, g, depth, sums);
      for (int i = 0; i < kRows && row + i < last; ++i)
        for (int j = 0; j < kImages && image + j < images; ++j) out[(image + j) * inputs + row + i] = sums[i][j];
    }
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void back_avx512(const float* gradients, int64_t images, const float* weights,
                                                    int64_t depth, float* out, int64_t inputs, int64_t first,
                                                    int64_t last) {
  go_back<64>(gradients, images, weights, depth, out, inputs, first, last);
}
__attribute__((target("avx2,fma"))) void back_avx2(const float* gradients, int64_t images, const float* weights,
                                                   int64_t depth, float* out, int64_t inputs, int64_t first,
                                                   int64_t last) {
  go_back<32>(gradients, images, weights, depth, out, inputs, first, last);
}
#endif
void back_plain(const float* gradients, int64_t images, const float* weights, int64_t depth, float* out,
                int64_t inputs, int64_t first, int64_t last) {
  go_back<16>(gradients, images, weights, depth, out, inputs, first, last);
}

// A call's numbers.
struct Weights {
  int64_t inputs, depth;
};

const Weights& described(const floats::Call& call) { return *reinterpret_cast<const Weights*>(call.numbers); }

int64_t rows(const floats::Call& call) { return described(call).inputs; }

// maps: gradients (images, depth), weights (inputs, depth); out (images, inputs).
void run(const floats::Call& call, int64_t first, int64_t last) {
  const auto [inputs, depth] = described(call);
  const float *gradients = call.maps[0], *weights = call.maps[1];
#if defined(__x86_64__)
  if (lce::cpu().avx512f)
    return back_avx512(gradients, call.images, weights, depth, call.out, inputs, first, last);
  if (lce::cpu().avx2 && lce::cpu().fma)
    return back_avx2(gradients, call.images, weights, depth, call.out, inputs, first, last);
#endif
  back_plain(gradients, call.images, weights, depth, call.out, inputs, first, last);
}

}  // namespace

// Its parts are rows of weights.
const floats::Function floats::dense_gradient{rows, run};
