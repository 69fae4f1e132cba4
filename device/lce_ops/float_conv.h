// Builtin CONV_2D of floats, taken into a partition that it lies next to: the bits are those of the runtime's XNNPACK, and
// there is no change of threads between it and the binary convolutions.
#pragma once

#include <vector>

#include "float_window.h"

namespace lce {

struct FloatConvOperands {
  Id in, weights, bias, out;  // the bias may be kNoValue: zeros
};

// Of sums of products.
struct Clamp {
  float low, high;
  static Clamp of(int32_t activation);
};

// Both kinds of convolution.
template <class Params>
bool is_plain(const Params& p) {
  return (p.padding == tfl::kPaddingSame || p.padding == tfl::kPaddingValid) && p.stride_height > 0 &&
         p.stride_width > 0 && p.dilation_height == 1 && p.dilation_width == 1 && p.activation >= tfl::kNoActivation &&
         p.activation <= tfl::kRelu6;
}

class FloatConv : public StripWindow {
 public:
  FloatConv(const FloatIsa& isa, const tfl::ConvParams& params, const FloatConvOperands& operands);

  // Of a node with float operands and constant weights.
  static bool supports(const tfl::Context& context, const tfl::Node& node, const tfl::ConvParams& params);

  const char* name() const override { return "CONV_2D"; }
  void prepare(Values& values) override;
  void run(const Values& values, Pool& pool) override;
  void run_strip(const float* in, Range pixels, const Strip& strip) const override;

  int64_t weights_bytes() const override { return own_weights_.size(); }
  void move_weights(void* to) override;

  // Whether each output pixel is made of the one input pixel in its place.
  bool is_flat(const Values& values) const;
  // Whether its weights can be read again for every few pixels.
  bool is_small(const Values& values) const;
  // Of a flat one: output pixels, of which the first is made of the first of `in`.
  void run_pixels(const float* in, float* out, int64_t first, int64_t last) const;

  // From now on writes what the PRELU behind it would.
  void fuse_prelu(Id slopes, Id out);
  bool has_prelu() const { return slopes_id_ != kNoValue; }

 protected:
  FloatConv(const FloatIsa& isa, const Slide& slide, int32_t activation, const FloatConvOperands& operands);

  // Packs the weights, once the windows are set.
  void ready(const Values& values);

  const Id weights_id_, bias_id_;

 private:
  static constexpr int64_t kMaxCopied = 8192;  // values of the windows of one tile
  // Of the work: pixels in `chunks`, panels in `parts` of `blocks` that fit into the first level of cache.
  struct Split {
    int64_t blocks, chunks, parts;
  };

  void pack(const Values& values);
  Split split_work(int64_t threads) const;
  // Of a flat one, the first pixel's input; else the whole.
  const float* start(const float* in, int64_t pixel) const { return flat_ ? in + pixel * in_channels_ : in; }
  void run_part(const float* in, Range pixels, Range panels, const Strip& strip) const;
  void copy_window(const float* in, const Place& place, float* to) const;

  const Clamp clamp_;
  Id slopes_id_ = kNoValue;
  Buffer own_weights_;  // until they are moved
  int64_t weights_bytes_ = 0, ahead_step_ = 0, most_pixels_ = 0;
  std::vector<float> bias_, slopes_;
  std::vector<FloatPanel> panels_;
  std::vector<FloatRun> runs_;
  bool flat_ = false;  // is_flat, once prepared
  const void* packed_from_ = nullptr;
};

}  // namespace lce
