// The library's functions as operators of TensorFlow, by its C API: a graph calls them without Python, whose lock
// threads would wait for. TensorFlow is asked for nothing while this is compiled or linked; it registers the operators
// where the library is loaded into a process that has it.
#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "../../device/lce_ops/pool.h"
#include "library.h"

extern "C" {
struct TF_Status;
struct TF_Tensor;
struct TF_KernelBuilder;
struct TF_OpDefinitionBuilder;
struct TF_OpKernelConstruction;
struct TF_OpKernelContext;

TF_Status* TF_NewStatus(void);
void TF_DeleteStatus(TF_Status*);
void TF_SetStatus(TF_Status*, int code, const char* message);
int TF_GetCode(const TF_Status*);
TF_OpDefinitionBuilder* TF_NewOpDefinitionBuilder(const char* name);
void TF_OpDefinitionBuilderAddAttr(TF_OpDefinitionBuilder*, const char* spec);
void TF_OpDefinitionBuilderAddInput(TF_OpDefinitionBuilder*, const char* spec);
void TF_OpDefinitionBuilderAddOutput(TF_OpDefinitionBuilder*, const char* spec);
void TF_RegisterOpDefinition(TF_OpDefinitionBuilder*, TF_Status*);
TF_KernelBuilder* TF_NewKernelBuilder(const char* name, const char* device, void* (*create)(TF_OpKernelConstruction*),
                                      void (*compute)(void*, TF_OpKernelContext*), void (*destroy)(void*));
void TF_RegisterKernelBuilder(const char* name, TF_KernelBuilder*, TF_Status*);
void TF_OpKernelConstruction_GetAttrSize(TF_OpKernelConstruction*, const char* name, int32_t* length, int32_t* size,
                                         TF_Status*);
void TF_OpKernelConstruction_GetAttrInt64List(TF_OpKernelConstruction*, const char* name, int64_t* values, int length,
                                              TF_Status*);
void TF_OpKernelConstruction_GetAttrInt64(TF_OpKernelConstruction*, const char* name, int64_t* value, TF_Status*);
void TF_OpKernelConstruction_Failure(TF_OpKernelConstruction*, TF_Status*);
int TF_NumInputs(TF_OpKernelContext*);
void TF_GetInput(TF_OpKernelContext*, int index, TF_Tensor**, TF_Status*);
TF_Tensor* TF_ForwardInputOrAllocateOutput(TF_OpKernelContext*, const int* inputs, int count, int index,
                                           const int64_t* shape, int rank, int* forwarded, TF_Status*);
void TF_OpKernelContext_Failure(TF_OpKernelContext*, TF_Status*);
void* TF_TensorData(const TF_Tensor*);
int64_t TF_Dim(const TF_Tensor*, int axis);
void TF_DeleteTensor(TF_Tensor*);
}

namespace {

// The functions of the C API that are used here.
#define API(f)                                                                                               \
  f(TF_NewStatus) f(TF_DeleteStatus) f(TF_SetStatus) f(TF_GetCode) f(TF_NewOpDefinitionBuilder)              \
  f(TF_OpDefinitionBuilderAddAttr) f(TF_OpDefinitionBuilderAddInput) f(TF_OpDefinitionBuilderAddOutput)      \
  f(TF_RegisterOpDefinition) f(TF_NewKernelBuilder) f(TF_RegisterKernelBuilder)                              \
  f(TF_OpKernelConstruction_GetAttrSize) f(TF_OpKernelConstruction_GetAttrInt64List)                         \
  f(TF_OpKernelConstruction_GetAttrInt64) f(TF_OpKernelConstruction_Failure) f(TF_NumInputs) f(TF_GetInput)  \
  f(TF_ForwardInputOrAllocateOutput) f(TF_OpKernelContext_Failure) f(TF_TensorData) f(TF_Dim) f(TF_DeleteTensor)

struct Api {
#define MEMBER(name) decltype(&::name) name;
  API(MEMBER)
#undef MEMBER
} tf;

constexpr char kTensorFlow[] = "libtensorflow_framework.so.2";
constexpr int kInternal = 13;  // TF_INTERNAL

// Whether this process has TensorFlow, which is then in `tf`.
bool find_tensorflow() {
  void* loaded = dlopen(kTensorFlow, RTLD_LAZY | RTLD_NOLOAD);
  if (!loaded) return false;
#define FIND(name)                                                     \
  tf.name = reinterpret_cast<decltype(&::name)>(dlsym(loaded, #name)); \
  if (!tf.name) return false;
  API(FIND)
#undef FIND
  return true;
}

struct Status {
  TF_Status* const status = tf.TF_NewStatus();
  ~Status() { tf.TF_DeleteStatus(status); }
  operator TF_Status*() const { return status; }
  bool ok() const { return tf.TF_GetCode(status) == 0; }
};

struct Delete {
  void operator()(TF_Tensor* tensor) const { tf.TF_DeleteTensor(tensor); }
};
typedef std::unique_ptr<TF_Tensor, Delete> Tensor;

template <class Float>
Float* data(const Tensor& tensor) {
  return static_cast<Float*>(tf.TF_TensorData(tensor.get()));
}

// One place of a graph that calls a function.
class Node {
 public:
  explicit Node(const floats::Function& function) : function(function) {}
  ~Node() {
    for (void* state : idle_) function.stop(numbers.data(), state);
  }

  // States are kept, as many as there were calls at a time.
  void* take_state(const floats::Call& call) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!idle_.empty()) {
        void* state = idle_.back();
        idle_.pop_back();
        return state;
      }
    }
    return function.start(call);
  }
  void give_back(void* state) {
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(state);
  }

  const floats::Function& function;
  std::vector<int64_t> places;   // of each input among the function's maps
  std::vector<int64_t> numbers;  // that the function is given
  std::vector<int64_t> shape;    // of an image's output
  int64_t maps = 0, threads = 1;

 private:
  std::mutex mutex_;
  std::vector<void*> idle_;
};

std::vector<int64_t> list_of(TF_OpKernelConstruction* construction, const char* name, const Status& status) {
  int32_t length = 0, size = 0;
  tf.TF_OpKernelConstruction_GetAttrSize(construction, name, &length, &size, status);
  std::vector<int64_t> values(status.ok() ? static_cast<size_t>(length) : 0);
  if (status.ok()) tf.TF_OpKernelConstruction_GetAttrInt64List(construction, name, values.data(), length, status);
  return values;
}

template <const floats::Function& function>
void* create(TF_OpKernelConstruction* construction) {
  Status status;
  Node* node = new Node(function);
  for (auto [name, list] : {std::pair{"places", &node->places}, {"numbers", &node->numbers}, {"shape", &node->shape}})
    if (status.ok()) *list = list_of(construction, name, status);
  for (auto [name, value] : {std::pair{"maps", &node->maps}, {"threads", &node->threads}})
    if (status.ok()) tf.TF_OpKernelConstruction_GetAttrInt64(construction, name, value, status);
  if (!status.ok()) tf.TF_OpKernelConstruction_Failure(construction, status);
  return node;
}

void destroy(void* node) { delete static_cast<Node*>(node); }

// Threads that are kept, and with them the memory that functions keep for a thread. Whoever comes meanwhile waits.
void run_on_threads(const floats::Function& function, const floats::Call& call, int32_t threads) {
  static std::mutex mutex;
  static auto& pools = *new std::map<int32_t, std::unique_ptr<lce::Pool>>;  // never joined: a process may end meanwhile
  std::lock_guard<std::mutex> lock(mutex);
  std::unique_ptr<lce::Pool>& pool = pools[threads];
  if (!pool) pool = std::make_unique<lce::Pool>(threads);
  const int64_t parts = function.parts(call);
  pool->run(threads, [&](int32_t i) { function.run(call, parts * i / threads, parts * (i + 1) / threads); });
}

void run(Node& node, floats::Call call, const Status& status) {
  if (node.function.start) {
    call.state = node.take_state(call);
    if (!call.state) return tf.TF_SetStatus(status, kInternal, "bitlens: a function could not be started");
  }
  if (node.threads == 1)
    node.function.run(call, 0, node.function.parts(call));
  else
    run_on_threads(node.function, call, static_cast<int32_t>(node.threads));
  if (call.state) node.give_back(call.state);
}

Tensor input_of(TF_OpKernelContext* context, size_t index, const Status& status) {
  TF_Tensor* tensor = nullptr;
  tf.TF_GetInput(context, static_cast<int>(index), &tensor, status);
  return Tensor(tensor);
}

// The memory of an input that nobody else reads, if the function can write there, or some of its own.
Tensor output_of(const Node& node, TF_OpKernelContext* context, const Status& status) {
  std::vector<int64_t> shape{tf.TF_Dim(input_of(context, 0, status).get(), 0)};
  shape.insert(shape.end(), node.shape.begin(), node.shape.end());
  std::vector<int> inputs;
  for (size_t i = 0; i < node.places.size(); ++i)
    if (node.function.in_place >> node.places[i] & 1) inputs.push_back(static_cast<int>(i));
  return Tensor(tf.TF_ForwardInputOrAllocateOutput(context, inputs.data(), static_cast<int>(inputs.size()), 0,
                                                   shape.data(), static_cast<int>(shape.size()), nullptr, status));
}

void compute(void* state, TF_OpKernelContext* context) {
  Node& node = *static_cast<Node*>(state);
  Status status;
  const Tensor out = output_of(node, context, status);  // first: inputs that are held cannot be written to
  std::vector<Tensor> given;
  std::vector<const float*> maps(static_cast<size_t>(node.maps));
  for (size_t i = 0; i < node.places.size() && status.ok(); ++i) {
    given.push_back(input_of(context, i, status));
    if (status.ok()) maps[static_cast<size_t>(node.places[i])] = data<const float>(given[i]);
  }
  if (status.ok())
    run(node, {node.numbers.data(), maps.data(), data<float>(out), tf.TF_Dim(out.get(), 0), nullptr}, status);
  if (!status.ok()) tf.TF_OpKernelContext_Failure(context, status);
}

template <const floats::Function& function>
void register_operator(const char* name) {
  Status status;
  TF_OpDefinitionBuilder* definition = tf.TF_NewOpDefinitionBuilder(name);
  tf.TF_OpDefinitionBuilderAddInput(definition, "given: N * float");
  tf.TF_OpDefinitionBuilderAddOutput(definition, "result: float");
  for (const char* attribute :
       {"N: int >= 1", "places: list(int)", "numbers: list(int)", "shape: list(int)", "maps: int", "threads: int"})
    tf.TF_OpDefinitionBuilderAddAttr(definition, attribute);
  tf.TF_RegisterOpDefinition(definition, status);
  TF_KernelBuilder* kernel = tf.TF_NewKernelBuilder(name, "CPU", create<function>, compute, destroy);
  tf.TF_RegisterKernelBuilder(name, kernel, status);
}

__attribute__((constructor)) void register_operators() {
  if (!find_tensorflow()) return;
  register_operator<floats::convolution>("BitlensConvolution");
  register_operator<floats::dense_gradient>("BitlensDenseGradient");
  register_operator<floats::residual_sum>("BitlensResidualSum");
  register_operator<floats::sign_convolution>("BitlensSignConvolution");
}

}  // namespace
