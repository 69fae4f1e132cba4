// Builtin DEPTHWISE_CONV_2D of floats, taken as CONV_2D is. It can also do what makes its input, a few rows at a time.
#pragma once

#include <memory>
#include <vector>

#include "float_conv.h"

namespace lce {

class Depthwise : public FloatWindow {
 public:
  Depthwise(const FloatIsa& isa, const tfl::DepthwiseParams& params, const FloatConvOperands& operands);

  // Of a node with float operands and constant weights.
  static bool supports(const tfl::Context& context, const tfl::Node& node, const tfl::DepthwiseParams& params);

  const char* name() const override { return "DEPTHWISE_CONV"; }
  std::vector<Id> reads() const override { return {source_ ? source_->in() : in_}; }
  std::vector<Id> writes() const override { return {sink_ ? sink_->out() : out_}; }
  void prepare(Values& values) override;
  void run(const Values& values, Pool& pool) override;

  int64_t weights_bytes() const override;
  void move_weights(void* to) override;

  // From now on makes its own input, of which nothing is kept.
  void fuse_source(std::unique_ptr<StripWindow> source) { source_ = std::move(source); }
  // From now on also does the convolution of single pixels that alone reads its output: of that nothing is kept either.
  void fuse_sink(std::unique_ptr<FloatConv> sink) { sink_ = std::move(sink); }
  bool has_sink() const { return sink_ != nullptr; }
  bool has_source() const { return source_ != nullptr; }

 private:
  static constexpr int32_t kSize = 3;  // of the window
  // The rows of input that a row of output reads, of those that it would read from `top` on.
  struct Read {
    int64_t top, first, last;
  };
  // The last rows of input that the source has made, of some channels, for some columns of output.
  struct Ring {
    Range channels, columns;
    float* memory;
    int64_t made;  // rows so far
  };

  // What the windows of these columns of output reach.
  int64_t line_pixels(const Range& columns) const {
    return (columns.last - columns.first - 1) * horizontal_.stride + kSize;
  }
  void run_part(const float* in, float* out, Range rows, Range blocks) const;
  void run_rows(const float* in, float* out, Range rows) const;
  void roll(const float* in, float* out, Ring& ring, Range rows) const;
  DepthwiseRow row_of(Range channels) const;
  // `line` is where a row of the input lies.
  template <class F>
  void run_row(DepthwiseRow& kernel, int64_t row, const F& line) const;

  const Id weights_id_, bias_id_;
  const Clamp clamp_;
  std::unique_ptr<StripWindow> source_;
  std::unique_ptr<FloatConv> sink_;
  std::vector<float> bias_, zeros_;
  std::vector<Read> reads_;            // by row of output, over all images
  int64_t blocks_ = 1, columns_ = 1;  // parts of the channels and of a row, each with a ring
  Buffer weights_;  // [taps][channels]
};

}  // namespace lce
