// LceQuantize: the signs of floats, int8 numbers or booleans, packed; or of the products of floats and their channels'
// factors.
#pragma once

#include "float_isa.h"
#include "rows.h"

namespace lce {

class Quantize : public RowStep {
 public:
  Quantize(const Isa& isa, const FloatIsa& floats, Id in, Id out) : isa_(isa), floats_(floats), in_(in), out_(out) {}

  const char* name() const override { return "LceQuantize"; }
  std::vector<Id> reads() const override { return {in_}; }
  std::vector<Id> writes() const override { return {out_}; }
  void prepare(Values& values) override;
  void run_rows(const Values& values, Range rows) const override;

  Id in() const { return in_; }
  Id out() const { return out_; }

  // From now on multiplies what the MUL before it has multiplied.
  void fuse_scale(Id in, Id factors);
  bool has_scale() const { return factors_ != kNoValue; }

 private:
  void pack(const Value& in, int64_t first, int64_t count, uint32_t* out) const;
  void pack_row(const Value& in, int64_t first_pixel, int64_t pixels, uint32_t* out) const;

  const Isa& isa_;
  const FloatIsa& floats_;
  Id in_, out_, factors_ = kNoValue;
  std::vector<float> by_channel_;
};

}  // namespace lce
