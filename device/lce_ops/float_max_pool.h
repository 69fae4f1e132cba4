// A builtin MAX_POOL_2D of floats, taken into the partition that makes its input: the threads that have just written the
// floats read them again, and the runtime has one operator less between two partitions.
#pragma once

#include "isa.h"
#include "step.h"
#include "tflite_c.h"
#include "window.h"

namespace lce {

class FloatMaxPool : public Step {
 public:
  FloatMaxPool(const Isa& isa, const tfl::PoolParams& params, Id in, Id out)
      : isa_(isa), params_(params), in_(in), out_(out) {}

  // Not with an activation, which LCE's converter gives to the operator before.
  static bool supports(const tfl::PoolParams& params);

  const char* name() const override { return "MAX_POOL_2D"; }
  std::vector<Id> reads() const override { return {in_}; }
  std::vector<Id> writes() const override { return {out_}; }
  void prepare(Values& values) override;
  void run(const Values& values, Pool& pool) override;

 private:
  void pool_row(const float* in, float* out, int32_t n, int32_t y) const;

  const Isa& isa_;
  tfl::PoolParams params_;
  Id in_, out_;
  Window vertical_{}, horizontal_{};
  int64_t channels_ = 0;
};

}  // namespace lce
