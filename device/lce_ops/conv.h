// LceBconv2d: convolution of packed bits with packed filters, with what has been fused into it.
//
//   bits -> count differing bits -> floats [+ residual] -> stored and/or their signs packed
//                                -> int8
//                                -> bits, by thresholds
#pragma once

#include <vector>

#include "flexmap.h"
#include "step.h"
#include "window.h"

namespace lce {

struct ConvOperands {
  Id in, weights, multiplier, bias, thresholds, out;
};

struct ConvOptions {
  int32_t channels_in;
  int32_t stride_height = 1, stride_width = 1, dilation_height = 1, dilation_width = 1;
  Padding padding = Padding::kValid;
  int32_t pad_value = 0;   // what zero padding pads with: 0, or +1
  int32_t activation = 0;  // TFLite's number

  // As they are stored in a file. Throws Refusal.
  static ConvOptions read(const FlexMap& map);
};

class Conv : public Step {
 public:
  Conv(const Isa& isa, const ConvOptions& options, const ConvOperands& operands, const Values& values);

  const char* name() const override { return "LceBconv2d"; }
  std::vector<Id> reads() const override;
  std::vector<Id> writes() const override;
  Id overwritable() const override { return residual_; }
  void prepare(Values& values) override;
  void run(const Values& values, Pool& pool) override;

  bool makes_floats() const { return output_ == Output::kFloat && signs_ == kNoValue; }
  bool has_residual() const { return residual_ != kNoValue; }
  Id out() const { return operands_.out; }
  Id in() const { return operands_.in; }

  // From now on writes `sum` = own output + `residual`, or zero where that is below zero and `relu` is true.
  void fuse_add(Id residual, Id sum, bool relu);
  // From now on also writes the packed signs of its floats, and the floats only if they are kept.
  void fuse_quantize(Id signs, bool keep_floats);

 private:
  struct Geometry {
    int32_t batch = 0, height = 0, width = 0;
    int32_t filter_height = 0, filter_width = 0;
    int32_t out_channels = 0, groups = 1;
    int64_t group_words = 0;  // words of one group's part of a pixel
    int32_t products = 0;     // real products per output: K
    bool operator==(const Geometry& o) const;
  };
  struct PanelPlace {
    int32_t group, first_channel, channels;
  };
  struct Job;
  // Of the work: pixels in `chunks`, panels in `parts` of `blocks` that fit into the first level of cache.
  struct Split {
    int64_t panels, blocks, chunks, parts;
  };

  Geometry geometry(const Values& values) const;
  void check_operands(const Values& values) const;
  bool zero_padded() const;
  Border needed_border() const;
  void set_clamp();
  void place_panels();
  void pack_weights(const uint32_t* weights);
  void pack_scales(const Values& values);
  void pack_table(const Values& values);
  std::vector<int32_t> border_corrections(const uint32_t* weights, int32_t channel) const;
  void set_output_shape(Values& values) const;

  std::vector<Run> runs(const BitImages& in, int32_t group) const;
  bool needs_copy(const Value& in) const;
  Value copied_input(const Value& in) const;
  BitImages tile_input(const Values& values, Pool& pool);
  void ready_panels(const BitImages& in);
  Panel panel(size_t index) const;
  Split split_work(const Job& job, int64_t threads) const;
  void run_part(const Job& job, int64_t pixel, int64_t last_pixel, int64_t first_panel, int64_t last_panel) const;
  void put_bits(const Tile& tile, const Panel& panel, uint32_t* const* rows, bool first_panel) const;

  const Isa& isa_;
  ConvOperands operands_;
  Id residual_ = kNoValue, signs_ = kNoValue;
  bool keep_floats_ = true, relu_sum_ = false;

  ConvOptions options_;
  Output output_;
  Correction correction_ = Correction::kNone;

  // Made by prepare.
  Geometry geometry_;
  Window vertical_{}, horizontal_{};
  const void* packed_from_ = nullptr;
  int32_t low_ = 0, high_ = 0;
  std::vector<PanelPlace> panels_;
  Buffer weights_;
  std::vector<float> multiplier_, bias_;
  std::vector<int32_t> table_;  // thresholds or corrections (floats as their bits), a row per border class
  std::vector<int32_t> row_class_, column_class_;
  int32_t column_classes_ = 1;
  Buffer copied_;
  // Made by the first run thereafter, when the input's border is known.
  std::vector<std::vector<Run>> runs_;  // per group
  std::vector<Panel> ready_;
};

}  // namespace lce
