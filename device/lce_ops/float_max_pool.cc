#include "float_max_pool.h"

#include <algorithm>

namespace lce {
namespace {

// Less is not worth handing over.
constexpr int64_t kValuesPerTask = 2048;

}  // namespace

bool FloatMaxPool::supports(const tfl::PoolParams& params) {
  return (params.padding == tfl::kPaddingSame || params.padding == tfl::kPaddingValid) && params.stride_height > 0 &&
         params.stride_width > 0 && params.filter_height > 0 && params.filter_width > 0 &&
         params.activation == tfl::kNoActivation;
}

void FloatMaxPool::prepare(Values& values) {
  const Value& in = values[in_];
  Value& out = values[out_];
  require(in.type == tfl::Type::kFloat32 && in.shape.size() == 4, "the input must be float32 with four dimensions");
  const Padding padding = params_.padding == tfl::kPaddingSame ? Padding::kSame : Padding::kValid;
  vertical_ = Window::make(in.shape[1], params_.filter_height, params_.stride_height, 1, padding);
  horizontal_ = Window::make(in.shape[2], params_.filter_width, params_.stride_width, 1, padding);
  channels_ = in.shape[3];
  out.shape = {in.shape[0], vertical_.out, horizontal_.out, in.shape[3]};
  elements(out.shape);
}

void FloatMaxPool::run(const Values& values, Pool& pool) {
  const float* in = static_cast<const float*>(values[in_].data);
  float* out = static_cast<float*>(values[out_].data);
  const int64_t rows = int64_t{values[out_].shape[0]} * vertical_.out;
  const int64_t together = std::max<int64_t>(1, kValuesPerTask / std::max<int64_t>(1, channels_ * horizontal_.out));
  pool.run(static_cast<int32_t>((rows + together - 1) / together), [&](int32_t task) {
    const int64_t last = std::min(rows, (task + 1) * together);
    for (int64_t row = task * together; row < last; ++row)
      pool_row(in, out, static_cast<int32_t>(row / vertical_.out), static_cast<int32_t>(row % vertical_.out));
  });
}

void FloatMaxPool::pool_row(const float* in, float* out, int32_t n, int32_t y) const {
  const auto rows = vertical_.inside(y);
  const int64_t top = int64_t{n} * vertical_.in + int64_t{y} * vertical_.stride - vertical_.before;
  out += (int64_t{n} * vertical_.out + y) * horizontal_.out * channels_;
  for (int32_t x = 0; x < horizontal_.out; ++x, out += channels_) {
    const auto columns = horizontal_.inside(x);
    const int64_t left = int64_t{x} * horizontal_.stride - horizontal_.before + columns.first;
    const float* first = in + ((top + rows.first) * horizontal_.in + left) * channels_;
    isa_.greatest({first, rows.last - rows.first, columns.last - columns.first, horizontal_.in * channels_, channels_},
                  out);
  }
}

}  // namespace lce
