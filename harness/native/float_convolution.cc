// Convolutions of floats. Those of 3x3 taps by Winograd's F(4x4, 3x3): 36 products where the definition has 144
// (Lavin & Gray 2015, arXiv:1509.09308).
//
// Tiles of 4x4 outputs are worked on in blocks: their 6x6 inputs are transformed, each of the 36 places is a product of
// two matrices, and the products are transformed back. A block and one place's weights stay in the caches, and channels
// are the lanes of vectors throughout. With a single tap a tile is a pixel, of one place, and nothing is transformed.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "../../device/lce_ops/cpu.h"
#include "library.h"

namespace {

constexpr int kLanes = 16;  // channels transformed together
// Memory of a thread: little, which stays in a near cache, or much where a block must outweigh the weights read for it.
constexpr int64_t kLeastBlockFloats = 1 << 16, kMostBlockFloats = 1 << 22, kWeightsPerBlock = 2;
constexpr int64_t kFarFloats = 1 << 19;  // images of so many are not in a near cache
constexpr int64_t kLineFloats = 16;      // of a cache's line

typedef float Lanes __attribute__((vector_size(4 * kLanes)));
typedef float Anywhere __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));

// A call's numbers.
struct Convolution {
  int64_t taps;                     // in a row and in a column
  int64_t height, width, channels;  // of the input
  int64_t top, left;                // zeros before it
  int64_t out_height, out_width, out_channels;
  int64_t tiles_down, tiles_across;
  int64_t step;          // pixels from one output to the next; zeros stay between them
  int64_t stride;        // pixels from one window to the next, with one tap
  int64_t is_rectified;  // whether what goes out goes through a ReLU
};

// Images: what comes in counts only where `gate`, of its shape, is positive; to what goes out `more`, of that shape, is
// added, and it is zero where `opened` is not positive. Before that, each channel gets its bias and its batch norm, if
// there is a `mean`. Whatever is null is not done.
struct Maps {
  const float *in, *weights, *gate, *more, *opened, *bias;
  const float *mean, *inverse, *scale, *shift;  // inverse: of the standard deviation
  float* out;
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

// Tiles of one convolution, as Winograd has them: 4x4 outputs of 6x6 inputs.
struct ThreeTaps {
  static constexpr int kOut = 4, kIn = 6;

  // Six values of one axis, `step` apart.
  INLINE void in(Lanes* d, int step) {
    const Lanes d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
    const Lanes even = d4 - 4 * d2, odd = d3 - 4 * d1, even2 = d4 - d2, odd2 = 2 * (d3 - d1);
    d[0] = 4 * d0 - 5 * d2 + d4;
    d[step] = even + odd;
    d[2 * step] = even - odd;
    d[3 * step] = even2 + odd2;
    d[4 * step] = even2 - odd2;
    d[5 * step] = 4 * d1 - 5 * d3 + d5;
  }

  INLINE void out(const Lanes* m, int step, Lanes* y, int y_step) {
    const Lanes sum = m[step] + m[2 * step], difference = m[step] - m[2 * step];
    const Lanes sum2 = m[3 * step] + m[4 * step], difference2 = m[3 * step] - m[4 * step];
    y[0] = m[0] + sum + sum2;
    y[y_step] = difference + 2 * difference2;
    y[2 * y_step] = sum + 4 * sum2;
    y[3 * y_step] = difference + 8 * difference2 + m[5 * step];
  }
};

struct OneTap {
  static constexpr int kOut = 1, kIn = 1;
  INLINE void in(Lanes*, int) {}
  INLINE void out(const Lanes* m, int, Lanes* y, int) { y[0] = m[0]; }
};

// A whole line past the caches, where what will read it comes too late to find it there.
INLINE void store_far(float* to, const Lanes& lanes) {
#if defined(__x86_64__)
  float quarters[kLanes];
  std::memcpy(quarters, &lanes, sizeof(quarters));
  for (int i = 0; i < kLanes; i += 4) _mm_stream_ps(to + i, _mm_loadu_ps(quarters + i));
#else
  store(to, lanes, kLanes);
#endif
}

INLINE void finish_far_stores() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

struct Place {
  int64_t image, y, x;  // of the tile's first output
};

template <class Taps>
INLINE Place place_of(const Convolution& c, int64_t tile) {
  const int64_t per_image = c.tiles_down * c.tiles_across, inside = tile % per_image;
  return {tile / per_image, inside / c.tiles_across * Taps::kOut, inside % c.tiles_across * Taps::kOut};
}

// What a block of tiles has at each place: rows of floats, one for each tile. The places do not begin at multiples of a
// page, which would all fall into the same few lines of a near cache.
template <class Float>
struct Block {
  Float* first;
  int64_t rows, width;

  static int64_t floats(int64_t places, int64_t rows, int64_t width) { return places * (rows * width + kLanes); }
  inline __attribute__((always_inline)) Float* at(int64_t place, int64_t row) const {
    return first + place * (rows * width + kLanes) + row * width;
  }
};

template <class Vector>
INLINE Vector where_positive(const Vector& gate, const Vector& values) {
  typedef decltype(gate > 0) Mask;
  return (Vector)((Mask)values & (gate > 0));
}

// What goes out instead of values that lie at `at` and whose first channel is `channel`. The order of a norm's
// operations is oneDNN's: last bits depend on it.
template <class Load, class Vector>
INLINE Vector finished(const Convolution& c, const Maps& maps, int64_t at, int64_t channel, const Load& load,
                       Vector value) {
  if (maps.bias) value += load.at(maps.bias + channel);
  if (maps.mean) {
    const Vector normal = (value - load.at(maps.mean + channel)) * load.at(maps.inverse + channel);
    value = normal * load.at(maps.scale + channel) + load.at(maps.shift + channel);
  }
  if (maps.more) value += load.at(maps.more + at);
  if (maps.opened) value = where_positive(load.at(maps.opened + at), value);
  if (c.is_rectified) value = value < 0 ? Vector{} : value;  // NaN stays NaN
  return value;
}

// A tile's values for its row of a block.
template <class Taps>
INLINE void tile_in(const Convolution& c, const Maps& maps, int64_t tile, int64_t row, const Block<float>& values) {
  constexpr int kIn = Taps::kIn, kPlaces = kIn * kIn;
  const Place at = place_of<Taps>(c, tile);
  const bool is_far = c.height * c.width * c.channels >= kFarFloats;
  for (int64_t first = 0; first < c.channels; first += kLanes) {
    const int64_t count = c.channels - first;
    Lanes d[kPlaces];
    for (int i = 0; i < kIn; ++i)
      for (int j = 0; j < kIn; ++j) {
        const int64_t y = at.y * c.stride + i - c.top, x = at.x * c.stride + j - c.left;
        const bool inside = y >= 0 && y < c.height && x >= 0 && x < c.width;
        const int64_t from = ((at.image * c.height + y) * c.width + x) * c.channels + first;
        Lanes& value = d[i * kIn + j];
        value = inside ? load(maps.in + from, count) : Lanes{};
        if (maps.gate && inside) value = where_positive(load(maps.gate + from, count), value);
        if (is_far && inside && j >= kIn - Taps::kOut) {  // new to the next tile
          __builtin_prefetch(maps.in + from + Taps::kOut * c.channels);
          if (maps.gate) __builtin_prefetch(maps.gate + from + Taps::kOut * c.channels);
        }
      }
    for (int j = 0; j < kIn; ++j) Taps::in(d + j, kIn);
    for (int i = 0; i < kIn; ++i) Taps::in(d + i * kIn, 1);
    for (int k = 0; k < kPlaces; ++k) store(values.at(k, row) + first, d[k], count);
  }
}

struct UpTo {
  int64_t count;
  inline __attribute__((always_inline)) Lanes at(const float* from) const { return load(from, count); }
};

// Writes sixteen channels of a pixel, or those that are left, from `first` on.
INLINE void put(const Convolution& c, const Maps& maps, int64_t pixel, int64_t first, bool is_far, const Lanes& value) {
  const int64_t to = pixel * c.out_channels + first, count = c.out_channels - first;
  const Lanes result = finished(c, maps, to, first, UpTo{count}, value);
  if (is_far)
    store_far(maps.out + to, result);
  else
    store(maps.out + to, result, count);
}

// A tile's outputs from its row of a block.
INLINE void tile_out(ThreeTaps, const Convolution& c, const Block<float>& products, int64_t row, int64_t tile,
                     const Maps& maps, bool is_far) {
  constexpr int kOut = ThreeTaps::kOut, kIn = ThreeTaps::kIn, kPlaces = kIn * kIn;
  const Place at = place_of<ThreeTaps>(c, tile);
  for (int64_t first = 0; first < c.out_channels; first += kLanes) {
    Lanes m[kPlaces], half[kOut * kIn], y[kOut * kOut];
    for (int k = 0; k < kPlaces; ++k) m[k] = load(products.at(k, row) + first, kLanes);
    for (int j = 0; j < kIn; ++j) ThreeTaps::out(m + j, kIn, half + j, kIn);
    for (int i = 0; i < kOut; ++i) ThreeTaps::out(half + i * kIn, 1, y + i * kOut, 1);
    for (int64_t i = 0; i < kOut && at.y + i < c.out_height; ++i)
      for (int64_t j = 0; j < kOut && at.x + j < c.out_width; ++j) {
        const int64_t pixel = (at.image * c.out_height + at.y + i) * c.out_width + at.x + j;
        put(c, maps, pixel, first, is_far, y[i * kOut + j]);
      }
  }
}

// A pixel's, and the zeros before the next one.
INLINE void tile_out(OneTap, const Convolution& c, const Block<float>& products, int64_t row, int64_t tile,
                     const Maps& maps, bool is_far) {
  const Place at = place_of<OneTap>(c, tile);
  for (int64_t i = 0; i < c.step && at.y * c.step + i < c.out_height; ++i)
    for (int64_t j = 0; j < c.step && at.x * c.step + j < c.out_width; ++j) {
      const int64_t pixel = (at.image * c.out_height + at.y * c.step + i) * c.out_width + at.x * c.step + j;
      for (int64_t first = 0; first < c.out_channels; first += kLanes) {
        const Lanes value = i || j ? Lanes{} : load(products.at(0, row) + first, kLanes);
        put(c, maps, pixel, first, is_far, value);
      }
    }
}

// Where a panel of products goes: rows of `width` floats. Those that lie at `at` of what goes out are finished on the
// way, from `channel` on, and have maps.
struct Target {
  float* to;
  int64_t width;
  const Maps* maps;
  int64_t at, channel;
};

// R rows of `a` times one panel of `b`: [depth][N vectors]. All sums stay in registers. What lies `ahead` is fetched
// meanwhile, a line for each step: large weights come from memory, and it is slower than the product.
template <int R, int N, int kBytes>
INLINE void panel_product(const Convolution& c, const float* a, const float* b, const float* ahead,
                          const Target& target) {
  typedef float Vector __attribute__((vector_size(kBytes)));
  typedef float Unaligned __attribute__((vector_size(kBytes), aligned(4), may_alias));
  struct Whole {
    inline __attribute__((always_inline)) Vector at(const float* from) const {
      return *reinterpret_cast<const Unaligned*>(from);
    }
  };
  constexpr int kWidth = kBytes / 4;
  const int64_t depth = c.channels;
  if (target.maps)
    for (const float* map : {target.maps->more, target.maps->opened})
      for (int r = 0; map && r < R; ++r)
        for (int64_t n = 0; n < N * kWidth; n += kLineFloats)
          __builtin_prefetch(map + target.at + r * target.width + n);
  Vector sums[R][N] = {};
  for (int64_t k = 0; k < depth; ++k) {
    __builtin_prefetch(ahead + k * kLineFloats, 0, 2);
    Vector weights[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) weights[n] = Whole{}.at(b + (k * N + n) * kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sums[r][n] += a[r * depth + k] * weights[n];
  }
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n)
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const int64_t at = r * target.width + n * kWidth;
      if (target.maps)
        sums[r][n] = finished(c, *target.maps, target.at + at, target.channel + n * kWidth, Whole{}, sums[r][n]);
      *reinterpret_cast<Unaligned*>(target.to + at) = sums[r][n];
    }
}

// A block's products for each place, finished by these maps where they are written to what goes out, of which the block
// is then a part; else they are null.
template <int R, int N, int kBytes>
INLINE void product(const Convolution& c, int64_t places, const Block<const float>& values, const float* weights,
                    int64_t present, const Block<float>& products, const Maps* finish) {
  constexpr int64_t kPanel = N * kBytes / 4, kLines = std::max<int64_t>(1, kPanel / kLineFloats);
  const int64_t panels = products.width / kPanel, floats = c.channels * kPanel;
  for (int64_t place = 0; place < places; ++place)
    for (int64_t panel = 0; panel < panels; ++panel, weights += floats)
      for (int64_t row = 0; row < present; row += R) {  // rows beyond those present hold what was there before
        const float* ahead = weights + floats + std::min(row / R, kLines - 1) * c.channels * kLineFloats;
        float* to = products.at(place, row) + panel * kPanel;
        const Target target{to, products.width, finish, finish ? to - finish->out : 0, panel * kPanel};
        panel_product<R, N, kBytes>(c, values.at(place, row), weights, ahead, target);
      }
}

template <class Taps, int R, int N, int kBytes>
INLINE void convolve(const Convolution& c, const Maps& maps, int64_t first_tile, int64_t last_tile) {
  constexpr int64_t kPlaces = Taps::kIn * Taps::kIn, kPanel = N * kBytes / 4;
  static_assert(kPanel % kLanes == 0);
  const int64_t width = (c.out_channels + kPanel - 1) / kPanel * kPanel;
  const int64_t floats =
      std::clamp(kPlaces * c.channels * width / kWeightsPerBlock, kLeastBlockFloats, kMostBlockFloats);
  const int64_t rows = std::max<int64_t>(1, floats / (kPlaces * (c.channels + width)) / R) * R;
  const int64_t of_values = Block<float>::floats(kPlaces, rows, c.channels);
  static thread_local std::vector<float> memory;  // kept: fresh pages cost a tenth of a small convolution
  memory.resize(std::max<size_t>(memory.size(), of_values + Block<float>::floats(kPlaces, rows, width)));
  const Block<float> values{memory.data(), rows, c.channels}, products{memory.data() + of_values, rows, width};
  const bool tiles_are_pixels = kPlaces == 1 && c.top == 0 && c.left == 0 && c.stride == 1 &&
                                c.tiles_down == c.height && c.tiles_across == c.width;
  const bool in_lines = c.out_channels % kLanes == 0 && reinterpret_cast<uintptr_t>(maps.out) % (4 * kLanes) == 0;
  const bool is_far = in_lines && c.out_height * c.out_width * c.out_channels >= kFarFloats;
  for (int64_t tile = first_tile, present; tile < last_tile; tile += present) {
    present = std::min(rows, last_tile - tile);
    Block<const float> from{values.first, rows, c.channels};
    Block<float> to = products;
    if (tiles_are_pixels && present >= R) {  // those that are not changed can stay where they are
      present -= present % R;
      if (!maps.gate) from.first = maps.in + tile * c.channels;
      if (c.step == 1 && width == c.out_channels) to.first = maps.out + tile * width;
    }
    if (from.first == values.first)
      for (int64_t row = 0; row < present; ++row) tile_in<Taps>(c, maps, tile + row, row, values);
    const bool is_block = to.first == products.first;
    product<R, N, kBytes>(c, kPlaces, from, maps.weights, present, to, is_block ? nullptr : &maps);
    for (int64_t row = 0; is_block && row < present; ++row)
      tile_out(Taps{}, c, products, row, tile + row, maps, is_far);
  }
  finish_far_stores();
}

template <int R, int N, int kBytes>
INLINE void convolve(const Convolution& c, const Maps& maps, int64_t first, int64_t last) {
  if (c.taps == 1)
    convolve<OneTap, R, N, kBytes>(c, maps, first, last);
  else
    convolve<ThreeTaps, R, N, kBytes>(c, maps, first, last);
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void convolve_avx512(const Convolution& c, const Maps& maps, int64_t first,
                                                        int64_t last) {
  convolve<6, 4, 64>(c, maps, first, last);
}
__attribute__((target("avx2,fma"))) void convolve_avx2(const Convolution& c, const Maps& maps, int64_t first,
                                                       int64_t last) {
  convolve<6, 2, 32>(c, maps, first, last);
}
#endif
void convolve_plain(const Convolution& c, const Maps& maps, int64_t first, int64_t last) {
  convolve<6, 4, 16>(c, maps, first, last);
}

struct Kernel {
  decltype(&convolve_plain) convolve;
  int32_t panel;
};

Kernel kernel() {
#if defined(__x86_64__)
  if (lce::cpu().avx512f) return {convolve_avx512, 64};
  if (lce::cpu().avx2 && lce::cpu().fma) return {convolve_avx2, 16};
#endif
  return {convolve_plain, 16};
}

const Convolution& described(const floats::Call& call) { return *reinterpret_cast<const Convolution*>(call.numbers); }

int64_t tiles(const floats::Call& call) {
  return call.images * described(call).tiles_down * described(call).tiles_across;
}

void run(const floats::Call& call, int64_t first, int64_t last) {
  Maps maps;
  std::memcpy(&maps, call.maps, offsetof(Maps, out));
  maps.out = call.out;
  kernel().convolve(described(call), maps, first, last);
}

}  // namespace

// Output channels per panel of the weights: (places, panels, channels, panel).
EXPORT int32_t convolution_panel() { return kernel().panel; }

// Its parts are tiles. In place: `more` and `opened`.
const floats::Function floats::convolution{tiles, run, 1 << 3 | 1 << 4};
