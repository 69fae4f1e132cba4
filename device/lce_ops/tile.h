// The convolution's inner part, written once for all instruction sets; V names the vectors of one of them.
//
// Lanes are output channels: one activation word is broadcast and compared with one weight word of each channel, so
// there are no sums across lanes and the outputs leave as whole vectors. V provides
//   kLanes, kVectors      32-bit lanes per vector, vectors per panel
//   kPixels               pixels per tile, as many as keep all counters in registers
//   kRepeat               copies of each activation word in memory: where a broadcast would cost an instruction of the
//                         kind that the counting is short of, several copies make it a plain load
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
      for (int64_t word = 0; word < words; ++word, weights += kChannels) {
        typename V::Word filter[V::kVectors];
#pragma GCC unroll 8
        for (int v = 0; v < V::kVectors; ++v) filter[v] = V::load_word(weights + v * V::kLanes);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) {
          const typename V::Word pixel = V::broadcast(in[p] + word * V::kRepeat);
#pragma GCC unroll 8
          for (int v = 0; v < V::kVectors; ++v) V::count(counters[p][v], filter[v], pixel);
        }
      }
    }
    drain<P>(counters, counts, fresh);
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

  static inline uint32_t existing(const Panel& panel) {
    return static_cast<uint32_t>((uint64_t{1} << panel.channels) - 1);
  }

  // Asks for the floats that will be read and written once the counting is done, which takes longer than they need.
  template <int P>
  static inline void prefetch(const Panel& panel, const Tile& tile) {
    constexpr int kLine = 16;
    if (panel.output != Output::kFloat) return;
    for (int p = 0; p < P; ++p)
      for (int first = 0; first < kChannels; first += kLine) {
        if (tile.residual[p]) __builtin_prefetch(tile.residual[p] + panel.first + first, 0);
        if (tile.out[p]) __builtin_prefetch(static_cast<float*>(tile.out[p]) + panel.first + first, 1);
      }
  }

  template <int P>
  static inline void finish_bits(const Panel& panel, Tile& tile, const int32_t* counts) {
    for (int p = 0; p < P; ++p) {
      const int32_t* thresholds = static_cast<const int32_t*>(panel.table) + tile.border[p] * panel.table_row;
      uint32_t bits = 0;
      for (int v = 0; v < V::kVectors; ++v) {
        const int first = v * V::kLanes;
        bits |= V::greater(V::load(counts + p * kChannels + first), V::load(thresholds + first)) << first;
      }
      tile.bits[p] = bits & existing(panel);
    }
  }

  // The order of the roundings here is the original's; bit identity with it depends on that.
  static inline typename V::Float scale(const Panel& panel, typename V::Int count, typename V::Float multiplier,
                                        typename V::Float bias, int64_t row) {
    typename V::Int twice = V::add(count, count);
    if (row >= 0 && panel.correction == Correction::kInsideClamp)
      twice = V::add(twice, V::load(static_cast<const int32_t*>(panel.table) + row));
    auto value = V::add(V::multiply(V::to_float(V::clamp(twice, panel.low, panel.high)), multiplier), bias);
    if (row >= 0 && panel.correction == Correction::kAfterBias)
      value = V::add(value, V::load(static_cast<const float*>(panel.table) + row));
    return value;
  }

  static inline int64_t table_entry(const Panel& panel, const Tile& tile, int p, int first) {
    return tile.border[p] < 0 ? -1 : tile.border[p] * panel.table_row + first;
  }

  template <int P, bool kWhole>
  static inline void finish_floats(const Panel& panel, Tile& tile, const int32_t* counts) {
    uint32_t signs[P] = {};
    for (int v = 0; v < V::kVectors; ++v) {
      const int first = v * V::kLanes, channel = panel.first + first;
      const int lanes = kWhole ? V::kLanes : panel.channels - first;
      if (lanes <= 0) break;
      const auto multiplier = V::load(panel.multiplier + first), bias = V::load(panel.bias + first);
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) {
        auto value =
            scale(panel, V::load(counts + p * kChannels + first), multiplier, bias, table_entry(panel, tile, p, first));
        if (tile.residual[p]) {
          value = V::add(value, V::load_some(tile.residual[p] + channel, lanes));
          if (panel.relu_sum) value = V::max(V::zeros(), value);
        }
        if (tile.out[p]) V::store_some(static_cast<float*>(tile.out[p]) + channel, value, lanes);
        if (panel.take_signs) signs[p] |= V::negative(value) << first;
      }
    }
    for (int p = 0; p < P; ++p) tile.bits[p] = signs[p] & existing(panel);
  }

  template <int P>
  static inline void finish_int8(const Panel& panel, Tile& tile, const int32_t* counts) {
    for (int v = 0; v < V::kVectors; ++v) {
      const int first = v * V::kLanes, lanes = panel.channels - first;
      if (lanes <= 0) break;
      const auto multiplier = V::load(panel.multiplier + first), bias = V::load(panel.bias + first);
      for (int p = 0; p < P; ++p) {
        alignas(64) int32_t rounded[V::kLanes];
        V::store(rounded, V::round_to_int8(scale(panel, V::load(counts + p * kChannels + first), multiplier, bias,
                                                 table_entry(panel, tile, p, first))));
        int8_t* to = static_cast<int8_t*>(tile.out[p]) + panel.first + first;
        for (int i = 0; i < V::kLanes && i < lanes; ++i) to[i] = static_cast<int8_t>(rounded[i]);
      }
    }
  }

  template <int P>
  static void run(const Panel& panel, Tile& tile) {
    if constexpr (P > 1)
      if (tile.pixels < P) return run<P - 1>(panel, tile);
    alignas(64) int32_t counts[P * kChannels];
    prefetch<P>(panel, tile);
    count<P>(panel, tile, counts);
    switch (panel.output) {
      case Output::kBits:
        return finish_bits<P>(panel, tile, counts);
      case Output::kInt8:
        return finish_int8<P>(panel, tile, counts);
      case Output::kFloat:
        if (panel.channels == kChannels) return finish_floats<P, true>(panel, tile, counts);
        return finish_floats<P, false>(panel, tile, counts);
    }
  }

  static void conv_tile(const Panel& panel, Tile& tile) { run<V::kPixels>(panel, tile); }
};

}  // namespace lce
