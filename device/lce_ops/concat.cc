#include "concat.h"

#include <algorithm>

namespace lce {

constexpr int64_t kValuesPerTask = 32768;

void Concat::prepare(Values& values) {
  Shape shape = values[parts_[0]].shape;
  require(!shape.empty(), "the parts have no channels");
  shape.back() = 0;
  for (Id id : parts_) {
    Shape part = values[id].shape;
    require(part.size() == shape.size(), "the parts have different ranks");
    const int64_t channels = int64_t{shape.back()} + part.back();
    require(channels <= kMaxSize, "the output has too many channels");
    part.back() = shape.back();
    require(part == shape, "the parts differ in more than their channels");
    shape.back() = static_cast<int32_t>(channels);
  }
  values[out_].shape = shape;
  elements(shape);
}

void Concat::run(const Values& values, Pool& pool) {
  float* out = static_cast<float*>(values[out_].data);
  const int64_t channels = values[out_].shape.back();
  if (channels == 0) return;
  const int64_t pixels = elements(values[out_].shape) / channels;
  const int64_t together = std::max<int64_t>(1, kValuesPerTask / channels);
  pool.run(static_cast<int32_t>((pixels + together - 1) / together), [&](int32_t task) {
    const int64_t first = task * together, last = std::min(pixels, first + together);
    int64_t place = 0;
    for (Id id : parts_) {
      const float* part = static_cast<const float*>(values[id].data);
      const int64_t own = values[id].shape.back();
      for (int64_t pixel = first; pixel < last; ++pixel)
        std::copy_n(part + pixel * own, own, out + pixel * channels + place);
      place += own;
    }
  });
}

}  // namespace lce
