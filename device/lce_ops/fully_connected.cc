#include "fully_connected.h"

namespace lce {
namespace {

// Of fewer weights there is nothing to divide among threads.
constexpr int64_t kManyWeights = 1 << 16;

}  // namespace

FullyConnected::FullyConnected(const FloatIsa& isa, const tfl::FullyConnectedParams& params,
                               const FloatConvOperands& operands)
    : FloatConv(isa, {tfl::kPaddingValid, 1, 1}, params.activation, operands) {}

bool FullyConnected::supports(const tfl::Context& context, const tfl::Node& node,
                              const tfl::FullyConnectedParams& params) {
  const tfl::IntArray& out = *context.tensors[node.outputs->data[0]].dims;
  const int32_t* weights = context.tensors[node.inputs->data[1]].dims->data;
  return params.weights_format == 0 && !params.keep_num_dims && params.activation >= tfl::kNoActivation &&
         params.activation <= tfl::kRelu6 && int64_t{weights[0]} * weights[1] >= kManyWeights && out.size == 2 &&
         out.data[1] == weights[0];
}

void FullyConnected::prepare(Values& values) {
  const Shape weights = values[weights_id_].shape;
  Value images = values[in_];
  const int64_t count = elements(images.shape);
  require(count > 0 && count % weights[1] == 0, "the input is no whole number of rows of the weights");
  images.shape = {static_cast<int32_t>(count / weights[1]), 1, 1, weights[1]};
  slide(images, 1, 1, weights[0]);
  values[out_].shape = {images.shape[0], weights[0]};
  ready(values);
}

}  // namespace lce
