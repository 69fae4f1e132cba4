// Drives the whole library through its C interface from several threads, on a
// runtime of a few lines: one delegate, an interpreter per thread, each with a
// pool of its own, resized as it goes. Meant for ThreadSanitizer; every result
// must also be that of one thread.
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tflite_c.h"

extern "C" tfl::Delegate *tflite_plugin_create_delegate(char **, char **,
                                                        size_t,
                                                        void (*)(const char *));
extern "C" void tflite_plugin_destroy_delegate(tfl::Delegate *);

namespace {

constexpr int32_t kSize = 9, kChannels = 40, kWords = 2;

void check(bool right, const char *what) {
  if (right)
    return;
  std::puts(what);
  std::exit(1);
}

void report(tfl::Context *, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vprintf(format, arguments);
  va_end(arguments);
  std::puts("");
}

struct FreeIntArray {
  void operator()(tfl::IntArray *array) const { std::free(array); }
};
using Ints = std::unique_ptr<tfl::IntArray, FreeIntArray>;

Ints ints(const std::vector<int32_t> &values) {
  auto *array = static_cast<tfl::IntArray *>(
      std::malloc(sizeof(int32_t) * (values.size() + 1)));
  array->size = static_cast<int32_t>(values.size());
  std::copy(values.begin(), values.end(), array->data);
  return Ints(array);
}

// A FlexBuffers map of small integers, all elements one byte wide.
std::string flexbuffer(const std::map<std::string, int> &options) {
  std::string bytes;
  std::vector<size_t> keys;
  for (const auto &[key, value] : options) {
    keys.push_back(bytes.size());
    bytes += key + '\0';
  }
  const char count = static_cast<char>(options.size());
  bytes += count;
  const size_t key_vector = bytes.size();
  for (size_t key : keys)
    bytes += static_cast<char>(bytes.size() - key);
  bytes += static_cast<char>(bytes.size() - key_vector);
  bytes += {1, count};
  const size_t values = bytes.size();
  for (const auto &[key, value] : options)
    bytes += static_cast<char>(value);
  bytes += std::string(options.size(), 1 << 2); // type: integer
  return bytes + static_cast<char>(bytes.size() - values) +
         std::string{9 << 2, 1};
}

// One interpreter. Everything in its graph belongs to the delegate.
class Interpreter {
public:
  explicit Interpreter(tfl::Delegate *delegate, int32_t threads)
      : delegate_(delegate) {
    build();
    context_.tensors = tensors_.data();
    context_.tensors_size = tensors_.size();
    context_.impl = this;
    context_.recommended_num_threads = threads;
    context_.GetExecutionPlan = [](tfl::Context *context,
                                   tfl::IntArray **plan) {
      *plan = self(context)->plan_.get();
      return tfl::kOk;
    };
    context_.GetNodeAndRegistration = [](tfl::Context *context, int index,
                                         tfl::Node **node,
                                         tfl::Registration **registration) {
      *node = &self(context)->nodes_[index].node;
      *registration = &self(context)->nodes_[index].registration;
      return tfl::kOk;
    };
    context_.ReportError = report;
    context_.ResizeTensor = [](tfl::Context *context, tfl::Tensor *tensor,
                               tfl::IntArray *shape) {
      self(context)->resize(tensor, shape);
      return tfl::kOk;
    };
    context_.ReplaceNodeSubsetsWithDelegateKernels =
        [](tfl::Context *context, tfl::PaddedRegistration kernel,
           const tfl::IntArray *nodes, tfl::Delegate *) {
          return self(context)->replace(kernel.registration, nodes);
        };
    check(delegate->Prepare(&context_, delegate) == tfl::kOk,
          "the delegate refused the graph");
  }

  ~Interpreter() { kernel_.free(&context_, node_.user_data); }

  std::vector<float> run(int32_t batch) {
    resize(&tensors_[source_],
           ints({batch, kSize, kSize, kChannels}).release());
    check(kernel_.prepare(&context_, &node_) == tfl::kOk, "not prepared");
    auto *in = static_cast<float *>(tensors_[source_].data);
    for (size_t i = 0; i < tensors_[source_].bytes / sizeof(float); ++i)
      in[i] = static_cast<float>(static_cast<int>(i * 7919 % 201) - 100);
    std::vector<float> results;
    for (int repeat = 0; repeat < 5; ++repeat) {
      check(kernel_.invoke(&context_, &node_) == tfl::kOk, "not run");
      results.clear();
      for (int32_t id : results_) {
        const auto *out = static_cast<const float *>(tensors_[id].data);
        results.insert(results.end(), out,
                       out + tensors_[id].bytes / sizeof(float));
      }
    }
    return results;
  }

private:
  struct NodeAndRegistration { // as runtimes keep them
    tfl::Node node;
    tfl::Registration registration;
  };

  static Interpreter *self(tfl::Context *context) {
    return static_cast<Interpreter *>(context->impl);
  }

  // source -> quantize -> convolution -> + source -> quantize -> convolution
  // -> bits -> pool -> dequantize: every operator, and both fusions.
  void build() {
    const std::vector<int32_t> floats = {1, kSize, kSize, kChannels},
                               words = {1, kSize, kSize, kWords};
    const auto filters = [&] {
      return constant(tfl::Type::kInt32, {kChannels, 3, 3, kWords},
                      [](int i) { return i % kWords ? i % 256 : i * 40503; });
    };
    source_ = tensor(tfl::Type::kFloat32, floats);
    const int32_t first = tensor(tfl::Type::kInt32, words),
                  sums = tensor(tfl::Type::kFloat32, floats),
                  total = tensor(tfl::Type::kFloat32, floats),
                  second = tensor(tfl::Type::kInt32, words),
                  bits = tensor(tfl::Type::kInt32, words),
                  pooled = tensor(tfl::Type::kInt32, words),
                  last = tensor(tfl::Type::kFloat32, floats);
    const int32_t scale = constant(tfl::Type::kFloat32, {kChannels},
                                   [](int i) { return 0.5f + i; }),
                  threshold = constant(tfl::Type::kInt32, {kChannels},
                                       [](int i) { return 160 + i; });
    const std::map<std::string, int> conv = {
        {"channels_in", kChannels},      {"dilation_height_factor", 1},
        {"dilation_width_factor", 1},    {"fused_activation_function", 0},
        {"pad_values", 0},               {"padding", 0},
        {"stride_height", 1},            {"stride_width", 1}};
    const std::map<std::string, int> pool = {{"filter_height", 2},
                                             {"filter_width", 2},
                                             {"padding", 0},
                                             {"stride_height", 1},
                                             {"stride_width", 1}};
    node("LceQuantize", {source_}, first, {});
    node("LceBconv2d", {first, filters(), scale, scale, -1}, sums, conv);
    node(nullptr, {sums, source_}, total, {});
    node("LceQuantize", {total}, second, {});
    node("LceBconv2d", {second, filters(), -1, -1, threshold}, bits, conv);
    node("LceBMaxPool2d", {bits}, pooled, pool);
    node("LceDequantize", {pooled}, last, {});
    results_ = {total, last};
    std::vector<int32_t> order;
    for (size_t i = 0; i < nodes_.size(); ++i)
      order.push_back(static_cast<int32_t>(i));
    plan_ = ints(order);
  }

  int32_t tensor(tfl::Type type, const std::vector<int32_t> &shape) {
    tfl::Tensor added{};
    added.type = type;
    added.dims = keep(ints(shape));
    tensors_.push_back(added);
    return static_cast<int32_t>(tensors_.size()) - 1;
  }

  template <class F>
  int32_t constant(tfl::Type type, const std::vector<int32_t> &shape,
                   const F &value) {
    const int32_t id = tensor(type, shape);
    int32_t count = 1;
    for (int32_t extent : shape)
      count *= extent;
    auto data = std::make_unique<char[]>(4 * count);
    for (int32_t i = 0; i < count; ++i) {
      const decltype(value(i)) each = value(i);
      std::memcpy(&data[4 * i], &each, 4);
    }
    tensors_[id].data = data.get();
    tensors_[id].bytes = 4 * count;
    tensors_[id].allocation_type = tfl::Allocation::kMmapReadOnly;
    memory_.push_back(std::move(data));
    constants_.push_back(id);
    return id;
  }

  // An operator of ours; without a name, an addition.
  void node(const char *name, const std::vector<int32_t> &inputs,
            int32_t output, const std::map<std::string, int> &options) {
    static int32_t no_activation = 0;
    NodeAndRegistration added{};
    added.node.inputs = keep(ints(inputs));
    added.node.outputs = keep(ints({output}));
    added.node.builtin_data = &no_activation;
    added.registration.builtin_code =
        name ? tfl::kBuiltinCustom : tfl::kBuiltinAdd;
    added.registration.custom_name = name;
    if (!options.empty()) {
      texts_.push_back(std::make_unique<std::string>(flexbuffer(options)));
      added.node.custom_initial_data = texts_.back()->data();
      added.node.custom_initial_data_size =
          static_cast<int32_t>(texts_.back()->size());
    }
    nodes_.push_back(added);
  }

  tfl::Status replace(const tfl::Registration &kernel,
                      const tfl::IntArray *nodes) {
    check(nodes->size == plan_->size, "a node was not claimed");
    kernel_ = kernel;
    std::vector<int32_t> inputs = constants_;
    inputs.push_back(source_);
    tfl::DelegateParams params{delegate_, plan_.get(), keep(ints(inputs)),
                               keep(ints(results_))};
    node_.user_data =
        kernel.init(&context_, reinterpret_cast<const char *>(&params), 0);
    return tfl::kOk;
  }

  void resize(tfl::Tensor *tensor, tfl::IntArray *shape) {
    tensor->dims = keep(Ints(shape));
    size_t bytes = sizeof(float);
    for (int32_t i = 0; i < shape->size; ++i)
      bytes *= static_cast<size_t>(shape->data[i]);
    memory_.push_back(std::make_unique<char[]>(bytes));
    tensor->data = memory_.back().get();
    tensor->bytes = bytes;
  }

  tfl::IntArray *keep(Ints array) {
    arrays_.push_back(std::move(array));
    return arrays_.back().get();
  }

  tfl::Delegate *delegate_;
  tfl::Context context_{};
  tfl::Registration kernel_{};
  tfl::Node node_{};
  Ints plan_;
  int32_t source_ = 0;
  std::vector<int32_t> results_, constants_;
  std::vector<tfl::Tensor> tensors_;
  std::vector<NodeAndRegistration> nodes_;
  std::vector<Ints> arrays_;
  std::vector<std::unique_ptr<char[]>> memory_;
  std::vector<std::unique_ptr<std::string>> texts_;
};

tfl::Delegate *delegate(const char *kernel) {
  const char *keys[] = {"kernel"}, *values[] = {kernel};
  return tflite_plugin_create_delegate(
      const_cast<char **>(keys), const_cast<char **>(values), 1,
      [](const char *message) { std::puts(message); });
}

} // namespace

int main() {
  std::map<int32_t, std::vector<float>> wanted;
  tfl::Delegate *plain = delegate("portable");
  for (int32_t batch = 1; batch <= 3; ++batch)
    wanted[batch] = Interpreter(plain, 1).run(batch);
  tflite_plugin_destroy_delegate(plain);

  tfl::Delegate *shared = delegate("auto");
  check(shared != nullptr, "no delegate");
  std::vector<std::thread> callers;
  for (int32_t caller = 0; caller < 4; ++caller)
    callers.emplace_back([&, caller] {
      for (int life = 0; life < 10; ++life) {
        Interpreter interpreter(shared, caller + 1);
        for (int32_t batch : {1, 3, 2, 1})
          check(interpreter.run(batch) == wanted.at(batch), "other results");
      }
    });
  for (auto &caller : callers)
    caller.join();
  tflite_plugin_destroy_delegate(shared);
  std::puts("all results as from one thread");
}
