#include "depthwise.h"

#include <algorithm>

namespace lce {
namespace {

constexpr int64_t kTasksPerThread = 2;
// Of rows that a source has made: to stay in the first level of cache.
constexpr int64_t kRingFloats = 6 * 1024;
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
  zeros_.assign(static_cast<size_t>(in_row_ + kSize * in_channels_), 0.0f);
  weights_.resize_zeroed(weights.bytes());
  auto* to = static_cast<float*>(weights_.data());
  for (int32_t x = 0; x < horizontal_.kernel; ++x)
    for (int32_t y = 0; y < vertical_.kernel; ++y, to += in_channels_)
      std::copy_n(from + (int64_t{y} * horizontal_.kernel + x) * in_channels_, in_channels_, to);
  const float* bias = static_cast<const float*>(values[bias_id_].data);
  bias_.assign(bias, bias + in_channels_);
  reads_.clear();
  for (int64_t row = 0; row < rows(); ++row) {
    const Range read = rows_read(row);
    const auto inside = vertical_.inside(static_cast<int32_t>(row % vertical_.out));
    reads_.push_back({read.first - inside.first, read.first, read.last});
  }
  if (source_) {
    blocks_ = up(in_channels_, isa_.panel_channels);
    const int64_t columns = up(int64_t{kSize} * horizontal_.in * isa_.panel_channels, kRingFloats);
    columns_ = std::min<int64_t>(columns, horizontal_.out);
  }
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
  const int64_t parts = sink_ ? 1 : blocks_;
  const int64_t wanted = pool.threads() == 1 ? 1 : kTasksPerThread * pool.threads();
  const int64_t bands = std::min(rows(), up(wanted, parts));
  pool.run(static_cast<int32_t>(bands * parts), [&](int32_t task) {
    const int64_t band = task / parts, part = task % parts;
    run_part(in, out, {rows() * band / bands, rows() * (band + 1) / bands},
             {blocks_ * part / parts, blocks_ * (part + 1) / parts});
  });
}

void Depthwise::run_part(const float* in, float* out, Range rows, Range blocks) const {
  const int64_t row = int64_t{horizontal_.out} * in_channels_;
  const int64_t together = sink_ ? std::max<int64_t>(1, kBandFloats / row) : rows.last - rows.first;
  const int64_t ring_floats = kSize * line_pixels({0, up(horizontal_.out, columns_)}) * isa_.panel_channels;
  const int64_t rings_floats = source_ ? (blocks.last - blocks.first) * columns_ * ring_floats : 0;
  float* memory = own_memory(rings_floats + (sink_ ? together * row : 0));
  float* const band = memory + rings_floats;
  std::vector<Ring> rings;
  for (int64_t i = blocks.first * columns_; source_ && i < blocks.last * columns_; ++i, memory += ring_floats) {
    const int64_t first = i / columns_ * isa_.panel_channels, part = i % columns_;
    rings.push_back({{first, std::min<int64_t>(in_channels_, first + isa_.panel_channels)},
                     {horizontal_.out * part / columns_, horizontal_.out * (part + 1) / columns_}, memory, 0});
  }
  for (; rows.first < rows.last; rows.first += together) {
    const Range now{rows.first, std::min(rows.last, rows.first + together)};
    float* to = sink_ ? band : out + now.first * row;
    if (!source_) run_rows(in, to, now);
    for (Ring& ring : rings) roll(in, to, ring, now);
    if (sink_) sink_->run_pixels(band, out, now.first * horizontal_.out, now.last * horizontal_.out);
  }
}

DepthwiseRow Depthwise::row_of(Range channels) const {
  DepthwiseRow kernel{};
  kernel.stride = horizontal_.stride;
  kernel.out_step = in_channels_;
  kernel.channels = static_cast<int32_t>(channels.last - channels.first);
  kernel.weights = static_cast<const float*>(weights_.data()) + channels.first;
  kernel.weights_step = in_channels_;
  kernel.bias = bias_.data() + channels.first;
  kernel.low = clamp_.low;
  kernel.high = clamp_.high;
  return kernel;
}

template <class F>
void Depthwise::run_row(DepthwiseRow& kernel, int64_t row, const F& line) const {
  const Read& read = reads_[static_cast<size_t>(row)];
  for (int32_t y = 0; y < kSize; ++y) {
    const int64_t at = read.top + y;
    kernel.in[y] = at >= read.first && at < read.last ? line(at) : zeros_.data();
  }
  isa_.depthwise_row(kernel);
  kernel.out += horizontal_.out * kernel.out_step;
}

void Depthwise::run_rows(const float* in, float* out, Range rows) const {
  DepthwiseRow kernel = row_of({0, in_channels_});
  kernel.in_step = in_channels_;
  kernel.width = horizontal_.in;
  kernel.before = horizontal_.before;
  kernel.out = out;
  kernel.pixels = horizontal_.out;
  for (int64_t row = rows.first; row < rows.last; ++row)
    run_row(kernel, row, [&](int64_t at) { return in + at * in_row_; });
}

// Makes each row of the input once, in place of one that is no longer read.
void Depthwise::roll(const float* in, float* out, Ring& ring, Range rows) const {
  DepthwiseRow kernel = row_of(ring.channels);
  kernel.in_step = kernel.channels;
  kernel.width = static_cast<int32_t>(line_pixels(ring.columns));
  kernel.out = out + ring.columns.first * in_channels_ + ring.channels.first;
  kernel.pixels = static_cast<int32_t>(ring.columns.last - ring.columns.first);
  const int64_t left = ring.columns.first * horizontal_.stride - horizontal_.before;
  const Range inside{std::max<int64_t>(0, left), std::min<int64_t>(horizontal_.in, left + kernel.width)};
  const int64_t line = kernel.width * kernel.in_step;
  const int64_t before = (inside.first - left) * kernel.in_step, after = (inside.last - left) * kernel.in_step;
  for (int32_t y = 0; y < kSize && ring.made == 0; ++y) {
    std::fill_n(ring.memory + y * line, before, 0.0f);
    std::fill_n(ring.memory + y * line + after, line - after, 0.0f);
  }
  for (int64_t row = rows.first; row < rows.last; ++row) {
    const Read& read = reads_[static_cast<size_t>(row)];
    for (ring.made = std::max(ring.made, read.first); ring.made < read.last; ++ring.made)
      source_->run_strip(in, {ring.made * horizontal_.in + inside.first, ring.made * horizontal_.in + inside.last},
                         {ring.memory + ring.made % kSize * line + before, kernel.in_step,
                          static_cast<int32_t>(ring.channels.first), static_cast<int32_t>(ring.channels.last)});
    run_row(kernel, row, [&](int64_t at) { return ring.memory + at % kSize * line; });
  }
}

}  // namespace lce
