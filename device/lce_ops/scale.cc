#include "scale.h"

#include <algorithm>

namespace lce {

constexpr int64_t kValuesPerTask = 32768;

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

void Scale::run(const Values& values, Pool& pool) {
  const float* in = static_cast<const float*>(values[in_].data);
  float* out = static_cast<float*>(values[out_].data);
  const auto channels = static_cast<int64_t>(by_channel_.size());
  if (channels == 0) return;
  const int64_t pixels = elements(values[in_].shape) / channels;
  const int64_t together = std::max<int64_t>(1, kValuesPerTask / channels);
  pool.run(static_cast<int32_t>((pixels + together - 1) / together), [&](int32_t task) {
    const int64_t last = std::min(pixels, (task + 1) * together);
    for (int64_t pixel = task * together; pixel < last; ++pixel) {
      const float *from = in + pixel * channels, *by = by_channel_.data();
      float* to = out + pixel * channels;
      if (only_negative_)
        for (int64_t c = 0; c < channels; ++c) to[c] = from[c] < 0 ? from[c] * by[c] : from[c];
      else
        for (int64_t c = 0; c < channels; ++c) to[c] = from[c] * by[c];
    }
  });
}

}  // namespace lce
