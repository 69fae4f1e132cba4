#include "add.h"

#include <algorithm>
#include <limits>

#include "pad.h"

namespace lce {
namespace {

constexpr int64_t kValuesPerTask = 32768;

// Out of the operands may be one of them.
void add(const float* left, const float* right, int64_t count, float least, float* out) {
  for (int64_t i = 0; i < count; ++i) {
    const float sum = left[i] + right[i];
    out[i] = least > sum ? least : sum;
  }
}

void add_zero(const float* left, int64_t count, float least, float* out) {
  for (int64_t i = 0; i < count; ++i) {
    const float sum = left[i] + 0.0f;
    out[i] = least > sum ? least : sum;
  }
}

}  // namespace

void require_same_shape(const Value& left, const Value& right) {
  require(left.shape == right.shape, "the ADD's inputs no longer have the same shape; load the delegate with fuse=0");
}

void Add::fuse_pad(Id padded, Id source, Id paddings) {
  if (left_ == padded) std::swap(left_, right_);
  right_ = source;
  paddings_ = paddings;
}

void Add::prepare(Values& values) {
  const Value &left = values[left_], &right = values[right_];
  if (has_padding()) {
    const auto* paddings = static_cast<const int32_t*>(values[paddings_].data);
    const size_t rank = left.shape.size();
    Shape padded = right.shape;
    require(padded.size() == rank, "the ADD's inputs differ in rank");
    padded.back() += paddings[2 * rank - 2] + paddings[2 * rank - 1];
    require(padded == left.shape, "the ADD's inputs no longer have the same shape; load the delegate with fuse=0");
    before_ = Pad::before(paddings, static_cast<int32_t>(rank));
  } else {
    require_same_shape(left, right);
  }
  values[out_].shape = left.shape;
}

void Add::run(const Values& values, Pool& pool) {
  const float* left = static_cast<const float*>(values[left_].data);
  const float* right = static_cast<const float*>(values[right_].data);
  float* out = static_cast<float*>(values[out_].data);
  const float least = relu_ ? 0.0f : -std::numeric_limits<float>::infinity();
  const int64_t count = elements(values[out_].shape);
  if (count == 0) return;
  const int64_t channels = has_padding() ? values[out_].shape.back() : 1;
  const int64_t own = has_padding() ? values[right_].shape.back() : 1;
  const int64_t pixels = count / channels, together = std::max<int64_t>(1, kValuesPerTask / channels);
  pool.run(static_cast<int32_t>((pixels + together - 1) / together), [=](int32_t task) {
    const int64_t first = task * together, last = std::min(pixels, first + together);
    if (channels == own) return add(left + first * own, right + first * own, (last - first) * own, least, out + first * own);
    for (int64_t pixel = first; pixel < last; ++pixel) {
      const float* from = left + pixel * channels;
      float* to = out + pixel * channels;
      const int64_t after = before_ + own;
      add_zero(from, before_, least, to);
      add(from + before_, right + pixel * own, own, least, to + before_);
      add_zero(from + after, channels - after, least, to + after);
    }
  });
}

}  // namespace lce
