#include "scale.h"

namespace lce {

std::vector<float> Scale::factors(const Value& factors, int32_t channels) {
  const int64_t count = elements(factors.shape);
  require(count == 1 || count == channels, "the operator has another number of factors than channels");
  const float* from = static_cast<const float*>(factors.data);
  if (count == 1) return std::vector<float>(static_cast<size_t>(channels), *from);
  return std::vector<float>(from, from + count);
}

void Scale::prepare(Values& values) {
  const Value& in = values[in_];
  require(in.type == tfl::Type::kFloat32 && !in.shape.empty(), "the input must be float32");
  by_channel_ = factors(values[factors_], in.shape.back());
  values[out_].shape = in.shape;
  elements(in.shape);
}

void Scale::run_rows(const Values& values, Range rows) const {
  const Rows all = Rows::of(values[out_].shape);
  const int64_t first = rows.first * all.values(), pixels = (rows.last - rows.first) * all.pixels;
  const float *from = static_cast<const float*>(values[in_].data) + first, *by = by_channel_.data();
  float* to = static_cast<float*>(values[out_].data) + first;
  if (!only_negative_) return floats_.multiply(from, by, pixels, all.channels, to);
  for (int64_t pixel = 0; pixel < pixels; ++pixel, from += all.channels, to += all.channels)
    for (int64_t c = 0; c < all.channels; ++c) to[c] = from[c] < 0 ? from[c] * by[c] : from[c];
}

}  // namespace lce
