// The float kernels' inner parts, written once for all instruction sets; V names the vectors of one of them: kLanes
// floats each, kVectors of them per panel, kPixels pixels per tile.
// A file that includes this one must give V internal linkage (an unnamed namespace).
#pragma once

#include "float_isa.h"

namespace lce {

template <class V>
struct FloatKernel {
  using Float = typename V::Float;
  static_assert(V::kPixels <= kMaxFloatPixels);

  static inline Float clamp(Float v, float low, float high) {
    return V::min(V::broadcast(high), V::max(V::broadcast(low), v));
  }

  template <int P, int N>
  static void conv(const FloatPanel& panel, const FloatTile& tile) {
    Float sums[P][N];
    for (int n = 0; n < N; ++n) {
      const Float bias = V::load(panel.bias + n * V::kLanes);
      for (int p = 0; p < P; ++p) sums[p][n] = bias;
    }
    const float* weights = panel.weights;
    for (int32_t r = 0; r < tile.run_count; ++r) {
      const float* in[P];
      for (int p = 0; p < P; ++p) in[p] = tile.in[p] + tile.runs[r].offset;
      const int64_t count = tile.runs[r].count;
      for (int64_t i = 0; i < count; ++i, weights += N * V::kLanes) {
        Float filter[N];
#pragma GCC unroll 8
        for (int n = 0; n < N; ++n) filter[n] = V::load(weights + n * V::kLanes);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) {
          const auto value = V::scalar(in[p] + i);
#pragma GCC unroll 8
          for (int n = 0; n < N; ++n) sums[p][n] = V::multiply_add(sums[p][n], filter[n], value);
        }
      }
    }
    for (int p = 0; p < P; ++p)
      for (int n = 0; n < N; ++n)
        V::store_some(tile.out[p] + panel.first + n * V::kLanes, clamp(sums[p][n], panel.low, panel.high),
                      panel.channels - n * V::kLanes);
  }

  template <int P, int N>
  static void conv_of(const FloatPanel& panel, const FloatTile& tile) {
    if constexpr (P > 1)
      if (tile.pixels < P) return conv_of<P - 1, N>(panel, tile);
    if constexpr (N > 1)
      if (panel.channels <= (N - 1) * V::kLanes) return conv_of<P, N - 1>(panel, tile);
    conv<P, N>(panel, tile);
  }

  static void conv_tile(const FloatPanel& panel, const FloatTile& tile) { conv_of<V::kPixels, V::kVectors>(panel, tile); }

  template <int P>
  static void depthwise(const DepthwiseTile& tile) {
    for (int32_t c = 0; c < tile.channels; c += V::kLanes) {
      const int lanes = tile.channels - c < V::kLanes ? tile.channels - c : V::kLanes;
      Float sums[P];
      const Float bias = V::load_some(tile.bias + c, lanes);
      for (int p = 0; p < P; ++p) sums[p] = bias;
      for (int32_t tap = 0; tap < tile.taps; ++tap) {
        const Float filter = V::load_some(tile.weights + int64_t{tap} * tile.channels + c, lanes);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p)
          sums[p] = V::multiply_add(sums[p], V::load_some(tile.in[tap * P + p] + c, lanes), filter);
      }
      for (int p = 0; p < P; ++p)
        V::store_some(tile.out + int64_t{p} * tile.channels + c, clamp(sums[p], tile.low, tile.high), lanes);
    }
  }

  template <int P>
  static void depthwise_of(const DepthwiseTile& tile) {
    if constexpr (P > 1)
      if (tile.pixels < P) return depthwise_of<P - 1>(tile);
    depthwise<P>(tile);
  }

  static void depthwise_tile(const DepthwiseTile& tile) { depthwise_of<V::kPixels>(tile); }
};

}  // namespace lce
