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
  void run_rows(const float* in, int64_t origin, float* out, Range rows) const override;

  // From now on makes its own input, of which nothing is kept.
  void fuse_source(std::unique_ptr<FloatWindow> source) { source_ = std::move(source); }
  bool has_source() const { return source_ != nullptr; }

 private:
  int64_t bands(int64_t threads) const;
  void run_band(const float* in, float* out, Range rows) const;

  const Id weights_id_, bias_id_;
  const Clamp clamp_;
  std::unique_ptr<FloatWindow> source_;
  std::vector<float> weights_, bias_, zeros_;
  std::vector<int64_t> taps_;  // distances from the window's first
};

}  // namespace lce
