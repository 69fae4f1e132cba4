// A builtin MUL of floats by constants, one per channel or one for all: a batch norm that stands alone. Or a PRELU, which
// multiplies what is below zero.
#pragma once

#include <vector>

#include "float_isa.h"
#include "rows.h"

namespace lce {

class Scale : public RowStep {
 public:
  Scale(const FloatIsa& floats, Id in, Id factors, Id out, bool only_negative)
      : floats_(floats), in_(in), factors_(factors), out_(out), only_negative_(only_negative) {}

  // A factor for each channel.
  static std::vector<float> factors(const Value& factors, int32_t channels);

  const char* name() const override { return only_negative_ ? "PRELU" : "MUL"; }
  std::vector<Id> reads() const override { return {in_}; }
  std::vector<Id> writes() const override { return {out_}; }
  void prepare(Values& values) override;
  void run_rows(const Values& values, Range rows) const override;

  Id in() const { return in_; }
  Id factors() const { return factors_; }
  Id out() const { return out_; }
  bool only_negative() const { return only_negative_; }

 private:
  const FloatIsa& floats_;
  Id in_, factors_, out_;
  const bool only_negative_;
  std::vector<float> by_channel_;
};

}  // namespace lce
