#include "float_conv.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace lce {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// More tasks than threads, so that a late thread does not hold up the others; less is not worth handing over.
constexpr int64_t kTasksPerThread = 8, kTilesPerTask = 2;
constexpr int64_t kDepthwiseValuesPerTask = 2048;
// For fewer, XNNPACK has kernels on ARM that split a sum.
constexpr int64_t kFewPixels = 16;
// Panels that stay in the first level of cache while the pixels pass by.
constexpr int64_t kHotBytes = 24 * 1024;

int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class Params>
bool is_plain(const Params& p) {
  return (p.padding == tfl::kPaddingSame || p.padding == tfl::kPaddingValid) && p.stride_height > 0 &&
         p.stride_width > 0 && p.dilation_height == 1 && p.dilation_width == 1 && p.activation >= tfl::kNoActivation &&
         p.activation <= tfl::kRelu6;
}

const int32_t* shape_of_weights(const tfl::Context& context, const tfl::Node& node) {
  return context.tensors[node.inputs->data[1]].dims->data;
}

}  // namespace

FloatWindowStep::FloatWindowStep(const FloatIsa& isa, const FloatConvOperands& operands, int32_t padding,
                                 int32_t activation, int32_t stride_height, int32_t stride_width)
    : isa_(isa),
      operands_(operands),
      padding_(padding),
      stride_height_(stride_height),
      stride_width_(stride_width),
      low_(activation == tfl::kNoActivation ? -kInfinity : activation == tfl::kReluN1To1 ? -1.0f : 0.0f),
      high_(activation == tfl::kReluN1To1 ? 1.0f : activation == tfl::kRelu6 ? 6.0f : kInfinity) {}

void FloatWindowStep::slide(Values& values, int32_t filter_height, int32_t filter_width, int32_t out_channels) {
  const Value& in = values[operands_.in];
  require(in.type == tfl::Type::kFloat32 && in.shape.size() == 4, "the input must be float32 with four dimensions");
  const Padding padding = padding_ == tfl::kPaddingSame ? Padding::kSame : Padding::kValid;
  vertical_ = Window::make(in.shape[1], filter_height, stride_height_, 1, padding);
  horizontal_ = Window::make(in.shape[2], filter_width, stride_width_, 1, padding);
  in_channels_ = in.shape[3];
  out_channels_ = out_channels;
  Shape& shape = values[operands_.out].shape;
  shape = {in.shape[0], vertical_.out, horizontal_.out, out_channels};
  elements(in.shape);
  elements(shape);
  pixels_ = int64_t{shape[0]} * shape[1] * shape[2];
  row_ = int64_t{in.shape[2]} * in.shape[3];
}

float FloatWindowStep::bias(const Values& values, int32_t channel) const {
  return operands_.bias == kNoValue ? 0.0f : static_cast<const float*>(values[operands_.bias].data)[channel];
}

FloatWindowStep::Place::Place(const FloatWindowStep& step, int64_t pixel) : step_(step) {
  const int64_t row = pixel / step.horizontal_.out;
  x_ = pixel % step.horizontal_.out;
  y_ = row % step.vertical_.out;
  image_ = row / step.vertical_.out;
  start_row();
  left_ = x_ * step.stride_width_ - step.horizontal_.before;
}

void FloatWindowStep::Place::start_row() {
  top_ = y_ * step_.stride_height_ - step_.vertical_.before;
  left_ = -step_.horizontal_.before;
  row_ = (image_ * step_.vertical_.in + top_) * step_.row_;
  inside_rows_ = top_ >= 0 && top_ + step_.vertical_.kernel <= step_.vertical_.in;
}

void FloatWindowStep::Place::advance() {
  left_ += step_.stride_width_;
  if (++x_ < step_.horizontal_.out) return;
  x_ = 0;
  if (++y_ == step_.vertical_.out) y_ = 0, ++image_;
  start_row();
}

// ---------------------------------------------------------------------------------------------------- CONV_2D

bool FloatConv::supports(const tfl::Context& context, const tfl::Node& node, const tfl::ConvParams& params) {
  const tfl::IntArray& in = *context.tensors[node.inputs->data[0]].dims;
  const tfl::IntArray& out = *context.tensors[node.outputs->data[0]].dims;
  const int32_t* weights = shape_of_weights(context, node);
  const int64_t window = int64_t{weights[1]} * weights[2] * weights[3];
  const bool one = weights[1] == 1 && weights[2] == 1;
  return is_plain(params) && weights[3] == in.data[3] && (one || window * kMaxFloatPixels <= kMaxCopied) &&
         out.size == 4 && int64_t{out.data[1]} * out.data[2] >= kFewPixels;
}

void FloatConv::prepare(Values& values) {
  const Value& weights = values[operands_.weights];
  slide(values, weights.shape[1], weights.shape[2], weights.shape[0]);
  require(weights.shape[3] == in_channels_, "the weights have another number of channels than the input");
  const int32_t row = horizontal_.kernel * in_channels_;
  runs_.clear();
  for (int32_t y = 0; y < vertical_.kernel; ++y) runs_.push_back({y * row_, row});
  if (packed_from_ == weights.data) return;
  pack(values);
  packed_from_ = weights.data;
}

// A panel at a time: all its channels of one value of the window next to each other.
void FloatConv::pack(const Values& values) {
  const float* from = static_cast<const float*>(values[operands_.weights].data);
  const int64_t window = int64_t{vertical_.kernel} * horizontal_.kernel * in_channels_;
  const int64_t padded = up(out_channels_, isa_.lanes) * isa_.lanes;
  weights_.assign(static_cast<size_t>(checked_product(window, padded)), 0.0f);
  bias_.assign(static_cast<size_t>(padded), 0.0f);
  panels_.clear();
  float* to = weights_.data();
  for (int32_t first = 0; first < out_channels_; first += isa_.panel_channels) {
    const int32_t channels = std::min(isa_.panel_channels, out_channels_ - first);
    const int64_t width = up(channels, isa_.lanes) * isa_.lanes;
    panels_.push_back({to, bias_.data() + first, first, channels, low_, high_});
    for (int32_t c = 0; c < channels; ++c) {
      bias_[static_cast<size_t>(first + c)] = bias(values, first + c);
      for (int64_t i = 0; i < window; ++i) to[i * width + c] = from[(first + c) * window + i];
    }
    to += window * width;
  }
}

void FloatConv::run(const Values& values, Pool& pool) {
  const float* in = static_cast<const float*>(values[operands_.in].data);
  float* out = static_cast<float*>(values[operands_.out].data);
  const Split split = split_work(pool.threads());
  pool.run(static_cast<int32_t>(split.chunks * split.parts), [&](int32_t task) {
    const int64_t chunk = task / split.parts, part = task % split.parts;
    const int64_t first = split.blocks * part / split.parts, last = split.blocks * (part + 1) / split.parts;
    const auto panels = static_cast<int64_t>(panels_.size());
    for (int64_t block = first; block < last; ++block)
      run_part(in, out, {pixels_ * chunk / split.chunks, pixels_ * (chunk + 1) / split.chunks},
               {panels * block / split.blocks, panels * (block + 1) / split.blocks});
  });
}

// What is larger is divided first: pixels, or weights, which each chunk of pixels reads anew.
FloatConv::Split FloatConv::split_work(int64_t threads) const {
  const auto panels = static_cast<int64_t>(panels_.size());
  const int64_t bytes = static_cast<int64_t>(sizeof(float) * weights_.size());
  Split split{};
  split.blocks = std::min(panels, up(bytes, kHotBytes));
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

// All tiles are about as large as the largest must be. Where a window overhangs the image, its tile's windows are copied,
// with zeros for what is outside.
void FloatConv::run_part(const float* in, float* out, Range pixels, Range panels) const {
  const FloatRun whole{0, vertical_.kernel * horizontal_.kernel * in_channels_};
  float copies[kMaxCopied];
  Place place(*this, pixels.first);
  int64_t pixel = pixels.first;
  for (int64_t tiles = up(pixels.last - pixel, isa_.tile_pixels); tiles > 0; --tiles) {
    FloatTile tile{};
    tile.pixels = static_cast<int32_t>(up(pixels.last - pixel, tiles));
    bool inside = true;
    const Place first = place;
    for (int32_t p = 0; p < tile.pixels; ++p, ++pixel, place.advance()) {
      inside = inside && place.is_inside();
      tile.in[p] = in + place.offset();
      tile.out[p] = out + pixel * out_channels_;
    }
    tile.runs = inside ? runs_.data() : &whole;
    tile.run_count = inside ? static_cast<int32_t>(runs_.size()) : 1;
    if (!inside) {
      Place again = first;
      for (int32_t p = 0; p < tile.pixels; ++p, again.advance()) {
        tile.in[p] = copies + p * whole.count;
        copy_window(in, again, copies + p * whole.count);
      }
    }
    for (int64_t i = panels.first; i < panels.last; ++i) isa_.conv_tile(panels_[static_cast<size_t>(i)], tile);
  }
}

void FloatConv::copy_window(const float* in, const Place& place, float* to) const {
  for (int32_t y = 0; y < vertical_.kernel; ++y)
    for (int32_t x = 0; x < horizontal_.kernel; ++x, to += in_channels_) {
      const float* from = in + place.offset() + y * row_ + int64_t{x} * in_channels_;
      if (place.has(y, x))
        std::copy(from, from + in_channels_, to);
      else
        std::fill(to, to + in_channels_, 0.0f);
    }
}

// ---------------------------------------------------------------------------------------------------- DEPTHWISE_CONV_2D

bool Depthwise::supports(const tfl::Context& context, const tfl::Node& node, const tfl::DepthwiseParams& params) {
  const int32_t* weights = shape_of_weights(context, node);
  return is_plain(params) && params.depth_multiplier == 1 && weights[0] == 1 && weights[1] == 3 && weights[2] == 3;
}

// The taps go by columns, as XNNPACK has them.
void Depthwise::prepare(Values& values) {
  const Value& weights = values[operands_.weights];
  slide(values, weights.shape[1], weights.shape[2], weights.shape[3]);
  require(weights.shape[3] == in_channels_, "the weights have another number of channels than the input");
  const float* from = static_cast<const float*>(weights.data);
  weights_.clear();
  bias_.clear();
  taps_.clear();
  zeros_.assign(static_cast<size_t>(in_channels_), 0.0f);
  for (int32_t x = 0; x < horizontal_.kernel; ++x)
    for (int32_t y = 0; y < vertical_.kernel; ++y) {
      const float* tap = from + (int64_t{y} * horizontal_.kernel + x) * in_channels_;
      weights_.insert(weights_.end(), tap, tap + in_channels_);
      taps_.push_back(y * row_ + int64_t{x} * in_channels_);
    }
  for (int32_t c = 0; c < in_channels_; ++c) bias_.push_back(bias(values, c));
}

void Depthwise::run(const Values& values, Pool& pool) {
  const float* in = static_cast<const float*>(values[operands_.in].data);
  float* out = static_cast<float*>(values[operands_.out].data);
  const int64_t together = std::max<int64_t>(isa_.tile_pixels, kDepthwiseValuesPerTask / in_channels_);
  const int64_t tasks = pool.threads() == 1 ? 1 : up(pixels_, together);
  pool.run(static_cast<int32_t>(tasks), [&](int32_t task) {
    run_part(in, out, {pixels_ * task / tasks, pixels_ * (task + 1) / tasks});
  });
}

void Depthwise::run_part(const float* in, float* out, Range pixels) const {
  const auto taps = static_cast<int32_t>(taps_.size());
  const float* places[kMaxTaps * kMaxFloatPixels];
  Place place(*this, pixels.first);
  for (int64_t pixel = pixels.first; pixel < pixels.last;) {
    const auto together = static_cast<int32_t>(std::min<int64_t>(isa_.tile_pixels, pixels.last - pixel));
    for (int32_t p = 0; p < together; ++p, place.advance()) {
      const float* first = in + place.offset();
      for (int32_t tap = 0; tap < taps; ++tap) {
        const bool inside = place.is_inside() || place.has(tap % vertical_.kernel, tap / vertical_.kernel);
        places[tap * together + p] = inside ? first + taps_[static_cast<size_t>(tap)] : zeros_.data();
      }
    }
    isa_.depthwise_tile({together, taps, places, weights_.data(), bias_.data(), out + pixel * in_channels_,
                         in_channels_, low_, high_});
    pixel += together;
  }
}

}  // namespace lce
