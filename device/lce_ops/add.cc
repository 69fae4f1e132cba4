#include "add.h"

#include <algorithm>
#include <limits>

#include "pad.h"

namespace lce {
namespace {

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

void Add::run_rows(const Values& values, Range rows) const {
  const Rows all = Rows::of(values[out_].shape);
  const int64_t channels = all.channels, own = has_padding() ? values[right_].shape.back() : channels;
  const int64_t first = rows.first * all.pixels, pixels = (rows.last - rows.first) * all.pixels;
  const float* left = static_cast<const float*>(values[left_].data) + first * channels;
  const float* right = static_cast<const float*>(values[right_].data) + first * own;
  float* out = static_cast<float*>(values[out_].data) + first * channels;
  const float least = relu_ ? 0.0f : -std::numeric_limits<float>::infinity();
  if (channels == own) return floats_.add(left, right, pixels * channels, least, out);
  const int64_t after = before_ + own;
  for (int64_t pixel = 0; pixel < pixels; ++pixel, left += channels, right += own, out += channels) {
    add_zero(left, before_, least, out);
    floats_.add(left + before_, right, own, least, out + before_);
    add_zero(left + after, channels - after, least, out + after);
  }
}

}  // namespace lce
