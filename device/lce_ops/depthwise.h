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
  // From now on also does the convolution of single pixels that alone reads its output, of which nothing is kept either.
  void fuse_sink(std::unique_ptr<FloatConv> sink) { sink_ = std::move(sink); }
  bool has_sink() const { return sink_ != nullptr; }
  bool has_source() const { return source_ != nullptr; }

 private:
  // Rows of input, of which row r begins at `first` + r % `count` * `row`, its first pixel behind `before` zeros.
  struct Lines {
    const float* first;
    int64_t count, row, step;
    int32_t width, before;
  };
  // The last rows of some channels that the source has made.
  struct Ring {
    float* memory;
    int64_t made;  // rows so far
  };

  int64_t blocks() const { return source_ ? (in_channels_ + isa_.panel_channels - 1) / isa_.panel_channels : 1; }
  // A row of a ring, with the zeros that windows overhang.
  int64_t line_pixels() const;
  void run_part(const float* in, float* out, Range rows, Range blocks) const;
  void roll(const float* in, Ring& ring, Range rows, const Strip& strip) const;
  void run_rows(const Lines& lines, Range rows, const Strip& strip) const;

  const Id weights_id_, bias_id_;
  const Clamp clamp_;
  std::unique_ptr<StripWindow> source_;
  std::unique_ptr<FloatConv> sink_;
  std::vector<float> bias_, zeros_;
  Buffer weights_;  // [taps][channels]
};

}  // namespace lce
