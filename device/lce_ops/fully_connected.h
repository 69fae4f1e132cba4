// Builtin FULLY_CONNECTED of floats: a convolution of images that are one pixel. XNNPACK would wake threads of its own for it.
#pragma once

#include "float_conv.h"

namespace lce {

class FullyConnected : public FloatConv {
 public:
  FullyConnected(const FloatIsa& isa, const tfl::FullyConnectedParams& params, const FloatConvOperands& operands);

  // Of a node with float operands and constant weights. It is worth a partition of its own if its weights are many.
  static bool supports(const tfl::Context& context, const tfl::Node& node, const tfl::FullyConnectedParams& params);

  const char* name() const override { return "FULLY_CONNECTED"; }
  void prepare(Values& values) override;
};

}  // namespace lce
