// The delegate: the two C functions that TFLite's loaders call, and the callbacks that the runtime then calls.
#include <algorithm>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "claims.h"
#include "export.h"
#include "isa.h"
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
  } else if (key == "xnnpack") {
    settings.xnnpack = parse_number(key, value, 1) == 1;
  } else if (key == "floats") {
    settings.floats = parse_number(key, value, 1) == 1;
  } else {
    throw Refusal("option " + key + ": expected one of kernel, num_threads, fuse, xnnpack, floats, trace");
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
