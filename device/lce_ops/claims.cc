#include "claims.h"

#include <algorithm>
#include <cstring>

#include "depthwise.h"
#include "float_max_pool.h"
#include "fully_connected.h"
#include "pad.h"

namespace lce {
namespace {

struct GraphNode {
  int32_t index;
  const tfl::Node* node;
  const tfl::Registration* registration;

  bool is(const char* custom_name) const {
    return registration->builtin_code == tfl::kBuiltinCustom && registration->custom_name &&
           std::strcmp(registration->custom_name, custom_name) == 0;
  }
  bool is_ours() const { return is(kQuantizeName) || is(kDequantizeName) || is(kConvName) || is(kMaxPoolName); }
};

// The structures have been stable for years, but nothing promises it: what we can recompute must come out the same.
void check_layout(const tfl::Context& context, const std::vector<GraphNode>& nodes) {
  constexpr char kUnknown[] = "this TFLite runtime lays its structures out in a way that this library does not know";
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto* start = reinterpret_cast<const char*>(nodes[i].node);
    require(reinterpret_cast<const char*>(nodes[i].registration) - start == sizeof(tfl::Node), kUnknown);
    if (i == 0 || nodes[i].index != nodes[i - 1].index + 1) continue;
    const auto distance = start - reinterpret_cast<const char*>(nodes[i - 1].node);
    require(distance == sizeof(tfl::Node) + sizeof(tfl::Registration), kUnknown);
  }
  for (const GraphNode& n : nodes) {
    if (!n.is_ours()) continue;
    require(n.node->inputs && n.node->outputs, kUnknown);
    for (int32_t i = 0; i < n.node->inputs->size; ++i) {
      const int32_t index = n.node->inputs->data[i];
      if (index == tfl::kOptionalTensor) continue;
      require(index >= 0 && static_cast<size_t>(index) < context.tensors_size, kUnknown);
      const tfl::Tensor& tensor = context.tensors[index];
      require(static_cast<int32_t>(tensor.type) >= 0 && static_cast<int32_t>(tensor.type) < 64, kUnknown);
      require(tensor.dims && tensor.dims->size >= 0 && tensor.dims->size <= 16, kUnknown);
    }
  }
}

std::vector<GraphNode> graph_nodes(tfl::Context* context) {
  tfl::IntArray* plan = nullptr;
  require(context->GetExecutionPlan(context, &plan) == tfl::kOk && plan, "the execution plan cannot be read");
  std::vector<GraphNode> nodes;
  for (int32_t i = 0; i < plan->size; ++i) {
    tfl::Node* node = nullptr;
    tfl::Registration* registration = nullptr;
    require(context->GetNodeAndRegistration(context, plan->data[i], &node, &registration) == tfl::kOk,
            "a node cannot be read");
    nodes.push_back({plan->data[i], node, registration});
  }
  return nodes;
}

int64_t readers(const std::vector<GraphNode>& nodes, int32_t tensor) {
  int64_t count = 0;
  for (const GraphNode& n : nodes)
    count += std::count(n.node->inputs->data, n.node->inputs->data + n.node->inputs->size, tensor);
  return count;
}

// What is known of the graph while nodes are chosen.
struct Graph {
  const tfl::Context& context;
  const std::vector<GraphNode>& nodes;
  const FloatIsa& floats;
  bool xnnpack;

  const tfl::Tensor& tensor(int32_t index) const { return context.tensors[index]; }
};

bool is_float(const tfl::Tensor& tensor, int32_t rank) {
  return tensor.type == tfl::Type::kFloat32 && tensor.dims && tensor.dims->size == rank;
}

bool is_constant(const tfl::Tensor& tensor) { return tensor.allocation_type == tfl::Allocation::kMmapReadOnly; }

bool is_plain_float(const tfl::Tensor& tensor) {
  return tensor.type == tfl::Type::kFloat32 && !is_constant(tensor);
}

bool same_shape(const tfl::Tensor& a, const tfl::Tensor& b) {
  return a.dims->size == b.dims->size && std::equal(a.dims->data, a.dims->data + a.dims->size, b.dims->data);
}

bool is_add(const Graph& graph, const GraphNode& add) {
  const tfl::Node& node = *add.node;
  if (add.registration->builtin_code != tfl::kBuiltinAdd || node.inputs->size != 2 || node.outputs->size != 1)
    return false;
  if (!node.builtin_data) return false;
  const int32_t activation = static_cast<const tfl::AddParams*>(node.builtin_data)->activation;
  if (activation != tfl::kNoActivation && activation != tfl::kRelu) return false;
  const tfl::Tensor &left = graph.tensor(node.inputs->data[0]), &right = graph.tensor(node.inputs->data[1]);
  return is_plain_float(left) && is_plain_float(right) && same_shape(left, right);
}

// An ADD is worth taking if a convolution can do it while its result is in registers: it then also joins the two blocks
// that it lies between into one partition.
bool joins_blocks(const Graph& graph, const GraphNode& add) {
  if (!is_add(graph, add)) return false;
  const int32_t* operands = add.node->inputs->data;
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const GraphNode& n) {
    if (!n.is(kConvName) || n.node->outputs->size != 1) return false;
    const int32_t out = n.node->outputs->data[0];
    return (out == operands[0] || out == operands[1]) && readers(graph.nodes, out) == 1;
  });
}

// Constants for values: one for each channel, or one for all.
bool is_by_channel(const tfl::Tensor& in, const tfl::Tensor& factors, bool one_for_all) {
  if (!is_plain_float(in) || in.dims->size < 1 || !is_constant(factors)) return false;
  if (factors.type != tfl::Type::kFloat32 || !factors.dims || factors.dims->size > in.dims->size) return false;
  int64_t count = 1;
  for (int32_t i = 0; i < factors.dims->size; ++i) count *= factors.dims->data[i];
  const int32_t channels = in.dims->data[in.dims->size - 1];
  return (count == 1 && one_for_all) ||
         (count == channels && factors.dims->data[factors.dims->size - 1] == channels);
}

// By constants. Not with an activation: XNNPACK's versions make different zeros of -0.
bool is_scale(const Graph& graph, const GraphNode& n) {
  const tfl::Node& node = *n.node;
  if (n.registration->builtin_code != tfl::kBuiltinMul || node.inputs->size != 2 || node.outputs->size != 1) return false;
  if (!node.builtin_data || static_cast<const tfl::MulParams*>(node.builtin_data)->activation != tfl::kNoActivation)
    return false;
  const tfl::Tensor *in = &graph.tensor(node.inputs->data[0]), *factors = &graph.tensor(node.inputs->data[1]);
  if (is_constant(*in)) std::swap(in, factors);
  return is_by_channel(*in, *factors, true);
}

// Of one slope for all, a runtime's XNNPACK reads as many as there are channels.
bool is_prelu(const Graph& graph, const GraphNode& n) {
  const tfl::Node& node = *n.node;
  return n.registration->builtin_code == tfl::kBuiltinPrelu && node.inputs->size == 2 && node.outputs->size == 1 &&
         is_by_channel(graph.tensor(node.inputs->data[0]), graph.tensor(node.inputs->data[1]), false);
}

bool is_pad(const Graph& graph, const GraphNode& n) {
  const tfl::Node& node = *n.node;
  if (n.registration->builtin_code != tfl::kBuiltinPad || node.inputs->size != 2 || node.outputs->size != 1) return false;
  const tfl::Tensor &in = graph.tensor(node.inputs->data[0]), &paddings = graph.tensor(node.inputs->data[1]);
  if (!is_plain_float(in) || in.dims->size < 1 || !is_constant(paddings)) return false;
  if (paddings.type != tfl::Type::kInt32 || paddings.bytes != 8 * static_cast<size_t>(in.dims->size)) return false;
  return Pad::before(static_cast<const int32_t*>(paddings.data), in.dims->size) >= 0;
}

bool is_max_pool(const Graph& graph, const GraphNode& pool) {
  const tfl::Node& node = *pool.node;
  return pool.registration->builtin_code == tfl::kBuiltinMaxPool2d && node.inputs->size == 1 &&
         node.outputs->size == 1 && node.builtin_data &&
         FloatMaxPool::supports(*static_cast<const tfl::PoolParams*>(node.builtin_data)) &&
         is_float(graph.tensor(node.inputs->data[0]), 4) && !is_constant(graph.tensor(node.inputs->data[0]));
}

// A window over floats with constant weights and a constant bias, which the runtimes demand as well.
bool has_float_operands(const Graph& graph, const tfl::Node& node) {
  if (!graph.xnnpack || !node.builtin_data || node.inputs->size != 3 || node.outputs->size != 1) return false;
  if (std::find(node.inputs->data, node.inputs->data + 3, tfl::kOptionalTensor) != node.inputs->data + 3) return false;
  const tfl::Tensor &in = graph.tensor(node.inputs->data[0]), &weights = graph.tensor(node.inputs->data[1]),
                    &bias = graph.tensor(node.inputs->data[2]);
  return is_float(in, 4) && !is_constant(in) && is_float(weights, 4) && is_constant(weights) && is_float(bias, 1) &&
         is_constant(bias);
}

bool is_window(const Graph& graph, const GraphNode& n) {
  if (n.registration->builtin_code == tfl::kBuiltinConv2d)
    return graph.floats.conv && has_float_operands(graph, *n.node) &&
           FloatConv::supports(graph.context, *n.node, *static_cast<const tfl::ConvParams*>(n.node->builtin_data));
  if (n.registration->builtin_code == tfl::kBuiltinDepthwiseConv2d)
    return graph.floats.depthwise_row && has_float_operands(graph, *n.node) &&
           Depthwise::supports(graph.context, *n.node, *static_cast<const tfl::DepthwiseParams*>(n.node->builtin_data));
  return false;
}

// A depthwise convolution that makes the rows that it reads, and keeps them in the nearest cache, where XNNPACK writes and
// reads the whole image.
bool makes_its_input(const Graph& graph, const GraphNode& depthwise) {
  if (depthwise.registration->builtin_code != tfl::kBuiltinDepthwiseConv2d) return false;
  if (!is_window(graph, depthwise)) return false;
  const int32_t in = depthwise.node->inputs->data[0];
  return readers(graph.nodes, in) == 1 && std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const GraphNode& n) {
           return n.registration->builtin_code == tfl::kBuiltinConv2d && n.node->outputs->data[0] == in &&
                  is_window(graph, n);
         });
}

// Worth a partition of its own, such as the first convolution of a model: XNNPACK takes longer for it. For one value per
// window it does not.
bool is_wide(const Graph& graph, const GraphNode& n) {
  if (n.registration->builtin_code != tfl::kBuiltinConv2d || !is_window(graph, n)) return false;
  const int32_t* weights = graph.tensor(n.node->inputs->data[1]).dims->data;
  return weights[1] * weights[2] > 1;
}

// Worth a partition of its own: XNNPACK would wake its threads for it, and ours are awake.
bool is_large_product(const Graph& graph, const GraphNode& n) {
  const tfl::Node& node = *n.node;
  if (n.registration->builtin_code != tfl::kBuiltinFullyConnected || !graph.floats.conv || !graph.xnnpack)
    return false;
  if (!node.builtin_data || (node.inputs->size != 2 && node.inputs->size != 3) || node.outputs->size != 1) return false;
  const tfl::Tensor &in = graph.tensor(node.inputs->data[0]), &weights = graph.tensor(node.inputs->data[1]);
  const bool biased = node.inputs->size == 3 && node.inputs->data[2] != tfl::kOptionalTensor;
  if (biased && !(is_float(graph.tensor(node.inputs->data[2]), 1) && is_constant(graph.tensor(node.inputs->data[2]))))
    return false;
  return is_plain_float(in) && in.dims && is_float(weights, 2) && is_constant(weights) &&
         FullyConnected::supports(graph.context, node,
                                  *static_cast<const tfl::FullyConnectedParams*>(node.builtin_data));
}

// Tensors by index: whether they belong to nodes that are taken.
using Marks = std::vector<bool>;

void mark(Marks& marks, const tfl::IntArray* tensors) {
  for (int32_t i = 0; i < tensors->size; ++i)
    if (tensors->data[i] >= 0) marks[static_cast<size_t>(tensors->data[i])] = true;
}

bool marked(const Marks& marks, int32_t tensor) { return tensor >= 0 && marks[static_cast<size_t>(tensor)]; }

bool may_be_taken(const Graph& graph, const GraphNode& n) {
  return is_window(graph, n) || is_scale(graph, n) || is_pad(graph, n) || is_add(graph, n);
}

// What makes a tensor that has no -0 in it: of two zeros, nobody says which is the greater.
bool makes_plain_zeros(const GraphNode& n) {
  const int32_t code = n.registration->builtin_code;
  return n.is(kConvName) || code == tfl::kBuiltinAdd || code == tfl::kBuiltinConv2d;
}

// Other builtin operators of floats are worth taking beside a node that is taken: they cost no further partition, and the
// threads that write floats read them again.
void take_neighbours(const Graph& graph, std::vector<bool>& taken) {
  Marks made(graph.context.tensors_size), read(graph.context.tensors_size), plain(graph.context.tensors_size);
  const auto take = [&](size_t i) {
    taken[i] = true;
    mark(made, graph.nodes[i].node->outputs);
    mark(read, graph.nodes[i].node->inputs);
  };
  const auto any = [](const Marks& marks, const tfl::IntArray* tensors) {
    return std::any_of(tensors->data, tensors->data + tensors->size, [&](int32_t t) { return marked(marks, t); });
  };
  const auto suits = [&](size_t i) {
    const GraphNode& n = graph.nodes[i];
    return !taken[i] && (may_be_taken(graph, n) || (is_max_pool(graph, n) && any(plain, n.node->inputs)));
  };
  for (size_t i = 0; i < taken.size(); ++i) {
    if (makes_plain_zeros(graph.nodes[i])) mark(plain, graph.nodes[i].node->outputs);
    if (taken[i] || is_wide(graph, graph.nodes[i]) || is_large_product(graph, graph.nodes[i])) take(i);
  }
  for (size_t i = 0; i < taken.size(); ++i)
    if (suits(i) && any(made, graph.nodes[i].node->inputs)) take(i);
  for (size_t i = taken.size(); i-- > 0;)
    if (suits(i) && any(read, graph.nodes[i].node->outputs)) take(i);
}

// PRELUs behind convolutions of floats that are taken, which do them before they store. A convolution makes no -0, of which
// XNNPACK's versions of a PRELU make different zeros.
void take_prelus(const Graph& graph, std::vector<bool>& taken) {
  Marks sums(graph.context.tensors_size);
  for (size_t i = 0; i < taken.size(); ++i) {
    const GraphNode& n = graph.nodes[i];
    if (taken[i] && n.registration->builtin_code == tfl::kBuiltinConv2d) mark(sums, n.node->outputs);
    if (!is_prelu(graph, n)) continue;
    const int32_t in = n.node->inputs->data[0];
    taken[i] = marked(sums, in) && readers(graph.nodes, in) == 1;
  }
}

}  // namespace

std::vector<int32_t> nodes_to_claim(tfl::Context* context, const Settings& settings) {
  const std::vector<GraphNode> nodes = graph_nodes(context);
  check_layout(*context, nodes);
  const Graph graph{*context, nodes, choose_float_isa(settings.kernel), settings.xnnpack};
  std::vector<bool> taken;
  for (const GraphNode& n : nodes)
    taken.push_back(n.is_ours() || (settings.fuse && (joins_blocks(graph, n) ||
                                                      (settings.floats && makes_its_input(graph, n)))));
  if (settings.fuse && std::find(taken.begin(), taken.end(), true) != taken.end()) {
    take_neighbours(graph, taken);
    take_prelus(graph, taken);
  }
  std::vector<int32_t> claimed = {0};
  for (size_t i = 0; i < nodes.size(); ++i)
    if (taken[i]) claimed.push_back(nodes[i].index);
  claimed[0] = static_cast<int32_t>(claimed.size()) - 1;
  return claimed;
}

}  // namespace lce
