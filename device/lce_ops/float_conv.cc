#include "float_conv.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "scale.h"

namespace lce {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// More tasks than threads, so that a late thread does not hold up the others; less is not worth handing over.
constexpr int64_t kTasksPerThread = 16, kTilesPerTask = 1;
// Panels that stay in the first level of cache while the pixels pass by.
constexpr int64_t kHotBytes = 24 * 1024;
// How far behind the weights that are read others are prefetched.
constexpr int64_t kAheadBytes = 128 * 1024;
// Pixels whose windows stay there too while the panels pass by.
constexpr int64_t kHotPixelBytes = 16 * 1024, kLeastPixels = 32;
// These stay in the first levels of cache while they are read again and again.
constexpr int64_t kFewWeights = 16 * 1024;
// For few, XNNPACK has kernels that add in another order, so for one channel that is made of one.
constexpr int64_t kFewPixels = 16, kFewChannels = 16;

int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

Clamp Clamp::of(int32_t activation) {
  switch (activation) {
    case tfl::kRelu:
      return {0, kInfinity};
    case tfl::kReluN1To1:
      return {-1, 1};
    case tfl::kRelu6:
      return {0, 6};
    default:
      return {-kInfinity, kInfinity};
  }
}

FloatConv::FloatConv(const FloatIsa& isa, const tfl::ConvParams& params, const FloatConvOperands& operands)
    : FloatConv(isa, {params.padding, params.stride_height, params.stride_width}, params.activation, operands) {}

FloatConv::FloatConv(const FloatIsa& isa, const Slide& slide, int32_t activation, const FloatConvOperands& operands)
    : StripWindow(isa, slide, operands.in, operands.out),
      weights_id_(operands.weights),
      bias_id_(operands.bias),
      clamp_(Clamp::of(activation)) {}

bool FloatConv::is_small(const Values& values) const { return elements(values[weights_id_].shape) <= kFewWeights; }

bool FloatConv::is_flat(const Values& values) const {
  const Shape& weights = values[weights_id_].shape;
  return weights.size() == 4 && weights[1] == 1 && weights[2] == 1 && slide_.stride_height == 1 &&
         slide_.stride_width == 1;
}

bool FloatConv::supports(const tfl::Context& context, const tfl::Node& node, const tfl::ConvParams& params) {
  const tfl::IntArray& in = *context.tensors[node.inputs->data[0]].dims;
  const tfl::IntArray& out = *context.tensors[node.outputs->data[0]].dims;
  const int32_t* weights = context.tensors[node.inputs->data[1]].dims->data;
  const int64_t window = int64_t{weights[1]} * weights[2] * weights[3];
  const bool one = weights[1] == 1 && weights[2] == 1;
  return is_plain(params) && weights[3] == in.data[3] && weights[0] >= kFewChannels && (one || window * kMaxFloatPixels <= kMaxCopied) &&
         out.size == 4 && int64_t{out.data[1]} * out.data[2] >= kFewPixels;
}

void FloatConv::fuse_prelu(Id slopes, Id out) {
  slopes_id_ = slopes;
  out_ = out;
}

void FloatConv::prepare(Values& values) {
  const Value& weights = values[weights_id_];
  values[out_].shape = slide(values[in_], weights.shape[1], weights.shape[2], weights.shape[0]);
  require(weights.shape[3] == in_channels_, "the weights have another number of channels than the input");
  ready(values);
}

void FloatConv::ready(const Values& values) {
  require(bias_id_ == kNoValue || values[bias_id_].shape == Shape{out_channels_}, "the bias must have one value per output channel");
  const int32_t row = horizontal_.kernel * in_channels_;
  flat_ = vertical_.kernel == 1 && horizontal_.kernel == 1 && vertical_.stride == 1 && horizontal_.stride == 1;
  runs_.clear();
  for (int32_t y = 0; y < vertical_.kernel; ++y) runs_.push_back({y * in_row_, row});
  const int64_t count = int64_t{vertical_.kernel} * row, bytes = count * int64_t{sizeof(float)};
  most_pixels_ = std::max<int64_t>(kLeastPixels, kHotPixelBytes / bytes);
  const int64_t products = up(pixels_, isa_.tile_pixels) * count, panel_bytes = bytes * isa_.panel_channels;
  ahead_step_ = panel_bytes < products ? 0 : up(panel_bytes, products);
  const void* weights = values[weights_id_].data;
  if (packed_from_ == weights) return;
  pack(values);
  packed_from_ = weights;
}

// A panel at a time: all its channels of one value of the window next to each other.
void FloatConv::pack(const Values& values) {
  const float* from = static_cast<const float*>(values[weights_id_].data);
  const float* bias = bias_id_ == kNoValue ? nullptr : static_cast<const float*>(values[bias_id_].data);
  const int64_t window = int64_t{vertical_.kernel} * horizontal_.kernel * in_channels_;
  const int64_t padded = up(out_channels_, isa_.lanes) * isa_.lanes;
  weights_bytes_ = checked_product(checked_product(window, padded), sizeof(float));
  own_weights_.resize_zeroed(weights_bytes_);
  bias_.assign(static_cast<size_t>(padded), 0.0f);
  slopes_.clear();
  if (has_prelu()) {
    slopes_ = Scale::factors(values[slopes_id_], out_channels_);
    slopes_.resize(static_cast<size_t>(padded));
  }
  panels_.clear();
  auto* to = static_cast<float*>(own_weights_.data());
  for (int32_t first = 0; first < out_channels_; first += isa_.panel_channels) {
    const int32_t channels = std::min(isa_.panel_channels, out_channels_ - first);
    const int64_t width = up(channels, isa_.lanes) * isa_.lanes;
    const float* slopes = slopes_.empty() ? nullptr : slopes_.data() + first;
    panels_.push_back({to, bias_.data() + first, slopes, first, channels, clamp_.low, clamp_.high});
    for (int32_t c = 0; c < channels; ++c) {
      if (bias) bias_[static_cast<size_t>(first + c)] = bias[first + c];
      for (int64_t i = 0; i < window; ++i) to[i * width + c] = from[(first + c) * window + i];
    }
    to += window * width;
  }
}

void FloatConv::move_weights(void* to) {
  const auto* from = static_cast<const float*>(own_weights_.data());
  std::memcpy(to, from, static_cast<size_t>(weights_bytes_));
  for (FloatPanel& panel : panels_) panel.weights = static_cast<float*>(to) + (panel.weights - from);
  own_weights_ = {};
}

void FloatConv::run(const Values& values, Pool& pool) {
  const float* in = static_cast<const float*>(values[in_].data);
  float* out = static_cast<float*>(values[out_].data);
  const Split split = split_work(pool.threads());
  pool.run(static_cast<int32_t>(split.chunks * split.parts), [&](int32_t task) {
    const int64_t chunk = task / split.parts, part = task % split.parts;
    const int64_t first = split.blocks * part / split.parts, last = split.blocks * (part + 1) / split.parts;
    const auto panels = static_cast<int64_t>(panels_.size());
    const Range pixels{pixels_ * chunk / split.chunks, pixels_ * (chunk + 1) / split.chunks};
    for (int64_t block = first; block < last; ++block)
      run_part(start(in, pixels.first), pixels, {panels * block / split.blocks, panels * (block + 1) / split.blocks},
               {out + pixels.first * out_channels_, out_channels_, 0, out_channels_});
  });
}

// The channels are those of whole panels.
void FloatConv::run_strip(const float* in, Range pixels, const Strip& strip) const {
  const int64_t first = strip.first / isa_.panel_channels, last = up(strip.last, isa_.panel_channels);
  run_part(start(in, pixels.first), pixels, {first, last}, strip);
}

void FloatConv::run_pixels(const float* in, float* out, int64_t first, int64_t last) const {
  const auto panels = static_cast<int64_t>(panels_.size());
  run_part(in, {first, last}, {0, panels}, {out + first * out_channels_, out_channels_, 0, out_channels_});
}

// What is larger is divided first: pixels, or weights, which each chunk of pixels reads again.
FloatConv::Split FloatConv::split_work(int64_t threads) const {
  const auto panels = static_cast<int64_t>(panels_.size());
  Split split{};
  split.blocks = std::min(panels, up(weights_bytes_, kHotBytes));
  split.chunks = split.parts = 1;
  if (threads == 1) return split;
  const int64_t wanted = kTasksPerThread * threads;
  const int64_t chunks = std::max<int64_t>(1, pixels_ / (kTilesPerTask * isa_.tile_pixels));
  const int64_t window = int64_t{vertical_.kernel} * horizontal_.kernel * in_channels_;
  if (out_channels_ * window > pixels_ * in_channels_) {
    split.parts = std::min(split.blocks, wanted);
    split.chunks = std::min(chunks, up(wanted, split.parts));
  } else {
    split.chunks = std::min(chunks, wanted);
    split.parts = std::min(split.blocks, up(wanted, split.chunks));
  }
  return split;
}

// Windows that overhang the image are copied, with zeros for what is outside.
void FloatConv::run_part(const float* in, Range pixels, Range panels, const Strip& strip) const {
  const FloatRun whole{0, vertical_.kernel * horizontal_.kernel * in_channels_};
  float copies[kMaxCopied];
  Place place(*this, flat_ ? 0 : pixels.first);
  float* out = strip.to;
  for (int64_t pixel = pixels.first; pixel < pixels.last;) {
    const int64_t inside = flat_ ? pixels.last - pixel : std::min(place.inside(), pixels.last - pixel);
    FloatPixels at{std::min(inside, most_pixels_), in + place.offset(), place.jump(), out, strip.step, runs_.data(),
                   static_cast<int32_t>(runs_.size()), nullptr, ahead_step_};
    if (flat_) {
      at.in = in + (pixel - pixels.first) * in_channels_;
    } else if (inside == 0) {
      at = {0, copies, whole.count, out, strip.step, &whole, 1, nullptr, ahead_step_};
      const int64_t many = std::min<int64_t>(isa_.tile_pixels, pixels.last - pixel);
      for (; at.pixels < many && !place.is_inside(); ++at.pixels, place.advance())
        copy_window(in, place, copies + at.pixels * whole.count);
    } else {
      place.advance(at.pixels);
    }
    for (int64_t i = panels.first; i < panels.last; ++i) {
      const FloatPanel& panel = panels_[static_cast<size_t>(i)];
      FloatPixels of_panel = at;
      of_panel.out += panel.first - strip.first;
      of_panel.ahead = reinterpret_cast<const char*>(panel.weights);
      if (ahead_step_ > 0) of_panel.ahead += kAheadBytes + pixel / isa_.tile_pixels * whole.count * ahead_step_;
      isa_.conv(panel, of_panel);
    }
    pixel += at.pixels;
    out += at.pixels * strip.step;
  }
}

void FloatConv::copy_window(const float* in, const Place& place, float* to) const {
  std::fill_n(to, int64_t{vertical_.kernel} * horizontal_.kernel * in_channels_, 0.0f);
  const Window::Inside rows = place.rows(), columns = place.columns();
  const int64_t values = int64_t{columns.last - columns.first} * in_channels_;
  const int64_t first = int64_t{columns.first} * in_channels_, row = int64_t{horizontal_.kernel} * in_channels_;
  for (int64_t y = rows.first; y < rows.last; ++y)
    std::copy_n(in + place.offset() + y * in_row_ + first, values, to + y * row + first);
}

}  // namespace lce
