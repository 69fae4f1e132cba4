// The convolution's inner part, written once for all instruction sets; V names the vectors of one of them.
//
// Lanes are output channels: one activation word is broadcast and compared with one weight word of each channel, so
// there are no sums across lanes and the outputs leave as whole vectors. V provides
//   kLanes, kVectors      32-bit lanes per vector, vectors per panel
//   kPixels               pixels per tile, as many as keep all counters in registers
//   kDepth                words counted at once
//   Counter               counts of differing bits, wide enough for kMaxWords words; then `drain` adds them to int32
//   Int, Float            kLanes int32 or float32
// A file that includes this one must give V internal linkage (an unnamed namespace).
#pragma once

#include "isa.h"

namespace lce {

template <class V>
struct TileKernel {
  static constexpr int kChannels = V::kLanes * V::kVectors;
  static_assert(kChannels <= kMaxPanelChannels && V::kPixels <= kMaxTilePixels);

  // counts[pixel][channel] = number of bits in which the pixel's window differs from the channel's filter.
  template <int P>
  static inline void count(const Panel& panel, const Tile& tile, int32_t* counts) {
    typename V::Counter counters[P][V::kVectors];
    for (int p = 0; p < P; ++p)
      for (int v = 0; v < V::kVectors; ++v) counters[p][v] = V::zero();
    const uint32_t* weights = panel.weights;
    int32_t pending = 0;
    bool fresh = true;
    for (int32_t r = 0; r < panel.run_count; ++r) {
      const int32_t words = panel.runs[r].words;
      if (pending + words > V::kMaxWords) {
        drain<P>(counters, counts, fresh);
        fresh = false;
        pending = 0;
      }
      pending += words;
      const uint32_t* in[P];
      for (int p = 0; p < P; ++p) in[p] = tile.in[p] + panel.runs[r].offset;
      int32_t word = 0;
      for (; word + V::kDepth <= words; word += V::kDepth, weights += V::kDepth * kChannels)
        count_words<P, V::kDepth>(in, word, weights, counters);
      if constexpr (V::kDepth > 1)
        for (; word < words; ++word, weights += kChannels) count_words<P, 1>(in, word, weights, counters);
    }
    drain<P>(counters, counts, fresh);
  }

  template <int P, int Depth>
  static inline __attribute__((always_inline)) void count_words(const uint32_t* const* in, int32_t word,
                                                                const uint32_t* weights,
                                                                typename V::Counter (*counters)[V::kVectors]) {
    typename V::Word filter[Depth][V::kVectors];
#pragma GCC unroll 8
    for (int d = 0; d < Depth; ++d)
#pragma GCC unroll 8
      for (int v = 0; v < V::kVectors; ++v) filter[d][v] = V::load_word(weights + d * kChannels + v * V::kLanes);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      typename V::Word pixel[Depth];
#pragma GCC unroll 8
      for (int d = 0; d < Depth; ++d) pixel[d] = V::broadcast(in[p] + word + d);
#pragma GCC unroll 8
      for (int v = 0; v < V::kVectors; ++v) {
        typename V::Word column[Depth];
#pragma GCC unroll 8
        for (int d = 0; d < Depth; ++d) column[d] = filter[d][v];
        V::template count<Depth>(counters[p][v], column, pixel);
      }
    }
  }

  template <int P>
  static inline void drain(typename V::Counter (*counters)[V::kVectors], int32_t* counts, bool fresh) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
      for (int v = 0; v < V::kVectors; ++v) {
        int32_t* to = counts + p * kChannels + v * V::kLanes;
        const typename V::Int sum = V::widen(counters[p][v]);
        V::store(to, fresh ? sum : V::add(V::load(to), sum));
        counters[p][v] = V::zero();
      }
  }

  static inline uint32_t existing(const Panel& panel) { return static_cast<uint32_t>((uint64_t{1} << panel.channels) - 1); }

  static inline uint32_t threshold_bits(const Panel& panel, const int32_t* counts, int32_t border) {
    const int32_t* thresholds = static_cast<const int32_t*>(panel.table) + border * panel.table_row;
    uint32_t bits = 0;
    for (int v = 0; v < V::kVectors; ++v)
      bits |= V::greater(V::load(counts + v * V::kLanes), V::load(thresholds + v * V::kLanes)) << (v * V::kLanes);
    return bits;
  }

  // The order of the roundings here is the original's; bit identity with it depends on that.
  static inline typename V::Float scale(const Panel& panel, const int32_t* counts, int32_t border, int first) {
    const Correction correction = border < 0 ? Correction::kNone : panel.correction;
    const int64_t row = border * panel.table_row + first;
    typename V::Int twice = V::load(counts + first);
    twice = V::add(twice, twice);
    if (correction == Correction::kInsideClamp)
      twice = V::add(twice, V::load(static_cast<const int32_t*>(panel.table) + row));
    twice = V::clamp(twice, panel.low, panel.high);
    auto value = V::add(V::multiply(V::to_float(twice), V::load(panel.multiplier + first)), V::load(panel.bias + first));
    if (correction == Correction::kAfterBias)
      value = V::add(value, V::load(static_cast<const float*>(panel.table) + row));
    return value;
  }

  static inline uint32_t finish_floats(const Panel& panel, const Tile& tile, const int32_t* counts, int p) {
    uint32_t signs = 0;
    for (int v = 0; v < V::kVectors; ++v) {
      const int first = v * V::kLanes, remaining = panel.channels - first;
      if (remaining <= 0) break;
      auto value = scale(panel, counts, tile.border[p], first);
      const int channel = panel.first + first;
      if (tile.residual[p]) value = V::add(value, V::load_some(tile.residual[p] + channel, remaining));
      if (tile.out[p]) V::store_some(static_cast<float*>(tile.out[p]) + channel, value, remaining);
      if (panel.take_signs) signs |= V::negative(value) << first;
    }
    return signs;
  }

  static inline void finish_int8(const Panel& panel, const Tile& tile, const int32_t* counts, int p) {
    for (int v = 0; v < V::kVectors; ++v) {
      const int first = v * V::kLanes, remaining = panel.channels - first;
      if (remaining <= 0) break;
      const auto value = scale(panel, counts, tile.border[p], first);
      alignas(64) int32_t rounded[V::kLanes];
      V::store(rounded, V::round_to_int8(value));
      int8_t* to = static_cast<int8_t*>(tile.out[p]) + panel.first + first;
      for (int i = 0; i < V::kLanes && i < remaining; ++i) to[i] = static_cast<int8_t>(rounded[i]);
    }
  }

  template <int P>
  static void run(const Panel& panel, Tile& tile) {
    if constexpr (P > 1)
      if (tile.pixels < P) return run<P - 1>(panel, tile);
    alignas(64) int32_t counts[P * kChannels];
    count<P>(panel, tile, counts);
    for (int p = 0; p < P; ++p) {
      const int32_t* own = counts + p * kChannels;
      switch (panel.output) {
        case Output::kBits: tile.bits[p] = threshold_bits(panel, own, tile.border[p]) & existing(panel); break;
        case Output::kFloat: tile.bits[p] = finish_floats(panel, tile, own, p) & existing(panel); break;
        case Output::kInt8: finish_int8(panel, tile, own, p); break;
      }
    }
  }

  static void conv_tile(const Panel& panel, Tile& tile) { run<V::kPixels>(panel, tile); }
};

}  // namespace lce
