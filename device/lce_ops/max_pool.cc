#include "max_pool.h"

#include <algorithm>

namespace lce {
namespace {

constexpr int32_t kAny = INT32_MAX;

void and_words(const uint32_t* in, int64_t count, uint32_t* out) {
  for (int64_t i = 0; i < count; ++i) out[i] &= in[i];
}

}  // namespace

MaxPool::MaxPool(const FlexMap& options, Id in, Id out)
    : filter_height_(options.integer("filter_height", 1, kAny)),
      filter_width_(options.integer("filter_width", 1, kAny)),
      stride_height_(options.integer("stride_height", 1, kAny)),
      stride_width_(options.integer("stride_width", 1, kAny)),
      padding_(static_cast<Padding>(options.integer("padding", 0, 1))),
      in_(in),
      out_(out) {}

void MaxPool::prepare(Values& values) {
  const Value& in = values[in_];
  Value& out = values[out_];
  require(in.type == tfl::Type::kInt32 && out.type == tfl::Type::kInt32, "input and output must be int32");
  require(in.shape.size() == 4, "the input must have four dimensions");
  vertical_ = Window::make(in.shape[1], filter_height_, stride_height_, 1, padding_);
  horizontal_ = Window::make(in.shape[2], filter_width_, stride_width_, 1, padding_);
  out.shape = {in.shape[0], vertical_.out, horizontal_.out, in.shape[3]};
  elements(out.shape);
}

void MaxPool::run(const Values& values, Pool& pool) {
  const BitImages in = values[in_].images(), out = values[out_].images();
  pool.run(out.batch * out.height, [&](int32_t task) {
    const int32_t n = task / out.height, y = task % out.height;
    const auto rows = vertical_.inside(y);
    for (int32_t x = 0; x < out.width; ++x) {
      const auto columns = horizontal_.inside(x);
      uint32_t* to = out.at(n, y, x);
      std::fill(to, to + out.words, ~uint32_t{0});
      for (int32_t i = rows.first; i < rows.last; ++i)
        for (int32_t j = columns.first; j < columns.last; ++j)
          and_words(in.at(n, int64_t{y} * stride_height_ - vertical_.before + i,
                          int64_t{x} * stride_width_ - horizontal_.before + j),
                    in.words, to);
    }
  });
}

}  // namespace lce
