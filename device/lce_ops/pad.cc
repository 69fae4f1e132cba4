#include "pad.h"

#include <algorithm>

namespace lce {

constexpr int64_t kValuesPerTask = 32768;

int32_t Pad::before(const int32_t* paddings, int32_t rank) {
  const int32_t* own = paddings + 2 * (rank - 1);
  const bool others = std::any_of(paddings, own, [](int32_t n) { return n != 0; });
  return others || own[0] < 0 || own[1] < 0 ? -1 : own[0];
}

void Pad::prepare(Values& values) {
  Shape shape = values[in_].shape;
  const int32_t* own = static_cast<const int32_t*>(values[paddings_].data) + 2 * (shape.size() - 1);
  const int64_t channels = int64_t{shape.back()} + own[0] + own[1];
  require(channels <= kMaxSize, "the output has too many channels");
  shape.back() = static_cast<int32_t>(channels);
  values[out_].shape = shape;
  elements(shape);
}

void Pad::run(const Values& values, Pool& pool) {
  const float* in = static_cast<const float*>(values[in_].data);
  float* out = static_cast<float*>(values[out_].data);
  const auto rank = static_cast<int32_t>(values[in_].shape.size());
  const int64_t own = values[in_].shape.back(), channels = values[out_].shape.back();
  const int32_t first = before(static_cast<const int32_t*>(values[paddings_].data), rank);
  if (channels == 0) return;
  const int64_t pixels = elements(values[out_].shape) / channels;
  const int64_t together = std::max<int64_t>(1, kValuesPerTask / channels);
  pool.run(static_cast<int32_t>((pixels + together - 1) / together), [&](int32_t task) {
    const int64_t last = std::min(pixels, (task + 1) * together);
    for (int64_t pixel = task * together; pixel < last; ++pixel) {
      float* to = std::fill_n(out + pixel * channels, first, 0.0f);
      to = std::copy_n(in + pixel * own, own, to);
      std::fill_n(to, channels - own - first, 0.0f);
    }
  });
}

}  // namespace lce
