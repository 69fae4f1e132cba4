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
  void prepare(Values& values) override;
  void run(const Values& values, Pool& pool) override;

  int64_t weights_bytes() const override { return source_ ? source_->weights_bytes() : 0; }
  void move_weights(void* to) override {
    if (source_) source_->move_weights(to);
  }

  // From now on makes its own input, of which nothing is kept.
  void fuse_source(std::unique_ptr<StripWindow> source) { source_ = std::move(source); }
  bool has_source() const { return source_ != nullptr; }

 private:
  // Rows of input, of which row r begins at `first` + r % `count` * `row`.
  struct Lines {
    const float* first;
    int64_t count, row;
  };

  void run_strip(const float* in, float* out, Range rows, Range channels) const;
  void roll(const float* in, DepthwiseRow kernel, Range rows, Range channels) const;
  void run_rows(const Lines& lines, DepthwiseRow kernel, Range rows) const;

  const Id weights_id_, bias_id_;
  const Clamp clamp_;
  std::unique_ptr<StripWindow> source_;
  std::vector<float> bias_, zeros_;
  Buffer weights_;  // [taps][channels]
};

}  // namespace lce
