#include "partition.h"

#include <algorithm>
#include <cstring>

#include "add.h"
#include "conv.h"
#include "dequantize.h"
#include "depthwise.h"
#include "float_conv.h"
#include "float_max_pool.h"
#include "fully_connected.h"
#include "max_pool.h"
#include "pad.h"
#include "quantize.h"
#include "scale.h"

namespace lce {
namespace {

Shape shape_of(const tfl::Tensor& tensor) {
  require(tensor.dims != nullptr && tensor.dims->size >= 0 && tensor.dims->size <= 16,
          "a tensor has no sensible shape");
  return Shape(tensor.dims->data, tensor.dims->data + tensor.dims->size);
}

void require_arity(const tfl::Node& node, int32_t inputs, int32_t outputs) {
  require(node.inputs && node.inputs->size == inputs && node.outputs && node.outputs->size == outputs,
          "the operator has another number of inputs or outputs than expected");
}

std::string name_of(const tfl::Registration& registration) {
  if (registration.builtin_code == tfl::kBuiltinCustom) return registration.custom_name;
  switch (registration.builtin_code) {
    case tfl::kBuiltinAdd:
      return "ADD";
    case tfl::kBuiltinMul:
      return "MUL";
    case tfl::kBuiltinPad:
      return "PAD";
    case tfl::kBuiltinPrelu:
      return "PRELU";
    case tfl::kBuiltinConv2d:
      return "CONV_2D";
    case tfl::kBuiltinFullyConnected:
      return "FULLY_CONNECTED";
    case tfl::kBuiltinDepthwiseConv2d:
      return "DEPTHWISE_CONV_2D";
    default:
      return "MAX_POOL_2D";
  }
}

}  // namespace

Partition::Partition(tfl::Context* context, const tfl::DelegateParams& params, const Settings& settings)
    : isa_(choose_isa(settings.kernel)), floats_(choose_float_isa(settings.kernel)) {
  for (int32_t i = 0; i < params.nodes_to_replace->size; ++i) {
    const int32_t index = params.nodes_to_replace->data[i];
    tfl::Node* node = nullptr;
    tfl::Registration* registration = nullptr;
    require(context->GetNodeAndRegistration(context, index, &node, &registration) == tfl::kOk, "a node cannot be read");
    const std::string name = name_of(*registration);
    try {
      steps_.push_back({make_step(context, *node, *registration), index});
    } catch (const Refusal& refusal) {
      throw Refusal(name + " (node " + std::to_string(index) + "): " + refusal.what());
    }
  }
  mark_outside(params);
  if (settings.fuse) fuse(values_, steps_);
  mark_bordered();
}

Id Partition::value_of(const tfl::Context& context, int32_t tensor) {
  if (tensor == tfl::kOptionalTensor) return kNoValue;
  require(tensor >= 0 && static_cast<size_t>(tensor) < context.tensors_size, "a tensor index is out of range");
  for (size_t id = 0; id < values_.size(); ++id)
    if (values_[id].tensor == tensor) return static_cast<Id>(id);
  const tfl::Tensor& source = context.tensors[tensor];
  Value value;
  value.tensor = tensor;
  value.type = source.type;
  value.scale = source.params.scale;
  value.zero_point = source.params.zero_point;
  value.shape = shape_of(source);
  value.constant = source.allocation_type == tfl::Allocation::kMmapReadOnly ||
                   source.allocation_type == tfl::Allocation::kPersistentReadOnly;
  values_.push_back(value);
  return static_cast<Id>(values_.size()) - 1;
}

std::unique_ptr<Step> Partition::make_step(tfl::Context* context, const tfl::Node& node,
                                           const tfl::Registration& registration) {
  const auto input = [&](int32_t i) { return value_of(*context, node.inputs->data[i]); };
  const auto present = [&](Id id) {
    require(id != kNoValue, "an input or output is missing");
    return id;
  };
  const auto output = [&] { return present(value_of(*context, node.outputs->data[0])); };
  const auto options = [&] {
    return FlexMap(node.custom_initial_data, static_cast<size_t>(std::max(0, node.custom_initial_data_size)));
  };
  if (registration.builtin_code == tfl::kBuiltinAdd) {
    require_arity(node, 2, 1);
    const bool relu = static_cast<const tfl::AddParams*>(node.builtin_data)->activation == tfl::kRelu;
    return std::make_unique<Add>(floats_, present(input(0)), present(input(1)), output(), relu);
  }
  if (registration.builtin_code == tfl::kBuiltinMul) {
    require_arity(node, 2, 1);
    const Id left = present(input(0)), right = present(input(1));
    return values_[left].constant ? std::make_unique<Scale>(floats_, right, left, output(), false)
                                  : std::make_unique<Scale>(floats_, left, right, output(), false);
  }
  if (registration.builtin_code == tfl::kBuiltinPrelu) {
    require_arity(node, 2, 1);
    const Id in = present(input(0)), slopes = present(input(1));
    return std::make_unique<Scale>(floats_, in, slopes, output(), true);
  }
  if (registration.builtin_code == tfl::kBuiltinPad) {
    require_arity(node, 2, 1);
    return std::make_unique<Pad>(present(input(0)), present(input(1)), output());
  }
  if (registration.builtin_code == tfl::kBuiltinMaxPool2d) {
    require_arity(node, 1, 1);
    return std::make_unique<FloatMaxPool>(floats_, *static_cast<const tfl::PoolParams*>(node.builtin_data),
                                          present(input(0)), output());
  }
  const auto window = [&] {
    require_arity(node, 3, 1);
    return FloatConvOperands{present(input(0)), present(input(1)), present(input(2)), output()};
  };
  if (registration.builtin_code == tfl::kBuiltinConv2d)
    return std::make_unique<FloatConv>(floats_, *static_cast<const tfl::ConvParams*>(node.builtin_data), window());
  if (registration.builtin_code == tfl::kBuiltinFullyConnected) {
    require(node.inputs->size == 2 || node.inputs->size == 3, "the operator has another number of inputs than expected");
    const Id bias = node.inputs->size == 3 ? input(2) : kNoValue;
    return std::make_unique<FullyConnected>(
        floats_, *static_cast<const tfl::FullyConnectedParams*>(node.builtin_data),
        FloatConvOperands{present(input(0)), present(input(1)), bias, output()});
  }
  if (registration.builtin_code == tfl::kBuiltinDepthwiseConv2d)
    return std::make_unique<Depthwise>(floats_, *static_cast<const tfl::DepthwiseParams*>(node.builtin_data), window());
  if (std::strcmp(registration.custom_name, kConvName) == 0) {
    require_arity(node, 5, 1);
    const ConvOperands operands{present(input(0)), present(input(1)), input(2), input(3), input(4), output()};
    return std::make_unique<Conv>(isa_, ConvOptions::read(options()), operands, values_);
  }
  require_arity(node, 1, 1);
  const Id in = present(input(0)), out = output();
  if (std::strcmp(registration.custom_name, kQuantizeName) == 0) return std::make_unique<Quantize>(isa_, floats_, in, out);
  if (std::strcmp(registration.custom_name, kDequantizeName) == 0) return std::make_unique<Dequantize>(in, out);
  return std::make_unique<MaxPool>(options(), in, out);
}

void Partition::mark_outside(const tfl::DelegateParams& params) {
  for (Value& value : values_) {
    const auto listed = [&](const tfl::IntArray* tensors) {
      return std::find(tensors->data, tensors->data + tensors->size, value.tensor) != tensors->data + tensors->size;
    };
    value.result = listed(params.output_tensors);
    value.outside = value.result || listed(params.input_tensors) || value.constant;
  }
}

// A border around a value spares its readers a copy; only convolutions can read past one.
void Partition::mark_bordered() {
  for (size_t id = 0; id < values_.size(); ++id) {
    Value& value = values_[id];
    value.bordered = !value.outside && value.type == tfl::Type::kInt32;
    for (const PlannedStep& planned : steps_)
      if (contains(planned.step->reads(), static_cast<Id>(id)) && !dynamic_cast<const Conv*>(planned.step.get()))
        value.bordered = false;
  }
}

void Partition::prepare(tfl::Context* context) {
  memory_.clear();
  read_outside(*context);
  for (Value& value : values_) {
    value.border = {};
    const tfl::Tensor& source = context->tensors[value.tensor];
    if (value.outside && !value.result) value.shape = shape_of(source);
    if (!value.constant) continue;
    require(source.data != nullptr && static_cast<int64_t>(source.bytes) >= elements(value.shape) * size_of(value.type),
            "a constant tensor holds less data than its shape says");
  }
  for (const PlannedStep& planned : steps_) {
    try {
      planned.step->prepare(values_);
    } catch (const Refusal& refusal) {
      throw Refusal(std::string(planned.step->name()) + " (node " + std::to_string(planned.node) +
                    "): " + refusal.what());
    }
  }
  gather_weights();
  memory_ = assign_memory(values_, steps_);
  publish_outputs(context);
}

// One after the other as they are read, so that a step can prefetch those of the next.
void Partition::gather_weights() {
  int64_t bytes = 0;
  for (const PlannedStep& planned : steps_) bytes += planned.step->weights_bytes();
  if (bytes == 0) return;
  weights_.push_back(std::make_unique<Buffer>());
  weights_.back()->resize_zeroed(bytes, true);
  auto* to = static_cast<char*>(weights_.back()->data());
  for (const PlannedStep& planned : steps_) {
    bytes = planned.step->weights_bytes();
    if (bytes > 0) planned.step->move_weights(to);
    to += bytes;
  }
}

void Partition::run(tfl::Context* context, Pool& pool) {
  read_outside(*context);
  for (const PlannedStep& planned : steps_) {
    const Span span(pool.track(), planned.step->name(), planned.node);
    planned.step->run(values_, pool);
  }
}

// The runtime may move its tensors between any two calls.
void Partition::read_outside(const tfl::Context& context) {
  for (Value& value : values_)
    if (value.outside) value.data = context.tensors[value.tensor].data;
  for (Value& value : values_)
    if (value.home >= 0 && values_[value.home].outside) value.data = values_[value.home].data;
}

void Partition::publish_outputs(tfl::Context* context) const {
  for (const Value& value : values_) {
    if (!value.result) continue;
    const size_t bytes = sizeof(int32_t) * (value.shape.size() + 1);
    auto* dims = static_cast<tfl::IntArray*>(std::malloc(bytes));
    if (!dims) throw std::bad_alloc();
    dims->size = static_cast<int32_t>(value.shape.size());
    std::copy(value.shape.begin(), value.shape.end(), dims->data);
    // The dimensions belong to the runtime from here on, even if it refuses them.
    require(context->ResizeTensor(context, &context->tensors[value.tensor], dims) == tfl::kOk,
            "an output could not be resized");
  }
}

}  // namespace lce
