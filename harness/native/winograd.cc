// 3x3 convolutions of floats by Winograd's F(4x4, 3x3): 36 products where the definition has 144
// (Lavin & Gray 2015, arXiv:1509.09308).
//
// Tiles of 4x4 outputs are worked on in blocks: their 6x6 inputs are transformed, each of the 36 places is a product of
// two matrices, and the products are transformed back. A block and one place's weights stay in the caches, and channels
// are the lanes of vectors throughout.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../../device/lce_ops/cpu.h"

#define INLINE static inline __attribute__((always_inline))
#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

constexpr int kOut = 4, kIn = 6, kPlaces = kIn * kIn;
constexpr int kLanes = 16;                // channels transformed together
// Memory of a thread: little, which stays in a near cache, or much where a block must outweigh the weights read for it.
constexpr int64_t kLeastBlockFloats = 1 << 16, kMostBlockFloats = 1 << 22, kWeightsPerBlock = 2;

typedef float Lanes __attribute__((vector_size(4 * kLanes)));
typedef float Anywhere __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));

// As `harness/native/winograd.py` lays it out.
struct Convolution {
  int64_t height, width, channels;  // of the input
  int64_t top, left;                // zeros before it
  int64_t out_height, out_width, out_channels;
  int64_t tiles_down, tiles_across;
};

INLINE Lanes load(const float* from, int64_t count) {
  if (count >= kLanes) return *reinterpret_cast<const Anywhere*>(from);
  Lanes lanes = {};
  std::memcpy(&lanes, from, sizeof(float) * static_cast<size_t>(count));
  return lanes;
}

INLINE void store(float* to, const Lanes& lanes, int64_t count) {
  if (count >= kLanes)
    *reinterpret_cast<Anywhere*>(to) = lanes;
  else
    std::memcpy(to, &lanes, sizeof(float) * static_cast<size_t>(count));
}

// Six values of one axis, `step` apart.
INLINE void transform_in(Lanes* d, int step) {
  const Lanes d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
  const Lanes even = d4 - 4 * d2, odd = d3 - 4 * d1, even2 = d4 - d2, odd2 = 2 * (d3 - d1);
  d[0] = 4 * d0 - 5 * d2 + d4;
  d[step] = even + odd;
  d[2 * step] = even - odd;
  d[3 * step] = even2 + odd2;
  d[4 * step] = even2 - odd2;
  d[5 * step] = 4 * d1 - 5 * d3 + d5;
}

INLINE void transform_out(const Lanes* m, int step, Lanes* y, int y_step) {
  const Lanes sum = m[step] + m[2 * step], difference = m[step] - m[2 * step];
  const Lanes sum2 = m[3 * step] + m[4 * step], difference2 = m[3 * step] - m[4 * step];
  y[0] = m[0] + sum + sum2;
  y[y_step] = difference + 2 * difference2;
  y[2 * y_step] = sum + 4 * sum2;
  y[3 * y_step] = difference + 8 * difference2 + m[5 * step];
}

struct Place {
  int64_t image, y, x;  // of the tile's first output
};

INLINE Place place_of(const Convolution& c, int64_t tile) {
  const int64_t per_image = c.tiles_down * c.tiles_across, inside = tile % per_image;
  return {tile / per_image, inside / c.tiles_across * kOut, inside % c.tiles_across * kOut};
}

// values[place][tile of the block][channel]
INLINE void tile_in(const Convolution& c, const float* in, int64_t tile, int64_t row, float* values, int64_t rows) {
  const Place at = place_of(c, tile);
  for (int64_t first = 0; first < c.channels; first += kLanes) {
    const int64_t count = c.channels - first;
    Lanes d[kPlaces];
    for (int i = 0; i < kIn; ++i)
      for (int j = 0; j < kIn; ++j) {
        const int64_t y = at.y + i - c.top, x = at.x + j - c.left;
        const bool inside = y >= 0 && y < c.height && x >= 0 && x < c.width;
        const float* pixel = in + ((at.image * c.height + y) * c.width + x) * c.channels;
        d[i * kIn + j] = inside ? load(pixel + first, count) : Lanes{};
      }
    for (int j = 0; j < kIn; ++j) transform_in(d + j, kIn);
    for (int i = 0; i < kIn; ++i) transform_in(d + i * kIn, 1);
    for (int k = 0; k < kPlaces; ++k) store(values + (k * rows + row) * c.channels + first, d[k], count);
  }
}

// products[place][tile of the block][channel], rows of `width` floats
INLINE void tile_out(const Convolution& c, const float* products, int64_t rows, int64_t width, int64_t row,
                     int64_t tile, float* out) {
  const Place at = place_of(c, tile);
  for (int64_t first = 0; first < c.out_channels; first += kLanes) {
    const int64_t count = c.out_channels - first;
    Lanes m[kPlaces], half[kOut * kIn], y[kOut * kOut];
    for (int k = 0; k < kPlaces; ++k) m[k] = load(products + (k * rows + row) * width + first, kLanes);
    for (int j = 0; j < kIn; ++j) transform_out(m + j, kIn, half + j, kIn);
    for (int i = 0; i < kOut; ++i) transform_out(half + i * kIn, 1, y + i * kOut, 1);
    for (int i = 0; i < kOut && at.y + i < c.out_height; ++i)
      for (int j = 0; j < kOut && at.x + j < c.out_width; ++j)
        store(out + ((at.image * c.out_height + at.y + i) * c.out_width + at.x + j) * c.out_channels + first,
              y[i * kOut + j], count);
  }
}

// R rows of `a` times one panel of `b`: [depth][N vectors]. All sums stay in registers.
template <int R, int N, int kBytes>
INLINE void panel_product(const float* a, int64_t depth, const float* b, float* to, int64_t width) {
  typedef float Vector __attribute__((vector_size(kBytes)));
  typedef float Unaligned __attribute__((vector_size(kBytes), aligned(4), may_alias));
  constexpr int kWidth = kBytes / 4;
  Vector sums[R][N] = {};
  for (int64_t k = 0; k < depth; ++k) {
    Vector weights[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) weights[n] = *reinterpret_cast<const Unaligned*>(b + (k * N + n) * kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sums[r][n] += a[r * depth + k] * weights[n];
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) *reinterpret_cast<Unaligned*>(to + r * width + n * kWidth) = sums[r][n];
}

template <int R, int N, int kBytes>
INLINE void convolve(const Convolution& c, const float* in, const float* weights, float* out, int64_t first_tile,
                     int64_t last_tile) {
  constexpr int64_t kPanel = N * kBytes / 4;
  static_assert(kPanel % kLanes == 0);
  const int64_t panels = (c.out_channels + kPanel - 1) / kPanel, width = panels * kPanel;
  const int64_t floats =
      std::clamp(kPlaces * c.channels * width / kWeightsPerBlock, kLeastBlockFloats, kMostBlockFloats);
  const int64_t fitting = floats / (kPlaces * (c.channels + width));
  const int64_t rows = std::max<int64_t>(1, fitting / R) * R;
  static thread_local std::vector<float> memory;  // kept: fresh pages cost a tenth of a small convolution
  memory.resize(std::max(memory.size(), static_cast<size_t>(kPlaces * rows * (c.channels + width))));
  float *values = memory.data(), *products = values + kPlaces * rows * c.channels;
  for (int64_t tile = first_tile; tile < last_tile; tile += rows) {
    const int64_t present = std::min(rows, last_tile - tile);
    for (int64_t row = 0; row < present; ++row) tile_in(c, in, tile + row, row, values, rows);
    for (int64_t k = 0; k < kPlaces; ++k)
      for (int64_t panel = 0; panel < panels; ++panel)
        for (int64_t row = 0; row < present; row += R)  // rows beyond those present hold what was there before
          panel_product<R, N, kBytes>(values + (k * rows + row) * c.channels, c.channels,
                                      weights + (k * panels + panel) * c.channels * kPanel,
                                      products + (k * rows + row) * width + panel * kPanel, width);
    for (int64_t row = 0; row < present; ++row) tile_out(c, products, rows, width, row, tile + row, out);
  }
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void convolve_avx512(const Convolution& c, const float* in, const float* weights,
                                                        float* out, int64_t first, int64_t last) {
  convolve<6, 4, 64>(c, in, weights, out, first, last);
}
__attribute__((target("avx2,fma"))) void convolve_avx2(const Convolution& c, const float* in, const float* weights,
                                                       float* out, int64_t first, int64_t last) {
  convolve<6, 2, 32>(c, in, weights, out, first, last);
}
#endif
void convolve_plain(const Convolution& c, const float* in, const float* weights, float* out, int64_t first,
                    int64_t last) {
  convolve<6, 4, 16>(c, in, weights, out, first, last);
}

struct Kernel {
  void (*convolve)(const Convolution&, const float*, const float*, float*, int64_t, int64_t);
  int32_t panel;
};

Kernel kernel() {
#if defined(__x86_64__)
  if (lce::cpu().avx512f) return {convolve_avx512, 64};
  if (lce::cpu().avx2 && lce::cpu().fma) return {convolve_avx2, 16};
#endif
  return {convolve_plain, 16};
}

}  // namespace

// Output channels per panel of the weights: (36, panels, channels, panel).
EXPORT int32_t winograd_panel() { return kernel().panel; }

// Writes the outputs of the tiles [first, last).
EXPORT void winograd_convolve(const Convolution* c, const float* in, const float* weights, float* out, int64_t first,
                              int64_t last) {
  kernel().convolve(*c, in, weights, out, first, last);
}
