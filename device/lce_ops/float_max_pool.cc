#include "float_max_pool.h"

#include <algorithm>

namespace lce {
namespace {

// Less is not worth handing over.
constexpr int64_t kValuesPerTask = 2048;

}  // namespace

FloatMaxPool::FloatMaxPool(const FloatIsa& isa, const tfl::PoolParams& params, Id in, Id out)
    : FloatWindow(isa, {params.padding, params.stride_height, params.stride_width}, in, out),
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
    run_rows(in, 0, out + first * row_values, {first, std::min(rows(), first + together)});
  });
}

void FloatMaxPool::run_rows(const float* in, int64_t origin, float* out, Range rows) const {
  ChannelwiseTile tile{};
  tile.taps = static_cast<int32_t>(taps_.size());
  tile.offsets = taps_.data();
  run_channelwise(isa_.max_tile, tile, in, origin, out, rows, nullptr);
}

}  // namespace lce
