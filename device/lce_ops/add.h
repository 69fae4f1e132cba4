// A builtin ADD of two float tensors of one shape, one of which may be padded with channels of zeros on the way.
#pragma once

#include "float_isa.h"
#include "rows.h"

namespace lce {

class Add : public RowStep {
 public:
  Add(const FloatIsa& floats, Id left, Id right, Id out, bool relu)
      : floats_(floats), left_(left), right_(right), out_(out), relu_(relu) {}

  const char* name() const override { return "ADD"; }
  std::vector<Id> reads() const override { return {left_, right_}; }
  std::vector<Id> writes() const override { return {out_}; }
  Id overwritable() const override { return left_; }
  void prepare(Values& values) override;
  void run_rows(const Values& values, Range rows) const override;

  Id left() const { return left_; }
  Id right() const { return right_; }
  Id out() const { return out_; }
  bool relu() const { return relu_; }

  // From now on adds, instead of the padded operand, what was padded: the same sums, zeros included.
  void fuse_pad(Id padded, Id source, Id paddings);
  bool has_padding() const { return paddings_ != kNoValue; }

 private:
  const FloatIsa& floats_;
  Id left_, right_, out_;
  bool relu_;  // no sum is below zero
  Id paddings_ = kNoValue;
  int64_t before_ = 0;  // channels that the right operand lacks
};

// Shared with a convolution that has an ADD fused into it.
void require_same_shape(const Value& left, const Value& right);

}  // namespace lce
