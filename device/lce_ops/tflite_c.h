// The part of the TFLite C interface that a delegate meets, declared by ourselves so that no TFLite header is needed.
//
// The layouts are those of every 64-bit TFLite and LiteRT runtime since mid-2023; the static_asserts below pin them
// at compile time and `check_layout` in delegate.cc compares them with the running runtime.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tfl {

enum class Type : int32_t { kNone = 0, kFloat32 = 1, kInt32 = 2, kBool = 6, kInt8 = 9 };
enum class Allocation : int32_t { kNone = 0, kMmapReadOnly = 1, kPersistentReadOnly = 5 };
enum Status : int32_t { kOk = 0, kError = 1 };

constexpr int32_t kBuiltinAdd = 0;
constexpr int32_t kBuiltinConv2d = 3;
constexpr int32_t kBuiltinDepthwiseConv2d = 4;
constexpr int32_t kBuiltinFullyConnected = 9;
constexpr int32_t kBuiltinMaxPool2d = 17;
constexpr int32_t kBuiltinMul = 18;
constexpr int32_t kBuiltinCustom = 32;
constexpr int32_t kBuiltinPad = 34;
constexpr int32_t kBuiltinDelegate = 51;
constexpr int32_t kBuiltinPrelu = 54;
constexpr int32_t kOptionalTensor = -1;
constexpr int64_t kAllowDynamicTensors = 1;

struct IntArray {
  int32_t size;
  int32_t data[];
};

struct QuantizationParams {
  float scale;
  int32_t zero_point;
};

constexpr int32_t kPaddingSame = 1, kPaddingValid = 2;
constexpr int32_t kNoActivation = 0, kRelu = 1, kReluN1To1 = 2, kRelu6 = 3;

struct AddParams {
  int32_t activation;
};

struct MulParams {
  int32_t activation;
};

struct PoolParams {
  int32_t padding;
  int32_t stride_width, stride_height;
  int32_t filter_width, filter_height;
  int32_t activation;
};

struct ConvParams {
  int32_t padding;
  int32_t stride_width, stride_height;
  int32_t activation;
  int32_t dilation_width, dilation_height;
};

struct DepthwiseParams {
  int32_t padding;
  int32_t stride_width, stride_height;
  int32_t depth_multiplier;
  int32_t activation;
  int32_t dilation_width, dilation_height;
};

struct FullyConnectedParams {
  int32_t activation;
  int32_t weights_format;
  bool keep_num_dims;
};

struct Delegate;

struct Tensor {
  Type type;
  void* data;
  IntArray* dims;
  QuantizationParams params;
  Allocation allocation_type;
  size_t bytes;
  const void* allocation;
  const char* name;
  Delegate* delegate;
  int32_t buffer_handle;
  bool data_is_stale;
  bool is_variable;
  int32_t quantization_type;
  void* quantization_params;
  void* sparsity;
  const IntArray* dims_signature;
};

struct Node {
  IntArray* inputs;
  IntArray* outputs;
  IntArray* intermediates;
  IntArray* temporaries;
  void* user_data;
  void* builtin_data;
  const void* custom_initial_data;
  int32_t custom_initial_data_size;
  Delegate* delegate;
  bool might_have_side_effect;
};

struct Context;

struct Registration {
  void* (*init)(Context*, const char* buffer, size_t length);
  void (*free)(Context*, void* user_data);
  Status (*prepare)(Context*, Node*);
  Status (*invoke)(Context*, Node*);
  const char* (*profiling_string)(const Context*, const Node*);
  int32_t builtin_code;
  const char* custom_name;
  int32_t version;
  void* registration_external;
  void* async_kernel;
  uint64_t inplace_operator;
};

// Registrations are passed by value: a runtime with a longer struct would read past ours, so ours ends in zeros.
struct PaddedRegistration {
  Registration registration;
  uint64_t spare[5];
};

struct Context {
  size_t tensors_size;
  Status (*GetExecutionPlan)(Context*, IntArray** plan);
  Tensor* tensors;
  void* impl;
  Status (*ResizeTensor)(Context*, Tensor*, IntArray* new_size);
  void (*ReportError)(Context*, const char* format, ...);
  Status (*AddTensors)(Context*, int count, int* first);
  Status (*GetNodeAndRegistration)(Context*, int index, Node**, Registration**);
  Status (*ReplaceNodeSubsetsWithDelegateKernels)(Context*, PaddedRegistration, const IntArray* nodes, Delegate*);
  int32_t recommended_num_threads;
};

struct Delegate {
  void* data;
  Status (*Prepare)(Context*, Delegate*);
  void* CopyFromBufferHandle;
  void* CopyToBufferHandle;
  void* FreeBufferHandle;
  int64_t flags;
  void* opaque_delegate_builder;
};

struct DelegateParams {
  Delegate* delegate;
  IntArray* nodes_to_replace;
  IntArray* input_tensors;
  IntArray* output_tensors;
};

static_assert(sizeof(void*) == 8, "the layouts below are those of 64-bit runtimes");
static_assert(sizeof(Tensor) == 112 && offsetof(Tensor, data) == 8 && offsetof(Tensor, dims) == 16);
static_assert(offsetof(Tensor, params) == 24 && offsetof(Tensor, allocation_type) == 32);
static_assert(offsetof(Tensor, bytes) == 40 && offsetof(Tensor, name) == 56);
static_assert(offsetof(Tensor, delegate) == 64 && offsetof(Tensor, is_variable) == 77);
static_assert(offsetof(Tensor, quantization_type) == 80 && offsetof(Tensor, dims_signature) == 104);
static_assert(sizeof(Node) == 80 && offsetof(Node, user_data) == 32 && offsetof(Node, builtin_data) == 40);
static_assert(offsetof(Node, custom_initial_data) == 48 && offsetof(Node, custom_initial_data_size) == 56);
static_assert(sizeof(Registration) == 88 && offsetof(Registration, builtin_code) == 40);
static_assert(offsetof(Registration, custom_name) == 48 && offsetof(Registration, inplace_operator) == 80);
static_assert(sizeof(PaddedRegistration) == 128);
static_assert(offsetof(Context, tensors) == 16 && offsetof(Context, ResizeTensor) == 32);
static_assert(offsetof(Context, ReportError) == 40 && offsetof(Context, GetNodeAndRegistration) == 56);
static_assert(offsetof(Context, recommended_num_threads) == 72);
static_assert(sizeof(Delegate) == 56 && offsetof(Delegate, flags) == 40);
static_assert(sizeof(DelegateParams) == 32 && offsetof(DelegateParams, output_tensors) == 24);

}  // namespace tfl
