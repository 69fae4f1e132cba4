// A builtin PAD of floats that adds channels of zeros. In front of an ADD it is done by that.
#pragma once

#include "step.h"

namespace lce {

class Pad : public Step {
 public:
  Pad(Id in, Id paddings, Id out) : in_(in), paddings_(paddings), out_(out) {}

  // The channels before, if these paddings are of channels alone and none is negative; else -1.
  static int32_t before(const int32_t* paddings, int32_t rank);

  const char* name() const override { return "PAD"; }
  std::vector<Id> reads() const override { return {in_}; }
  std::vector<Id> writes() const override { return {out_}; }
  void prepare(Values& values) override;
  void run(const Values& values, Pool& pool) override;

  Id in() const { return in_; }
  Id paddings() const { return paddings_; }
  Id out() const { return out_; }

 private:
  Id in_, paddings_, out_;
};

}  // namespace lce
