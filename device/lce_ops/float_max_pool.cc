#include "float_max_pool.h"

#include <algorithm>

namespace lce {
namespace {

// Less is not worth handing over.
constexpr int64_t kValuesPerTask = 2048;

}  // namespace

FloatMaxPool::FloatMaxPool(const FloatIsa& isa, const tfl::PoolParams& params, Id in, Id out)
    : StripWindow(isa, {params.padding, params.stride_height, params.stride_width}, in, out),
      filter_height_(params.filter_height),
      filter_width_(params.filter_width) {}

bool FloatMaxPool::supports(const tfl::PoolParams& params) {
  return (params.padding == tfl::kPaddingSame || params.padding == tfl::kPaddingValid) && params.stride_height > 0 &&
         params.stride_width > 0 && params.filter_height > 0 && params.filter_width > 0 &&
         int64_t{params.filter_height} * params.filter_width <= kMaxTaps && params.activation == tfl::kNoActivation;
}

void FloatMaxPool::prepare(Values& values) {
  values[out_].shape = slide(values[in_], filter_height_, filter_width_, values[in_].shape.back());
  taps_.clear();
  for (int32_t x = 0; x < filter_width_; ++x)
    for (int32_t y = 0; y < filter_height_; ++y) taps_.push_back(y * in_row_ + int64_t{x} * in_channels_);
}

void FloatMaxPool::run(const Values& values, Pool& pool) {
  const float* in = static_cast<const float*>(values[in_].data);
  float* out = static_cast<float*>(values[out_].data);
  const int64_t row_values = int64_t{horizontal_.out} * out_channels_;
  const int64_t together = std::max<int64_t>(1, kValuesPerTask / std::max<int64_t>(1, row_values));
  pool.run(static_cast<int32_t>((rows() + together - 1) / together), [&](int32_t task) {
    const int64_t first = task * together;
    run_strip(in, {first * horizontal_.out, std::min(rows(), first + together) * horizontal_.out},
              {out + first * row_values, out_channels_, 0, out_channels_});
  });
}

// A tap outside the image is the nearest inside.
void FloatMaxPool::run_strip(const float* in, Range pixels, const Strip& strip) const {
  const float* places[kMaxTaps * kMaxFloatPixels];
  MaxTile tile{};
  tile.taps = static_cast<int32_t>(taps_.size());
  tile.offsets = taps_.data();
  tile.out = strip.to;
  tile.out_step = strip.step;
  tile.channels = strip.last - strip.first;
  int64_t left = pixels.last - pixels.first;
  Place place(*this, pixels.first);
  for (; left > 0; left -= tile.pixels, tile.out += tile.pixels * strip.step) {
    Place again = place;
    const auto most = static_cast<int32_t>(std::min<int64_t>(isa_.tile_pixels, left));
    const Stand here = stand(place, in + strip.first, most, tile.in);
    tile.pixels = here.pixels;
    for (int32_t p = 0; p < tile.pixels && !here.inside; ++p, again.advance())
      for (int32_t tap = 0; tap < tile.taps; ++tap)
        places[tap * kMaxFloatPixels + p] =
            tile.in[p] + again.nearest(tap % vertical_.kernel, tap / vertical_.kernel);
    tile.places = here.inside ? nullptr : places;
    isa_.max_tile(tile);
  }
}

}  // namespace lce
