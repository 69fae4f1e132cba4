// LceDequantize: packed bits as floats, int8 numbers or booleans.
#pragma once

#include "step.h"

namespace lce {

class Dequantize : public Step {
 public:
  Dequantize(Id in, Id out) : in_(in), out_(out) {}

  const char* name() const override { return "LceDequantize"; }
  std::vector<Id> reads() const override { return {in_}; }
  std::vector<Id> writes() const override { return {out_}; }
  void prepare(Values& values) override;
  void run(const Values& values, Pool& pool) override;

 private:
  Id in_, out_;
};

}  // namespace lce
