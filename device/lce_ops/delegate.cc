// The delegate: the two C functions that TFLite's loaders call, and the callbacks that the runtime then calls.
#include <algorithm>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "conv.h"
#include "export.h"
#include "float_max_pool.h"
#include "partition.h"

namespace lce {
namespace {

constexpr char kName[] = "LceOperators";
constexpr int32_t kMaxThreads = 64;

// Shared by a delegate and the partitions that it made, whichever is destroyed first.
struct Shared {
  Settings settings;

  // One pool per interpreter: its partitions run one after the other.
  std::shared_ptr<Pool> pool_for(const tfl::Context* context) {
    const int32_t wanted = settings.num_threads > 0 ? settings.num_threads : context->recommended_num_threads;
    const int32_t threads = std::clamp(wanted, 1, kMaxThreads);
    const std::lock_guard<std::mutex> lock(mutex);
    std::shared_ptr<Pool> pool = pools[context].lock();
    if (!pool || pool->threads() != threads) {
      pool = std::make_shared<Pool>(threads, settings.trace);
      pools[context] = pool;
    }
    return pool;
  }

 private:
  std::mutex mutex;
  std::map<const tfl::Context*, std::weak_ptr<Pool>> pools;
};

struct Handle {
  tfl::Delegate delegate{};
  std::shared_ptr<Shared> shared = std::make_shared<Shared>();
};

// A kernel in the runtime's sense. `init` cannot fail there, so what went wrong is kept for `prepare` to report.
struct Kernel {
  std::shared_ptr<Shared> shared;
  std::shared_ptr<Pool> pool;
  std::optional<Partition> partition;
  std::string problem;
};

template <class F>
tfl::Status reported(tfl::Context* context, const F& function) {
  try {
    function();
    return tfl::kOk;
  } catch (const std::exception& error) {
    context->ReportError(context, "%s: %s", kName, error.what());
  }
  return tfl::kError;
}

void* init(tfl::Context* context, const char* buffer, size_t) {
  const auto& params = *reinterpret_cast<const tfl::DelegateParams*>(buffer);
  auto kernel = std::make_unique<Kernel>();
  kernel->shared = reinterpret_cast<Handle*>(params.delegate->data)->shared;
  try {
    kernel->partition.emplace(context, params, kernel->shared->settings);
  } catch (const std::exception& error) {
    kernel->problem = error.what();
  }
  return kernel.release();
}

void free_kernel(tfl::Context*, void* kernel) { delete static_cast<Kernel*>(kernel); }

tfl::Status prepare(tfl::Context* context, tfl::Node* node) {
  return reported(context, [&] {
    auto& kernel = *static_cast<Kernel*>(node->user_data);
    if (!kernel.partition) throw Refusal(kernel.problem);
    kernel.partition->prepare(context);
    kernel.pool = kernel.shared->pool_for(context);
  });
}

tfl::Status invoke(tfl::Context* context, tfl::Node* node) {
  return reported(context, [&] {
    auto& kernel = *static_cast<Kernel*>(node->user_data);
    const Span span(kernel.pool->track(), "partition");
    kernel.partition->run(context, *kernel.pool);
  });
}

// ------------------------------------------------------------------------------------------------ choice of nodes

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

bool is_plain_float(const tfl::Tensor& tensor) {
  return tensor.type == tfl::Type::kFloat32 && tensor.allocation_type != tfl::Allocation::kMmapReadOnly;
}

// An ADD is worth taking if a convolution can do it while its result is in registers: it then also joins the two blocks
// that it lies between into one partition.
bool joins_blocks(const tfl::Context& context, const std::vector<GraphNode>& nodes, const GraphNode& add) {
  const tfl::Node& node = *add.node;
  if (add.registration->builtin_code != tfl::kBuiltinAdd || node.inputs->size != 2 || node.outputs->size != 1)
    return false;
  if (!node.builtin_data) return false;
  const int32_t activation = static_cast<const tfl::AddParams*>(node.builtin_data)->activation;
  if (activation != tfl::kNoActivation && activation != tfl::kRelu) return false;
  const tfl::Tensor &left = context.tensors[node.inputs->data[0]], &right = context.tensors[node.inputs->data[1]];
  if (!is_plain_float(left) || !is_plain_float(right) || left.dims->size != right.dims->size) return false;
  if (!std::equal(left.dims->data, left.dims->data + left.dims->size, right.dims->data)) return false;
  return std::any_of(nodes.begin(), nodes.end(), [&](const GraphNode& n) {
    if (!n.is(kConvName) || n.node->outputs->size != 1) return false;
    const int32_t out = n.node->outputs->data[0];
    return (out == node.inputs->data[0] || out == node.inputs->data[1]) && readers(nodes, out) == 1;
  });
}

// A MAX_POOL_2D is worth taking if its input is made by a node of ours: it costs no further partition.
bool ends_partition(const tfl::Context& context, const GraphNode& pool, const std::vector<int32_t>& made_by_us) {
  const tfl::Node& node = *pool.node;
  if (pool.registration->builtin_code != tfl::kBuiltinMaxPool2d || node.inputs->size != 1 || node.outputs->size != 1)
    return false;
  if (!node.builtin_data || !FloatMaxPool::supports(*static_cast<const tfl::PoolParams*>(node.builtin_data)))
    return false;
  const int32_t in = node.inputs->data[0];
  const tfl::Tensor& floats = context.tensors[in];
  return is_plain_float(floats) && floats.dims->size == 4 &&
         std::find(made_by_us.begin(), made_by_us.end(), in) != made_by_us.end();
}

// ReplaceNodeSubsets... wants an IntArray; a vector whose first element is the size has its layout.
std::vector<int32_t> nodes_to_claim(tfl::Context* context, const Settings& settings) {
  const std::vector<GraphNode> nodes = graph_nodes(context);
  check_layout(*context, nodes);
  std::vector<int32_t> claimed = {0}, made_by_us;
  for (const GraphNode& n : nodes) {
    const bool taken = settings.fuse && (joins_blocks(*context, nodes, n) || ends_partition(*context, n, made_by_us));
    if (!taken && !n.is_ours()) continue;
    claimed.push_back(n.index);
    made_by_us.insert(made_by_us.end(), n.node->outputs->data, n.node->outputs->data + n.node->outputs->size);
  }
  claimed[0] = static_cast<int32_t>(claimed.size()) - 1;
  return claimed;
}

tfl::Status prepare_graph(tfl::Context* context, tfl::Delegate* delegate) {
  return reported(context, [&] {
    const auto& settings = reinterpret_cast<Handle*>(delegate->data)->shared->settings;
    const std::vector<int32_t> claimed = nodes_to_claim(context, settings);
    if (claimed[0] == 0) return;
    tfl::PaddedRegistration padded{};
    tfl::Registration& registration = padded.registration;
    registration.init = init;
    registration.free = free_kernel;
    registration.prepare = prepare;
    registration.invoke = invoke;
    registration.builtin_code = tfl::kBuiltinDelegate;
    registration.custom_name = kName;
    registration.version = 1;
    const auto* nodes = reinterpret_cast<const tfl::IntArray*>(claimed.data());
    require(context->ReplaceNodeSubsetsWithDelegateKernels(context, padded, nodes, delegate) == tfl::kOk,
            "the runtime refused the partitions");
  });
}

// ------------------------------------------------------------------------------------------------ options

int32_t parse_number(const std::string& key, const std::string& text, int32_t high) {
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < 0 || value > high)
    throw Refusal("option " + key + ": expected a number from 0 to " + std::to_string(high) + ", got " + text);
  return static_cast<int32_t>(value);
}

void apply_option(const std::string& key, const std::string& value, Settings& settings) {
  if (key == "kernel") {
    choose_isa(value);
    settings.kernel = value;
  } else if (key == "num_threads") {
    settings.num_threads = parse_number(key, value, kMaxThreads);
  } else if (key == "fuse") {
    settings.fuse = parse_number(key, value, 1) == 1;
  } else if (key == "trace") {
    settings.trace = parse_number(key, value, 1) == 1;
  } else {
    throw Refusal("option " + key + ": expected one of kernel, num_threads, fuse, trace");
  }
}

}  // namespace
}  // namespace lce

LCE_EXPORT tfl::Delegate* tflite_plugin_create_delegate(char** keys, char** values, size_t count,
                                                        void (*report_error)(const char*)) {
  try {
    auto handle = std::make_unique<lce::Handle>();
    // Python passes the count as a 32-bit int, which leaves the upper half of the register undefined.
    for (uint32_t i = 0; i < static_cast<uint32_t>(count); ++i)
      lce::apply_option(keys[i], values[i], handle->shared->settings);
    handle->delegate.data = handle.get();
    handle->delegate.Prepare = lce::prepare_graph;
    handle->delegate.flags = tfl::kAllowDynamicTensors;
    return &handle.release()->delegate;
  } catch (const std::exception& error) {
    if (report_error) report_error((std::string(lce::kName) + ": " + error.what()).c_str());
    return nullptr;
  }
}

LCE_EXPORT void tflite_plugin_destroy_delegate(tfl::Delegate* delegate) {
  if (delegate) delete static_cast<lce::Handle*>(delegate->data);
}
