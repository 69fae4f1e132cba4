// A builtin MAX_POOL_2D of floats, taken into the partition that makes its input: the threads that have just written the
// floats read them again, and the runtime has one operator less between two partitions.
#pragma once

#include <vector>

#include "float_window.h"

namespace lce {

class FloatMaxPool : public StripWindow {
 public:
  FloatMaxPool(const FloatIsa& isa, const tfl::PoolParams& params, Id in, Id out);

  // Not with an activation, which LCE's converter gives to the operator before.
  static bool supports(const tfl::PoolParams& params);

  const char* name() const override { return "MAX_POOL_2D"; }
  void prepare(Values& values) override;
  void run(const Values& values, Pool& pool) override;
  void run_strip(const float* in, Range pixels, const Strip& strip) const override;

 private:
  const int32_t filter_height_, filter_width_;
  std::vector<int64_t> taps_;  // distances from the window's first
};

}  // namespace lce
