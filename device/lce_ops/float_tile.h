// The float kernels' inner parts, written once for all instruction sets; V names the vectors of one of them: kLanes
// floats each, kVectors of them per panel, kPixels pixels per tile (kNarrow times as many if it is one vector wide).
// A file that includes this one must give V internal linkage (an unnamed namespace).
#pragma once

#include <algorithm>

#include "bits.h"
#include "float_isa.h"

namespace lce {

template <class V>
struct FloatKernel {
  static int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

  static constexpr int kChannels = V::kLanes * V::kVectors;
  using Float = typename V::Float;
  static_assert(V::kPixels <= kMaxFloatPixels);

  static inline Float clamp(Float v, Float low, Float high) { return V::min(high, V::max(low, v)); }

  // There is at least one run, of at least one value.
  template <int P, int N>
  static inline const char* sum(const FloatPanel& panel, const FloatPixels& at, Float (&sums)[P][N]) {
    const float* in[P];
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) in[p] = at.in + p * at.in_step;
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      const Float bias = V::load(panel.bias + n * V::kLanes);
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p) sums[p][n] = bias;
    }
    const float* weights = panel.weights;
    const char* ahead = at.ahead;
    const FloatRun* run = at.runs;
    const FloatRun* const end = run + at.run_count;
    do {
      int64_t i = run->offset;
      const int64_t last = i + run->count;
      do {
        Float filter[N];
#pragma GCC unroll 8
        for (int n = 0; n < N; ++n) filter[n] = V::load(weights + n * V::kLanes);
        weights += N * V::kLanes;
        __builtin_prefetch(ahead, 0, 2);
        ahead += at.ahead_step;
#pragma GCC unroll 16
        for (int p = 0; p < P; ++p) {
          const auto value = V::scalar(in[p] + i);
#pragma GCC unroll 8
          for (int n = 0; n < N; ++n) sums[p][n] = V::multiply_add(sums[p][n], filter[n], value);
        }
      } while (++i < last);
    } while (++run < end);
    return ahead;
  }

  // Tiles of P pixels, and goes to the pixel behind them.
  template <int P, int N, bool kSlopes>
  static void conv_tiles(const FloatPanel& panel, FloatPixels& first, int64_t tiles) {
    FloatPixels at = first;  // of which the compiler knows that what is stored is elsewhere
    const Float low = V::broadcast(panel.low), high = V::broadcast(panel.high);
    const auto finished = [&](Float sum, int n) {
      const Float clamped = clamp(sum, low, high);
      if constexpr (kSlopes) return V::scale_negative(clamped, V::load(panel.slopes + n * V::kLanes));
      return clamped;
    };
    const int last = panel.channels - (N - 1) * V::kLanes;  // of the last vector, which alone may be incomplete
    for (; tiles > 0; --tiles) {
      Float sums[P][N];
      at.ahead = sum(panel, at, sums);
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p) {
        float* out = at.out + p * at.out_step;
#pragma GCC unroll 8
        for (int n = 0; n + 1 < N; ++n) V::store_some(out + n * V::kLanes, finished(sums[p][n], n), V::kLanes);
        V::store_some(out + (N - 1) * V::kLanes, finished(sums[p][N - 1], N - 1), last);
      }
      at.in += P * at.in_step;
      at.out += P * at.out_step;
    }
    first = at;
  }

  template <int P, int N, bool kSlopes>
  static void conv_tiles_of(const FloatPanel& panel, FloatPixels& at, int64_t size, int64_t tiles) {
    if constexpr (P > 1)
      if (size < P) return conv_tiles_of<P - 1, N, kSlopes>(panel, at, size, tiles);
    conv_tiles<P, N, kSlopes>(panel, at, tiles);
  }

  // All tiles are about as large as the largest must be.
  template <int N, bool kSlopes>
  static void conv_of(const FloatPanel& panel, FloatPixels& at) {
    if constexpr (N > 1)
      if (panel.channels <= (N - 1) * V::kLanes) return conv_of<N - 1, kSlopes>(panel, at);
    constexpr int kMost = V::kPixels * (N == 1 ? V::kNarrow : 1);
    const int64_t tiles = up(at.pixels, kMost), size = up(at.pixels, tiles);
    const int64_t smaller = size * tiles - at.pixels;
    conv_tiles_of<kMost, N, kSlopes>(panel, at, size, tiles - smaller);
    if (smaller > 0) conv_tiles_of<kMost, N, kSlopes>(panel, at, size - 1, smaller);
  }

  static void conv(const FloatPanel& panel, FloatPixels& at) {
    panel.slopes ? conv_of<V::kVectors, true>(panel, at) : conv_of<V::kVectors, false>(panel, at);
  }

  // Pixels whose windows begin with column `x`: of a whole vector of channels, or of some lanes of it.
  template <int P, int kStride, bool kWhole, bool kInside>
  static inline void depthwise(const DepthwiseRow& row, const Float (&filter)[9], int32_t c, int64_t x, float* out) {
    const int lanes = kWhole ? V::kLanes : row.channels - c;
    Float sums[P];
    const Float bias = V::load_some(row.bias + c, lanes);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) sums[p] = bias;
#pragma GCC unroll 17
    for (int column = 0; column < (P - 1) * kStride + 3; ++column) {
      const bool inside = kInside || static_cast<uint64_t>(x + column) < static_cast<uint64_t>(row.width);
#pragma GCC unroll 3
      for (int y = 0; y < 3; ++y) {
        const float* from = row.in[y] + (x + column) * row.in_step + c;
        Float value = inside ? V::load_some(from, lanes) : V::broadcast(0);
        V::hold(value);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) {
          const int tap = (column - p * kStride) * 3 + y;
          if (tap >= 0 && tap < 9) sums[p] = V::multiply_add(sums[p], value, filter[tap]);
        }
      }
    }
    const Float low = V::broadcast(row.low), high = V::broadcast(row.high);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) V::store_some(out + p * row.out_step + c, clamp(sums[p], low, high), lanes);
  }

  template <int P, int kStride, bool kWhole>
  static inline void depthwise_tile(const DepthwiseRow& row, const Float (&filter)[9], int32_t c, int pixels,
                                    int64_t x, float* out) {
    if constexpr (P > 1)
      if (pixels < P) return depthwise_tile<P - 1, kStride, kWhole>(row, filter, c, pixels, x, out);
    depthwise<P, kStride, kWhole, true>(row, filter, c, x, out);
  }

  // The weights of a vector of channels stay in registers along the row.
  template <int kStride, bool kWhole>
  static inline void depthwise_channels(const DepthwiseRow& row, int32_t c) {
    constexpr int kMost = kStride == 0 ? 1 : V::kRow;
    Float filter[9];
#pragma GCC unroll 9
    for (int tap = 0; tap < 9; ++tap)
      filter[tap] = V::load_some(row.weights + tap * row.weights_step + c, kWhole ? V::kLanes : row.channels - c);
    int64_t x = -row.before;
    float* out = row.out;
    for (int64_t left = row.pixels, pixels; left > 0; left -= pixels) {
      const int64_t inside = x < 0 ? 0 : std::min<int64_t>(left, (row.width - 3 - x + row.stride) / row.stride);
      pixels = 1;
      if (inside > 0) {
        pixels = up(inside, up(inside, kMost));
        depthwise_tile<kMost, kStride, kWhole>(row, filter, c, static_cast<int>(pixels), x, out);
      } else {
        depthwise<1, kStride, kWhole, false>(row, filter, c, x, out);
      }
      x += pixels * row.stride;
      out += pixels * row.out_step;
    }
  }

  template <int kStride>
  static void depthwise_of(const DepthwiseRow& row) {
    int32_t c = 0;
    for (; c + V::kLanes <= row.channels; c += V::kLanes) depthwise_channels<kStride, true>(row, c);
    if (c < row.channels) depthwise_channels<kStride, false>(row, c);
  }

  static void depthwise_row(const DepthwiseRow& row) {
    if (row.stride == 1) return depthwise_of<1>(row);
    if (row.stride == 2) return depthwise_of<2>(row);
    depthwise_of<0>(row);
  }

  template <int P, bool kInside>
  static inline const float* tap_of(const MaxTile& tile, int32_t tap, int p) {
    return kInside ? tile.in[p] + tile.offsets[tap] : tile.places[tap * kMaxFloatPixels + p];
  }

  // The sign of a zero is no question: nothing that a convolution or a sum with one writes is -0.
  template <int P, bool kInside>
  static inline void greatest(const MaxTile& tile, int32_t c, int lanes) {
    Float most[P];
    for (int p = 0; p < P; ++p) most[p] = V::load_some(tap_of<P, kInside>(tile, 0, p) + c, lanes);
    for (int32_t tap = 1; tap < tile.taps; ++tap)
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p)
        most[p] = V::max(most[p], V::load_some(tap_of<P, kInside>(tile, tap, p) + c, lanes));
    for (int p = 0; p < P; ++p) V::store_some(tile.out + p * tile.out_step + c, most[p], lanes);
  }

  template <int P, bool kInside>
  static void max_of_taps(const MaxTile& tile) {
    int32_t c = 0;
    for (; c + V::kLanes <= tile.channels; c += V::kLanes) greatest<P, kInside>(tile, c, V::kLanes);
    if (c < tile.channels) greatest<P, kInside>(tile, c, tile.channels - c);
  }

  template <int P>
  static void max_of(const MaxTile& tile) {
    if constexpr (P > 1)
      if (tile.pixels < P) return max_of<P - 1>(tile);
    tile.places ? max_of_taps<P, false>(tile) : max_of_taps<P, true>(tile);
  }

  static void max_tile(const MaxTile& tile) { max_of<V::kPixels>(tile); }

  static void signs_of_products(const float* in, const float* factors, int64_t pixels, int64_t channels,
                                uint32_t* out) {
    for (; pixels > 0; --pixels, in += channels)
      for (int64_t first = 0; first < channels; first += kWordBits) {
        uint32_t bits = 0;
#pragma GCC unroll 8
        for (int place = 0; place < kWordBits; place += V::kLanes) {
          const int64_t c = first + place, left = channels - c;
          if (left <= 0) break;
          const int lanes = static_cast<int>(left < V::kLanes ? left : V::kLanes);
          bits |= V::negative(V::multiply(V::load_some(in + c, lanes), V::load_some(factors + c, lanes))) << place;
        }
        *out++ = bits;
      }
  }
};

}  // namespace lce
