// The float kernels' inner parts, written once for all instruction sets; V names the vectors of one of them: kLanes
// floats each, kVectors of them per panel, kPixels pixels per tile.
// A file that includes this one must give V internal linkage (an unnamed namespace).
#pragma once

#include "bits.h"
#include "float_isa.h"

namespace lce {

template <class V>
struct FloatKernel {
  static constexpr int kChannels = V::kLanes * V::kVectors;
  using Float = typename V::Float;
  static_assert(V::kPixels <= kMaxFloatPixels);

  static inline Float clamp(Float v, Float low, Float high) { return V::min(high, V::max(low, v)); }

  // There is at least one run, of at least one value.
  template <int P, int N>
  static inline void sum(const FloatPanel& panel, const FloatTile& tile, Float (&sums)[P][N]) {
    const float* in[P];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) in[p] = tile.in[p];
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      const Float bias = V::load(panel.bias + n * V::kLanes);
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) sums[p][n] = bias;
    }
    const float* weights = panel.weights;
    const FloatRun* run = tile.runs;
    const FloatRun* const end = run + tile.run_count;
    do {
      int64_t i = run->offset;
      const int64_t last = i + run->count;
      do {
        Float filter[N];
#pragma GCC unroll 8
        for (int n = 0; n < N; ++n) filter[n] = V::load(weights + n * V::kLanes);
        weights += N * V::kLanes;
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) {
          const auto value = V::scalar(in[p] + i);
#pragma GCC unroll 8
          for (int n = 0; n < N; ++n) sums[p][n] = V::multiply_add(sums[p][n], filter[n], value);
        }
      } while (++i < last);
    } while (++run < end);
  }

  template <int P, int N, bool kSlopes>
  static void conv(const FloatPanel& panel, const FloatTile& tile) {
    Float sums[P][N];
    sum(panel, tile, sums);
    const Float low = V::broadcast(panel.low), high = V::broadcast(panel.high);
    const auto finished = [&](Float sum, int n) {
      const Float clamped = clamp(sum, low, high);
      if constexpr (kSlopes) return V::scale_negative(clamped, V::load(panel.slopes + n * V::kLanes));
      return clamped;
    };
    const int last = panel.channels - (N - 1) * V::kLanes;  // of the last vector, which alone may be incomplete
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      float* out = tile.out[p] + panel.first;
#pragma GCC unroll 8
      for (int n = 0; n + 1 < N; ++n) V::store_some(out + n * V::kLanes, finished(sums[p][n], n), V::kLanes);
      V::store_some(out + (N - 1) * V::kLanes, finished(sums[p][N - 1], N - 1), last);
    }
  }

  template <int P, int N, bool kSlopes>
  static void conv_of(const FloatPanel& panel, const FloatTile& tile) {
    if constexpr (P > 1)
      if (tile.pixels < P) return conv_of<P - 1, N, kSlopes>(panel, tile);
    if constexpr (N > 1)
      if (panel.channels <= (N - 1) * V::kLanes) return conv_of<P, N - 1, kSlopes>(panel, tile);
    conv<P, N, kSlopes>(panel, tile);
  }

  static void conv_tile(const FloatPanel& panel, const FloatTile& tile) {
    panel.slopes ? conv_of<V::kPixels, V::kVectors, true>(panel, tile)
                 : conv_of<V::kPixels, V::kVectors, false>(panel, tile);
  }

  template <int P, bool kInside>
  static inline const float* tap_of(const ChannelwiseTile& tile, int32_t tap, int p) {
    return kInside ? tile.in[p] + tile.offsets[tap] : tile.places[tap * kMaxFloatPixels + p];
  }

  template <int P, bool kInside>
  static inline void depthwise(const ChannelwiseTile& tile, int32_t c, int lanes) {
    Float sums[P];
    const Float bias = V::load_some(tile.bias + c, lanes);
    for (int p = 0; p < P; ++p) sums[p] = bias;
    for (int32_t tap = 0; tap < tile.taps; ++tap) {
      const Float filter = V::load_some(tile.weights + int64_t{tap} * tile.channels + c, lanes);
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p)
        sums[p] = V::multiply_add(sums[p], V::load_some(tap_of<P, kInside>(tile, tap, p) + c, lanes), filter);
    }
    const Float low = V::broadcast(tile.low), high = V::broadcast(tile.high);
    for (int p = 0; p < P; ++p)
      V::store_some(tile.out + int64_t{p} * tile.channels + c, clamp(sums[p], low, high), lanes);
  }

  // The sign of a zero is no question: nothing that a convolution or a sum with one writes is -0.
  template <int P, bool kInside>
  static inline void greatest(const ChannelwiseTile& tile, int32_t c, int lanes) {
    Float most[P];
    for (int p = 0; p < P; ++p) most[p] = V::load_some(tap_of<P, kInside>(tile, 0, p) + c, lanes);
    for (int32_t tap = 1; tap < tile.taps; ++tap)
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p)
        most[p] = V::max(most[p], V::load_some(tap_of<P, kInside>(tile, tap, p) + c, lanes));
    for (int p = 0; p < P; ++p) V::store_some(tile.out + int64_t{p} * tile.channels + c, most[p], lanes);
  }

  template <int P, bool kInside, bool kMax>
  static void channelwise(const ChannelwiseTile& tile) {
    const auto make = [&](int32_t c, int lanes) {
      if constexpr (kMax)
        greatest<P, kInside>(tile, c, lanes);
      else
        depthwise<P, kInside>(tile, c, lanes);
    };
    int32_t c = 0;
    for (; c + V::kLanes <= tile.channels; c += V::kLanes) make(c, V::kLanes);
    if (c < tile.channels) make(c, tile.channels - c);
  }

  template <int P, bool kMax>
  static void channelwise_of(const ChannelwiseTile& tile) {
    if constexpr (P > 1)
      if (tile.pixels < P) return channelwise_of<P - 1, kMax>(tile);
    tile.places ? channelwise<P, false, kMax>(tile) : channelwise<P, true, kMax>(tile);
  }

  static void depthwise_tile(const ChannelwiseTile& tile) { channelwise_of<V::kPixels, false>(tile); }
  static void max_tile(const ChannelwiseTile& tile) { channelwise_of<V::kPixels, true>(tile); }

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
