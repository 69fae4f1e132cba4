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
//   Signs                 one bit for each channel of a pixel's part of a panel, before they are packed
//   kOwnLoop              whether count_tile does for whole tiles what count_words does here
// A file that includes this one must give V internal linkage (an unnamed namespace).
#pragma once

#include <cstring>

#include "isa.h"

namespace lce {

// Sets the counters to how often the bits of windows and filters differ, in the runs from `run` to `end`. `weights` are
// those of the first run; returns those of `end`.
template <class V, int P>
inline const uint32_t* count_words(const Run* run, const Run* end, const uint32_t* weights, const uint32_t* const* in,
                                   typename V::Counter (&counters)[P][V::kVectors]) {
  for (int p = 0; p < P; ++p)
    for (int v = 0; v < V::kVectors; ++v) counters[p][v] = V::zero();
  for (; run != end; ++run) {
    const uint32_t* pixels[P];
    for (int p = 0; p < P; ++p) pixels[p] = in[p] + run->offset;
    for (int64_t word = 0; word < run->words; ++word, weights += V::kLanes * V::kVectors) {
      typename V::Word filter[V::kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < V::kVectors; ++v) filter[v] = V::load_word(weights + v * V::kLanes);
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) {
        const typename V::Word pixel = V::broadcast(pixels[p] + word * V::kRepeat);
#pragma GCC unroll 8
        for (int v = 0; v < V::kVectors; ++v) V::count(counters[p][v], filter[v], pixel);
      }
    }
  }
  return weights;
}

template <class V>
struct TileKernel {
  static constexpr int kChannels = V::kLanes * V::kVectors;
  static_assert(kChannels <= kMaxPanelChannels && V::kPixels <= kMaxTilePixels);

  // A pixel's part of the panel. Its vectors go through each step side by side, and whatever is the same for all pixels
  // is asked once for each, not once for each vector.
  using Counters = typename V::Counter[V::kVectors];
  using Ints = typename V::Int[V::kVectors];
  using Floats = typename V::Float[V::kVectors];

  // How often the bits of each pixel's window differ from those of each channel's filter. They stay in registers; what
  // a counter could not hold has been added up in memory.
  template <int P>
  struct Counts {
    int32_t* const sums;
    bool drained;
    Counters counters[P];

    explicit inline Counts(int32_t* memory) : sums(memory), drained(false) {}

    inline void of_pixel(int p, Ints& sum) const {
#pragma GCC unroll 8
      for (int v = 0; v < V::kVectors; ++v) sum[v] = V::widen(counters[p][v]);
    }
    inline void add_drained(int p, Ints& sum) const {
      if (!drained) return;
      for (int v = 0; v < V::kVectors; ++v) sum[v] = V::add(sum[v], V::load(sums + p * kChannels + v * V::kLanes));
    }
    inline void drain() {
      for (int p = 0; p < P; ++p) {
        Ints sum;
        of_pixel(p, sum);
        add_drained(p, sum);
        for (int v = 0; v < V::kVectors; ++v) V::store(sums + p * kChannels + v * V::kLanes, sum[v]);
      }
      drained = true;
    }
  };

  template <int P>
  static inline void count(const Panel& panel, const Tile& tile, Counts<P>& counts) {
    const uint32_t* weights = panel.weights;
    const Run *run = panel.runs, *const end = run + panel.run_count;
    for (;;) {
      const Run* const first = run;
      for (int32_t room = V::kMaxWords; run != end && run->words <= room; ++run) room -= run->words;
      if constexpr (V::kOwnLoop && P == V::kPixels)
        weights = V::count_tile(first, run, weights, tile.in, counts.counters);
      else
        weights = count_words<V, P>(first, run, weights, tile.in, counts.counters);
      if (run == end) return;
      counts.drain();
    }
  }

  // Of the first pixel, where the panel begins; null if there is none.
  static inline const float* residual(const Panel& panel, const Tile& tile) {
    return tile.residual ? tile.residual + panel.first : nullptr;
  }
  template <class T>
  static inline T* out(const Panel& panel, const Tile& tile) {
    return tile.out ? static_cast<T*>(tile.out) + panel.first : nullptr;
  }

  // Asks for the floats that will be read and written once the counting is done, which takes longer than they need.
  template <int P>
  static inline void prefetch(const Panel& panel, const Tile& tile) {
    constexpr int kLine = 16;
    if (panel.output != Output::kFloat) return;
    if (const float* from = residual(panel, tile))
      for (int p = 0; p < P; ++p, from += panel.out_channels)
        for (int c = 0; c < kChannels; c += kLine) __builtin_prefetch(from + c, 0);
    if (const float* to = out<float>(panel, tile))
      for (int p = 0; p < P; ++p, to += panel.out_channels)
        for (int c = 0; c < kChannels; c += kLine) __builtin_prefetch(to + c, 1);
  }

  template <int P>
  static inline void put_bits(const Panel& panel, const typename V::Signs (&signs)[P], Tile& tile) {
    V::store_bits(signs, tile.bits);
    if (panel.channels == kChannels) return;
    for (int p = 0; p < P; ++p) tile.bits[p] &= (uint32_t{1} << panel.channels) - 1;
  }

  template <int P>
  static inline void finish_bits(const Panel& panel, Tile& tile, const Counts<P>& counts) {
    const int32_t* const thresholds = static_cast<const int32_t*>(panel.table);
    const int64_t row = panel.table_row;
    typename V::Signs signs[P];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      Ints sum;
      counts.of_pixel(p, sum);
      counts.add_drained(p, sum);
      signs[p] = V::greater(sum, thresholds + tile.border[p] * row);
    }
    put_bits<P>(panel, signs, tile);
  }

  // Makes numbers of counts. The order of the roundings is the original's; bit identity with it depends on that.
  template <int P>
  struct Scale {
    const Counts<P>& counts;
    const int32_t* const border;
    const void* const table;
    const int64_t table_row;
    const bool adjusted, inside_clamp, after_bias;
    const typename V::Int low, high;
    Floats multiplier, bias;

    inline Scale(const Panel& panel, const Tile& tile, const Counts<P>& c)
        : counts(c),
          border(tile.border),
          table(panel.table),
          table_row(panel.table_row),
          adjusted(panel.correction == Correction::kInsideClamp || panel.low > 0 || c.drained),
          inside_clamp(panel.correction == Correction::kInsideClamp),
          after_bias(panel.correction == Correction::kAfterBias),
          low(V::splat(panel.low)),
          high(V::splat(panel.high)) {
#pragma GCC unroll 8
      for (int v = 0; v < V::kVectors; ++v) {
        multiplier[v] = V::load(panel.multiplier + v * V::kLanes);
        bias[v] = V::load(panel.bias + v * V::kLanes);
      }
    }

    template <class T>
    inline const T* corrections(int p) const {
      return static_cast<const T*>(table) + border[p] * table_row;
    }

    inline void apply(int p, Floats& value) const {
      Ints twice;
      counts.of_pixel(p, twice);
      if (adjusted) counts.add_drained(p, twice);
#pragma GCC unroll 8
      for (int v = 0; v < V::kVectors; ++v) twice[v] = V::add(twice[v], twice[v]);
      if (adjusted) {
        if (inside_clamp)
          for (int v = 0; v < V::kVectors; ++v)
            twice[v] = V::add(twice[v], V::load(corrections<int32_t>(p) + v * V::kLanes));
        for (int v = 0; v < V::kVectors; ++v) twice[v] = V::max(twice[v], low);  // without adjustment, it is 0
      }
#pragma GCC unroll 8
      for (int v = 0; v < V::kVectors; ++v)
        value[v] = V::add(V::multiply(V::to_float(V::min(twice[v], high)), multiplier[v]), bias[v]);
      if (after_bias)
        for (int v = 0; v < V::kVectors; ++v)
          value[v] = V::add(value[v], V::load(corrections<float>(p) + v * V::kLanes));
    }
  };

  template <int P, bool kWhole, bool kSigns>
  static inline void finish_floats(const Panel& panel, Tile& tile, const Counts<P>& counts) {
    const Scale<P> scale(panel, tile, counts);
    const float* from = residual(panel, tile);
    float* to = out<float>(panel, tile);
    const int64_t distance = panel.out_channels;
    const int channels = panel.channels;
    const bool relu_sum = panel.relu_sum;
    typename V::Signs signs[P];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      Floats value;
      scale.apply(p, value);
      if (from) {
#pragma GCC unroll 8
        for (int v = 0; v < V::kVectors; ++v)
          value[v] = V::add(value[v], load_part<kWhole>(from + v * V::kLanes, channels - v * V::kLanes));
        from += distance;
        if (relu_sum)
          for (int v = 0; v < V::kVectors; ++v) value[v] = V::max(V::zeros(), value[v]);
      }
      if (to) {
#pragma GCC unroll 8
        for (int v = 0; v < V::kVectors; ++v)
          store_part<kWhole>(to + v * V::kLanes, value[v], channels - v * V::kLanes);
        to += distance;
      }
      if (kSigns) signs[p] = V::negative(value);
    }
    if (kSigns) put_bits<P>(panel, signs, tile);
  }

  // A vector of a panel that may end before it or within it.
  template <bool kWhole>
  static inline typename V::Float load_part(const float* from, int lanes) {
    if (kWhole) return V::load(from);
    return lanes > 0 ? V::load_some(from, lanes) : V::zeros();
  }
  template <bool kWhole>
  static inline void store_part(float* to, typename V::Float value, int lanes) {
    if (kWhole || lanes > 0) V::store_some(to, value, kWhole ? V::kLanes : lanes);
  }

  template <int P>
  static inline void finish_int8(const Panel& panel, Tile& tile, const Counts<P>& counts) {
    const Scale<P> scale(panel, tile, counts);
    int8_t* to = out<int8_t>(panel, tile);
    const int64_t distance = panel.out_channels;
    const int32_t channels = panel.channels;
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p, to += distance) {
      Floats value;
      scale.apply(p, value);
      if (channels == kChannels) {
        V::store_int8(to, value);
      } else {
        int8_t whole[kChannels];
        V::store_int8(whole, value);
        std::memcpy(to, whole, static_cast<size_t>(channels));
      }
    }
  }

  template <int P>
  static void run(const Panel& panel, Tile& tile) {
    if constexpr (P > 1)
      if (tile.pixels < P) return run<P - 1>(panel, tile);
    alignas(64) int32_t sums[P * kChannels];
    asm("" : "=m"(sums));  // or GCC warns that they are read before drain() writes them, which `drained` prevents
    Counts<P> counts(sums);
    prefetch<P>(panel, tile);
    count<P>(panel, tile, counts);
    if (panel.output == Output::kBits) return finish_bits<P>(panel, tile, counts);
    if (panel.output == Output::kInt8) return finish_int8<P>(panel, tile, counts);
    if (panel.channels < kChannels) return finish_floats<P, false, true>(panel, tile, counts);
    if (panel.take_signs) return finish_floats<P, true, true>(panel, tile, counts);
    return finish_floats<P, true, false>(panel, tile, counts);
  }

  static void conv_tile(const Panel& panel, Tile& tile) { run<V::kPixels>(panel, tile); }
};

}  // namespace lce
