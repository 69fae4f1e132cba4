#include "depthwise.h"

#include <algorithm>

namespace lce {
namespace {

constexpr int64_t kTasksPerThread = 2;
// Of output that is read again at once: to stay in the second level of cache.
constexpr int64_t kBandFloats = 24 * 1024;

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
  zeros_.assign(static_cast<size_t>(std::max(in_row_, line_pixels() * in_channels_)), 0.0f);
  weights_.resize_zeroed(weights.bytes());
  auto* to = static_cast<float*>(weights_.data());
  for (int32_t x = 0; x < horizontal_.kernel; ++x)
    for (int32_t y = 0; y < vertical_.kernel; ++y, to += in_channels_)
      std::copy_n(from + (int64_t{y} * horizontal_.kernel + x) * in_channels_, in_channels_, to);
  const float* bias = static_cast<const float*>(values[bias_id_].data);
  bias_.assign(bias, bias + in_channels_);
  if (sink_) sink_->prepare(values);
}

int64_t Depthwise::weights_bytes() const {
  return (source_ ? source_->weights_bytes() : 0) + (sink_ ? sink_->weights_bytes() : 0);
}

void Depthwise::move_weights(void* to) {
  const int64_t before = source_ ? source_->weights_bytes() : 0;
  if (before > 0) source_->move_weights(to);
  if (sink_ && sink_->weights_bytes() > 0) sink_->move_weights(static_cast<char*>(to) + before);
}

// Neighbouring bands of rows make a few rows twice, so there are not more than the threads need.
void Depthwise::run(const Values& values, Pool& pool) {
  const float* in = static_cast<const float*>(values[reads()[0]].data);
  float* out = static_cast<float*>(values[writes()[0]].data);
  const int64_t parts = sink_ ? 1 : blocks();
  const int64_t wanted = pool.threads() == 1 ? 1 : kTasksPerThread * pool.threads();
  const int64_t bands = std::min(rows(), up(wanted, parts));
  pool.run(static_cast<int32_t>(bands * parts), [&](int32_t task) {
    const int64_t band = task / parts, part = task % parts;
    run_part(in, out, {rows() * band / bands, rows() * (band + 1) / bands},
             {blocks() * part / parts, blocks() * (part + 1) / parts});
  });
}

int64_t Depthwise::line_pixels() const {
  return std::max(horizontal_.before + horizontal_.in, (horizontal_.out - 1) * horizontal_.stride + horizontal_.kernel);
}

void Depthwise::run_part(const float* in, float* out, Range rows, Range blocks) const {
  const int64_t row = int64_t{horizontal_.out} * in_channels_, block = source_ ? isa_.panel_channels : in_channels_;
  const int64_t ring = source_ ? vertical_.kernel * line_pixels() * block : 0;
  const int64_t together = sink_ ? std::max<int64_t>(1, kBandFloats / row) : rows.last - rows.first;
  float* memory = own_memory((blocks.last - blocks.first) * ring + (sink_ ? together * row : 0));
  std::vector<Ring> rings;
  for (int64_t i = blocks.first; i < blocks.last; ++i, memory += ring) rings.push_back({memory, 0});
  for (; rows.first < rows.last; rows.first += together) {
    const Range now{rows.first, std::min(rows.last, rows.first + together)};
    float* to = sink_ ? memory : out + now.first * row;
    for (int64_t i = blocks.first; i < blocks.last; ++i) {
      const int64_t first = i * block, last = std::min<int64_t>(in_channels_, first + block);
      const Strip strip{to + first, in_channels_, static_cast<int32_t>(first), static_cast<int32_t>(last)};
      if (source_)
        roll(in, rings[static_cast<size_t>(i - blocks.first)], now, strip);
      else
        run_rows({in, now.last * vertical_.stride + vertical_.in, in_row_, in_channels_, horizontal_.in, horizontal_.before}, now, strip);
    }
    if (sink_) sink_->run_pixels(memory, out, now.first * horizontal_.out, now.last * horizontal_.out);
  }
}

// Makes each row of the input once, in place of one that is no longer read.
void Depthwise::roll(const float* in, Ring& ring, Range rows, const Strip& strip) const {
  const int64_t channels = strip.last - strip.first, line = line_pixels() * channels;
  const int64_t before = horizontal_.before * channels, after = before + horizontal_.in * channels;
  const Lines lines{ring.memory, vertical_.kernel, line, channels, static_cast<int32_t>(line_pixels()), 0};
  for (int32_t y = 0; y < vertical_.kernel && ring.made == 0; ++y) {
    std::fill_n(ring.memory + y * line, before, 0.0f);
    std::fill_n(ring.memory + y * line + after, line - after, 0.0f);
  }
  Strip to = strip;
  for (int64_t row = rows.first; row < rows.last; ++row, to.to += horizontal_.out * to.step) {
    const Range read = rows_read(row);
    for (ring.made = std::max(ring.made, read.first); ring.made < read.last; ++ring.made)
      source_->run_rows(in, {ring.made, ring.made + 1},
                        {ring.memory + ring.made % lines.count * line + before, channels, strip.first, strip.last});
    run_rows(lines, {row, row + 1}, to);
  }
}

void Depthwise::run_rows(const Lines& lines, Range rows, const Strip& strip) const {
  DepthwiseRow kernel{};
  kernel.in_step = lines.step;
  kernel.width = lines.width;
  kernel.before = lines.before;
  kernel.stride = horizontal_.stride;
  kernel.out = strip.to;
  kernel.out_step = strip.step;
  kernel.pixels = horizontal_.out;
  kernel.channels = strip.last - strip.first;
  kernel.weights = static_cast<const float*>(weights_.data()) + strip.first;
  kernel.weights_step = in_channels_;
  kernel.bias = bias_.data() + strip.first;
  kernel.low = clamp_.low;
  kernel.high = clamp_.high;
  for (int64_t row = rows.first; row < rows.last; ++row, kernel.out += horizontal_.out * strip.step) {
    const auto inside = vertical_.inside(static_cast<int32_t>(row % vertical_.out));
    const int64_t top = rows_read(row).first - inside.first;
    for (int32_t y = 0; y < vertical_.kernel; ++y)
      kernel.in[y] = y >= inside.first && y < inside.last ? lines.first + (top + y) % lines.count * lines.row
                                                          : zeros_.data();
    isa_.depthwise_row(kernel);
  }
}

}  // namespace lce
