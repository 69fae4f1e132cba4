#include "depthwise.h"

#include <algorithm>

namespace lce {
namespace {

constexpr int64_t kTasksPerThread = 2;
// Of the rows that a step makes for itself, which should stay in the first level of cache.
constexpr int64_t kLineBytes = 16 * 1024;

int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// A thread's own: fresh memory would cost more than what is made in it.
float* own_memory(int64_t floats) {
  thread_local Buffer memory;
  const int64_t bytes = floats * static_cast<int64_t>(sizeof(float));
  if (memory.size() < bytes) memory.resize_zeroed(bytes);
  return static_cast<float*>(memory.data());
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
  zeros_.assign(static_cast<size_t>(in_row_), 0.0f);
  weights_.resize_zeroed(weights.bytes());
  auto* to = static_cast<float*>(weights_.data());
  for (int32_t x = 0; x < horizontal_.kernel; ++x)
    for (int32_t y = 0; y < vertical_.kernel; ++y, to += in_channels_)
      std::copy_n(from + (int64_t{y} * horizontal_.kernel + x) * in_channels_, in_channels_, to);
  const float* bias = static_cast<const float*>(values[bias_id_].data);
  bias_.assign(bias, bias + in_channels_);
}

// Neighbouring bands of rows make a few rows twice, so there are not more than the threads need.
void Depthwise::run(const Values& values, Pool& pool) {
  const float* in = static_cast<const float*>(values[reads()[0]].data);
  float* out = static_cast<float*>(values[out_].data);
  const int64_t block = source_ ? isa_.panel_channels : in_channels_;
  const int64_t blocks = up(in_channels_, block);
  const int64_t wanted = pool.threads() == 1 ? 1 : kTasksPerThread * pool.threads();
  const int64_t bands = std::min(rows(), up(wanted, blocks));
  pool.run(static_cast<int32_t>(bands * blocks), [&](int32_t task) {
    const int64_t band = task / blocks, first = task % blocks * block;
    run_strip(in, out, {rows() * band / bands, rows() * (band + 1) / bands},
              {first, std::min<int64_t>(in_channels_, first + block)});
  });
}

void Depthwise::run_strip(const float* in, float* out, Range rows, Range channels) const {
  DepthwiseRow kernel{};
  kernel.in_step = in_channels_;
  kernel.width = horizontal_.in;
  kernel.before = horizontal_.before;
  kernel.stride = horizontal_.stride;
  kernel.out = out + rows.first * horizontal_.out * in_channels_ + channels.first;
  kernel.out_step = in_channels_;
  kernel.pixels = horizontal_.out;
  kernel.channels = static_cast<int32_t>(channels.last - channels.first);
  kernel.weights = static_cast<const float*>(weights_.data()) + channels.first;
  kernel.weights_step = in_channels_;
  kernel.bias = bias_.data() + channels.first;
  kernel.low = clamp_.low;
  kernel.high = clamp_.high;
  if (!source_) return run_rows({in, rows_read(rows.last - 1).last, in_row_}, kernel, rows);
  kernel.in_step = kernel.channels;
  roll(in, kernel, rows, channels);
}

// Makes each row of the input once, in place of one that is no longer read.
void Depthwise::roll(const float* in, DepthwiseRow kernel, Range rows, Range channels) const {
  const int64_t row = horizontal_.in * kernel.in_step;
  const int64_t count = std::max<int64_t>(vertical_.kernel, kLineBytes / (row * static_cast<int64_t>(sizeof(float))));
  float* memory = own_memory(count * row);
  int64_t made = 0;
  while (rows.first < rows.last) {
    const int64_t first = rows_read(rows.first).first;
    int64_t next = rows.first + 1;
    while (next < rows.last && rows_read(next).last - first <= count) ++next;
    const int64_t last = rows_read(next - 1).last;
    made = std::max(made, first);
    while (made < last) {
      const int64_t place = made % count, end = std::min(last, made + count - place);
      source_->run_rows(in, {made, end},
                        {memory + place * row, kernel.in_step, static_cast<int32_t>(channels.first),
                         static_cast<int32_t>(channels.last)});
      made = end;
    }
    run_rows({memory, count, row}, kernel, {rows.first, next});
    kernel.out += (next - rows.first) * horizontal_.out * kernel.out_step;
    rows.first = next;
  }
}

void Depthwise::run_rows(const Lines& lines, DepthwiseRow kernel, Range rows) const {
  for (int64_t row = rows.first; row < rows.last; ++row) {
    const auto inside = vertical_.inside(static_cast<int32_t>(row % vertical_.out));
    const int64_t top = rows_read(row).first - inside.first;
    for (int32_t y = 0; y < vertical_.kernel; ++y)
      kernel.in[y] = y >= inside.first && y < inside.last ? lines.first + (top + y) % lines.count * lines.row
                                                          : zeros_.data();
    isa_.depthwise_row(kernel);
    kernel.out += horizontal_.out * kernel.out_step;
  }
}

}  // namespace lce
