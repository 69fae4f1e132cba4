// A delegate for tests: it takes the ADDs of float tensors, or none, or fails where it is told to.
//
// Options: takes = add | nothing;  fails_at = create | graph | prepare | invoke;  crashes_at = invoke.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "export.h"
#include "tflite_c.h"

namespace {

constexpr char kName[] = "ExampleDelegate";

struct Handle {
  tfl::Delegate delegate{};
  std::string takes = "add", fails_at, crashes_at;
};

struct Add {
  int32_t left, right, output;
};

// The ADDs of one partition, in order.
struct Kernel {
  const Handle* handle;
  std::vector<Add> adds;
  std::vector<std::vector<float>> inner;  // by tensor: values that nobody outside reads, which have no memory of their own
};

size_t elements(const tfl::Tensor& tensor) {
  size_t count = 1;
  for (int32_t i = 0; i < tensor.dims->size; ++i) count *= static_cast<size_t>(tensor.dims->data[i]);
  return count;
}

tfl::Status fail(tfl::Context* context, const char* when) {
  context->ReportError(context, "%s: told to fail at %s", kName, when);
  return tfl::kError;
}

void* init(tfl::Context* context, const char* buffer, size_t) {
  const auto& params = *reinterpret_cast<const tfl::DelegateParams*>(buffer);
  auto* kernel = new Kernel{static_cast<const Handle*>(params.delegate->data), {}, {}};
  kernel->inner.resize(context->tensors_size);
  for (int32_t i = 0; i < params.nodes_to_replace->size; ++i) {
    tfl::Node* node = nullptr;
    tfl::Registration* registration = nullptr;
    context->GetNodeAndRegistration(context, params.nodes_to_replace->data[i], &node, &registration);
    kernel->adds.push_back({node->inputs->data[0], node->inputs->data[1], node->outputs->data[0]});
  }
  return kernel;
}

void free_kernel(tfl::Context*, void* kernel) { delete static_cast<Kernel*>(kernel); }

tfl::Status prepare(tfl::Context* context, tfl::Node* node) {
  return static_cast<Kernel*>(node->user_data)->handle->fails_at == "prepare" ? fail(context, "prepare") : tfl::kOk;
}

float* values(const tfl::Context& context, Kernel& kernel, int32_t index) {
  const tfl::Tensor& tensor = context.tensors[index];
  if (tensor.data) return static_cast<float*>(tensor.data);
  kernel.inner[index].resize(elements(tensor));
  return kernel.inner[index].data();
}

tfl::Status invoke(tfl::Context* context, tfl::Node* node) {
  auto& kernel = *static_cast<Kernel*>(node->user_data);
  if (kernel.handle->fails_at == "invoke") return fail(context, "invoke");
  if (kernel.handle->crashes_at == "invoke") std::abort();
  for (const Add& add : kernel.adds) {
    const float *left = values(*context, kernel, add.left), *right = values(*context, kernel, add.right);
    float* output = values(*context, kernel, add.output);
    for (size_t i = 0; i < elements(context->tensors[add.output]); ++i) output[i] = left[i] + right[i];
  }
  return tfl::kOk;
}

bool is_plain_add(const tfl::Context& context, const tfl::Node& node, const tfl::Registration& registration) {
  if (registration.builtin_code != tfl::kBuiltinAdd || !node.builtin_data) return false;
  if (static_cast<const tfl::AddParams*>(node.builtin_data)->activation != tfl::kNoActivation) return false;
  const tfl::Tensor &left = context.tensors[node.inputs->data[0]], &right = context.tensors[node.inputs->data[1]];
  return left.type == tfl::Type::kFloat32 && right.type == left.type && elements(left) == elements(right);
}

tfl::Status prepare_graph(tfl::Context* context, tfl::Delegate* delegate) {
  const auto& handle = *static_cast<const Handle*>(delegate->data);
  if (handle.fails_at == "graph") return fail(context, "graph");
  tfl::IntArray* plan = nullptr;
  context->GetExecutionPlan(context, &plan);
  std::vector<int32_t> taken = {0};  // the layout of an IntArray: the size comes first
  for (int32_t i = 0; i < plan->size && handle.takes == "add"; ++i) {
    tfl::Node* node = nullptr;
    tfl::Registration* registration = nullptr;
    context->GetNodeAndRegistration(context, plan->data[i], &node, &registration);
    if (is_plain_add(*context, *node, *registration)) taken.push_back(plan->data[i]);
  }
  taken[0] = static_cast<int32_t>(taken.size()) - 1;
  if (taken[0] == 0) return tfl::kOk;
  tfl::PaddedRegistration padded{};
  padded.registration.init = init;
  padded.registration.free = free_kernel;
  padded.registration.prepare = prepare;
  padded.registration.invoke = invoke;
  padded.registration.builtin_code = tfl::kBuiltinDelegate;
  padded.registration.custom_name = kName;
  padded.registration.version = 1;
  return context->ReplaceNodeSubsetsWithDelegateKernels(
      context, padded, reinterpret_cast<const tfl::IntArray*>(taken.data()), delegate);
}

}  // namespace

LCE_EXPORT tfl::Delegate* tflite_plugin_create_delegate(char** keys, char** values, size_t count,
                                                        void (*report_error)(const char*)) {
  auto* handle = new Handle;
  for (uint32_t i = 0; i < static_cast<uint32_t>(count); ++i) {
    const std::string key = keys[i], value = values[i];
    if (key == "takes") {
      handle->takes = value;
    } else if (key == "fails_at") {
      handle->fails_at = value;
    } else if (key == "crashes_at") {
      handle->crashes_at = value;
    } else {
      report_error(("ExampleDelegate: unknown option " + key).c_str());
      delete handle;
      return nullptr;
    }
  }
  if (handle->fails_at == "create") {
    report_error("ExampleDelegate: told to fail at create");
    delete handle;
    return nullptr;
  }
  handle->delegate.data = handle;
  handle->delegate.Prepare = prepare_graph;
  return &handle->delegate;
}

LCE_EXPORT void tflite_plugin_destroy_delegate(tfl::Delegate* delegate) {
  if (delegate) delete static_cast<Handle*>(delegate->data);
}
