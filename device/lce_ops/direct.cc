// One convolution for callers without a TFLite runtime: floats in, the sums of the products of their signs out.
#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <mutex>

#include "conv.h"
#include "export.h"
#include "quantize.h"

// As `harness/native/sign_convolution.py` lays it out.
struct LceConvolution {
  int32_t batch, height, width, channels;
  int32_t filter_height, filter_width, out_channels;
  int32_t stride_height, stride_width, dilation_height, dilation_width;
  int32_t same;       // padding: 1 as TensorFlow's "same", 0 none
  int32_t pad_value;  // 0 or 1
  int32_t threads;
};

namespace lce {
namespace {

// A pool runs one job at a time, so convolutions that share it take turns.
struct Threads {
  explicit Threads(int count) : pool(count) {}
  Pool pool;
  std::mutex busy;
};

// One pool per process and size: there are only so many cores.
std::shared_ptr<Threads> threads_for(int count) {
  if (count <= 1) return std::make_shared<Threads>(1);
  static std::mutex mutex;
  static std::map<int, std::weak_ptr<Threads>> known;
  const std::lock_guard<std::mutex> lock(mutex);
  std::shared_ptr<Threads> threads = known[count].lock();
  if (!threads) known[count] = threads = std::make_shared<Threads>(count);
  return threads;
}

class Direct {
 public:
  Direct(const LceConvolution& c, const uint32_t* weights) : threads_(threads_for(c.threads)) {
    const Isa& isa = choose_isa("auto");
    std::vector<float> ones(static_cast<size_t>(c.out_channels), 1.0f), zeros(ones.size(), 0.0f);
    values_.resize(kValues);
    describe(kFloats, tfl::Type::kFloat32, {c.batch, c.height, c.width, c.channels});
    describe(kBits, tfl::Type::kInt32, {});
    describe(kSums, tfl::Type::kFloat32, {});
    constant(kWeights, tfl::Type::kInt32,
             {c.out_channels, c.filter_height, c.filter_width, static_cast<int32_t>(words(c.channels))}, weights);
    constant(kOnes, tfl::Type::kFloat32, {c.out_channels}, ones.data());
    constant(kZeros, tfl::Type::kFloat32, {c.out_channels}, zeros.data());
    values_[kBits].bordered = true;

    ConvOptions options;
    options.channels_in = c.channels;
    options.stride_height = c.stride_height, options.stride_width = c.stride_width;
    options.dilation_height = c.dilation_height, options.dilation_width = c.dilation_width;
    options.padding = c.same ? Padding::kSame : Padding::kValid;
    options.pad_value = c.pad_value;
    quantize_ = std::make_unique<Quantize>(isa, kFloatPortable, kFloats, kBits);
    conv_ = std::make_unique<Conv>(isa, options, ConvOperands{kBits, kWeights, kOnes, kZeros, kNoValue, kSums},
                                   values_);
    quantize_->prepare(values_);
    conv_->prepare(values_);
    bits_.resize_zeroed(values_[kBits].bytes());
    values_[kBits].data = bits_.data();
    for (Id id : {kWeights, kOnes, kZeros}) values_[id].data = nullptr;  // the caller's; packed by now
  }

  void run(const float* in, float* out) {
    const std::lock_guard<std::mutex> lock(threads_->busy);
    values_[kFloats].data = const_cast<float*>(in);
    values_[kSums].data = out;
    quantize_->run(values_, threads_->pool);
    conv_->run(values_, threads_->pool);
    threads_->pool.run(values_[kFloats].shape[0], [&](int32_t image) { spread_nan(in, out, image); });
  }

  int64_t out_elements() const { return elements(values_[kSums].shape); }

 private:
  enum : Id { kFloats, kBits, kWeights, kOnes, kZeros, kSums, kValues };

  // A sign hides what a convolution in floats would show: an image that holds a NaN gives nothing but NaN.
  void spread_nan(const float* in, float* out, int32_t image) const {
    const int64_t images = values_[kFloats].shape[0];
    const int64_t in_size = elements(values_[kFloats].shape) / images, out_size = out_elements() / images;
    int32_t found = 0;
    for (const float* value = in + image * in_size; value != in + (image + 1) * in_size; ++value)
      found |= *value != *value;
    if (found) std::fill_n(out + image * out_size, out_size, std::numeric_limits<float>::quiet_NaN());
  }

  void describe(Id id, tfl::Type type, const Shape& shape) {
    values_[id].type = type;
    values_[id].shape = shape;
  }
  void constant(Id id, tfl::Type type, const Shape& shape, const void* data) {
    describe(id, type, shape);
    values_[id].constant = true;
    values_[id].data = const_cast<void*>(data);
  }

  std::shared_ptr<Threads> threads_;
  Values values_;
  Buffer bits_;
  std::unique_ptr<Quantize> quantize_;
  std::unique_ptr<Conv> conv_;
};

}  // namespace
}  // namespace lce

// Weights are packed bits (out_channels, filter_height, filter_width, words); they are copied. Null with a sentence in
// `problem` if there is no such convolution, or if its output has another number of elements than `out_elements`.
LCE_EXPORT lce::Direct* lce_convolution_new(const LceConvolution* convolution, const uint32_t* weights,
                                            int64_t out_elements, char* problem, size_t problem_size) {
  try {
    auto direct = std::make_unique<lce::Direct>(*convolution, weights);
    lce::require(direct->out_elements() == out_elements, "the output has another size than expected");
    return direct.release();
  } catch (const std::exception& error) {
    std::strncpy(problem, error.what(), problem_size - 1);
    return nullptr;
  }
}

// One run of a convolution at a time.
LCE_EXPORT void lce_convolution_run(lce::Direct* direct, const float* in, float* out) { direct->run(in, out); }

LCE_EXPORT void lce_convolution_delete(lce::Direct* direct) { delete direct; }
