#include "add.h"

#include <algorithm>
#include <limits>

namespace lce {

constexpr int64_t kValuesPerTask = 32768;

void require_same_shape(const Value& left, const Value& right) {
  require(left.shape == right.shape, "the ADD's inputs no longer have the same shape; load the delegate with fuse=0");
}

void Add::prepare(Values& values) {
  require_same_shape(values[left_], values[right_]);
  values[out_].shape = values[left_].shape;
}

void Add::run(const Values& values, Pool& pool) {
  const float* left = static_cast<const float*>(values[left_].data);
  const float* right = static_cast<const float*>(values[right_].data);
  float* out = static_cast<float*>(values[out_].data);
  const float least = relu_ ? 0.0f : -std::numeric_limits<float>::infinity();
  const int64_t count = elements(values[out_].shape);
  pool.run(static_cast<int32_t>((count + kValuesPerTask - 1) / kValuesPerTask), [=](int32_t task) {
    const int64_t last = std::min(count, (task + 1) * kValuesPerTask);
    for (int64_t i = task * kValuesPerTask; i < last; ++i) {
      const float sum = left[i] + right[i];
      out[i] = least > sum ? least : sum;
    }
  });
}

}  // namespace lce
