// Builtin CONV_2D and DEPTHWISE_CONV_2D of floats, taken into a partition that they lie next to: the bits are those of
// the runtime's XNNPACK, and there is no change of threads between them and the binary convolutions.
#pragma once

#include <vector>

#include "float_isa.h"
#include "step.h"
#include "tflite_c.h"
#include "window.h"

namespace lce {

struct FloatConvOperands {
  Id in, weights, bias, out;  // no bias is kNoValue
};

// What both kinds have in common: a window that slides over images of floats.
class FloatWindowStep : public Step {
 public:
  std::vector<Id> reads() const override { return {operands_.in}; }
  std::vector<Id> writes() const override { return {operands_.out}; }

 protected:
  FloatWindowStep(const FloatIsa& isa, const FloatConvOperands& operands, int32_t padding, int32_t activation,
                  int32_t stride_height, int32_t stride_width);

  // Sets the windows and the output's shape.
  void slide(Values& values, int32_t filter_height, int32_t filter_width, int32_t out_channels);
  float bias(const Values& values, int32_t channel) const;
  struct Range {
    int64_t first, last;
  };
  // An output pixel, and where its window stands on the image, which it may overhang.
  class Place {
   public:
    Place(const FloatWindowStep& step, int64_t pixel);
    void advance();  // to the next pixel
    bool is_inside() const { return inside_rows_ && left_ >= 0 && left_ + step_.horizontal_.kernel <= step_.horizontal_.in; }
    // Distance of the window's first value from the first of all images; outside, the one that it would have.
    int64_t offset() const { return row_ + left_ * step_.in_channels_; }
    bool has(int32_t y, int32_t x) const {
      return top_ + y >= 0 && top_ + y < step_.vertical_.in && left_ + x >= 0 && left_ + x < step_.horizontal_.in;
    }

   private:
    void start_row();

    const FloatWindowStep& step_;
    int64_t image_, y_, x_, top_, left_, row_;
    bool inside_rows_;
  };

  const FloatIsa& isa_;
  FloatConvOperands operands_;
  int32_t padding_, stride_height_, stride_width_;
  float low_, high_;
  Window vertical_{}, horizontal_{};
  int32_t in_channels_ = 0, out_channels_ = 0;
  int64_t pixels_ = 0;
  int64_t row_ = 0;  // distance of two rows of the input
};

class FloatConv : public FloatWindowStep {
 public:
  FloatConv(const FloatIsa& isa, const tfl::ConvParams& params, const FloatConvOperands& operands)
      : FloatWindowStep(isa, operands, params.padding, params.activation, params.stride_height, params.stride_width) {}

  // Of a node with float operands whose weights are constant.
  static bool supports(const tfl::Context& context, const tfl::Node& node, const tfl::ConvParams& params);

  const char* name() const override { return "CONV_2D"; }
  void prepare(Values& values) override;
  void run(const Values& values, Pool& pool) override;

 private:
  static constexpr int64_t kMaxCopied = 8192;  // values of the windows of one tile
  // Of the work: pixels in `chunks`, panels in `parts` of `blocks` that fit into the first level of cache.
  struct Split {
    int64_t blocks, chunks, parts;
  };

  void pack(const Values& values);
  Split split_work(int64_t threads) const;
  void run_part(const float* in, float* out, Range pixels, Range panels) const;
  void copy_window(const float* in, const Place& place, float* to) const;

  std::vector<float> weights_, bias_;
  std::vector<FloatPanel> panels_;
  std::vector<FloatRun> runs_;
  const void* packed_from_ = nullptr;
};

class Depthwise : public FloatWindowStep {
 public:
  Depthwise(const FloatIsa& isa, const tfl::DepthwiseParams& params, const FloatConvOperands& operands)
      : FloatWindowStep(isa, operands, params.padding, params.activation, params.stride_height, params.stride_width) {}

  // The same.
  static bool supports(const tfl::Context& context, const tfl::Node& node, const tfl::DepthwiseParams& params);

  const char* name() const override { return "DEPTHWISE_CONV"; }
  void prepare(Values& values) override;
  void run(const Values& values, Pool& pool) override;

 private:
  static constexpr int32_t kMaxTaps = 9;

  void run_part(const float* in, float* out, Range pixels) const;

  std::vector<float> weights_, bias_, zeros_;
  std::vector<int64_t> taps_;  // distances from the window's first
};

}  // namespace lce
