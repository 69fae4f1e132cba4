#include "depthwise.h"

#include <algorithm>

namespace lce {
namespace {

constexpr int64_t kBandsPerThread = 2, kBandBytes = 128 * 1024;

int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// A thread's own, for the rows of one band after the other: fresh memory would cost more than what is made in it.
float* own_memory(int64_t floats) {
  thread_local std::vector<float> memory;
  if (static_cast<int64_t>(memory.size()) < floats) memory.resize(static_cast<size_t>(floats));
  return memory.data();
}

}  // namespace

Depthwise::Depthwise(const FloatIsa& isa, const tfl::DepthwiseParams& params, const FloatConvOperands& operands)
    : FloatWindow(isa, {params.padding, params.stride_height, params.stride_width}, operands.in, operands.out),
      weights_id_(operands.weights),
      bias_id_(operands.bias),
      clamp_(Clamp::of(params.activation)) {}

bool Depthwise::supports(const tfl::Context& context, const tfl::Node& node, const tfl::DepthwiseParams& params) {
  const int32_t* weights = context.tensors[node.inputs->data[1]].dims->data;
  return is_plain(params) && params.depth_multiplier == 1 && weights[0] == 1 && weights[1] == 3 && weights[2] == 3;
}

// The taps go by columns, as XNNPACK has them.
void Depthwise::prepare(Values& values) {
  if (source_) source_->prepare(values);
  const Value& weights = values[weights_id_];
  values[out_].shape = slide(values[in_], weights.shape[1], weights.shape[2], weights.shape[3]);
  require(weights.shape[3] == in_channels_, "the weights have another number of channels than the input");
  require(values[bias_id_].shape == Shape{in_channels_}, "the bias must have one value per channel");
  const float* from = static_cast<const float*>(weights.data);
  weights_.clear();
  taps_.clear();
  zeros_.assign(static_cast<size_t>(in_channels_), 0.0f);
  for (int32_t x = 0; x < horizontal_.kernel; ++x)
    for (int32_t y = 0; y < vertical_.kernel; ++y) {
      const float* tap = from + (int64_t{y} * horizontal_.kernel + x) * in_channels_;
      weights_.insert(weights_.end(), tap, tap + in_channels_);
      taps_.push_back(y * in_row_ + int64_t{x} * in_channels_);
    }
  const float* bias = static_cast<const float*>(values[bias_id_].data);
  bias_.assign(bias, bias + in_channels_);
}

void Depthwise::run(const Values& values, Pool& pool) {
  const float* in = static_cast<const float*>(values[reads()[0]].data);
  float* out = static_cast<float*>(values[out_].data);
  const int64_t tasks = bands(pool.threads());
  pool.run(static_cast<int32_t>(tasks), [&](int32_t task) {
    const Range band{rows() * task / tasks, rows() * (task + 1) / tasks};
    run_band(in, out + band.first * horizontal_.out * in_channels_, band);
  });
}

// So many that the rows of a band that it makes for itself stay in the second level of cache. Neighbouring bands make a
// few rows twice, so there are not many more.
int64_t Depthwise::bands(int64_t threads) const {
  const int64_t several = threads == 1 ? 1 : std::min(rows(), kBandsPerThread * threads);
  if (!source_) return several;
  const int64_t row_bytes = in_row_ * static_cast<int64_t>(sizeof(float));
  const int64_t together = std::max<int64_t>(1, (kBandBytes / row_bytes - vertical_.kernel) / vertical_.stride + 1);
  return std::max(several, up(rows(), together));
}

void Depthwise::run_band(const float* in, float* out, Range rows) const {
  if (!source_) return run_rows(in, 0, out, rows);
  const Range made{rows_read(rows.first).first, rows_read(rows.last - 1).last};
  float* floats = own_memory((made.last - made.first) * in_row_);
  source_->run_rows(in, 0, floats, made);
  run_rows(floats, made.first, out, rows);
}

void Depthwise::run_rows(const float* in, int64_t origin, float* out, Range rows) const {
  ChannelwiseTile tile{};
  tile.taps = static_cast<int32_t>(taps_.size());
  tile.offsets = taps_.data();
  tile.weights = weights_.data();
  tile.bias = bias_.data();
  tile.low = clamp_.low;
  tile.high = clamp_.high;
  run_channelwise(isa_.depthwise_tile, tile, in, origin, out, rows, zeros_.data());
}

}  // namespace lce
