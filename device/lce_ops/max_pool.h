// LceBMaxPool2d: the maximum over a window of bits, which is -1 only where all are -1.
#pragma once

#include "flexmap.h"
#include "step.h"
#include "window.h"

namespace lce {

class MaxPool : public Step {
 public:
  MaxPool(const FlexMap& options, Id in, Id out);

  const char* name() const override { return "LceBMaxPool2d"; }
  std::vector<Id> reads() const override { return {in_}; }
  std::vector<Id> writes() const override { return {out_}; }
  void prepare(Values& values) override;
  void run(const Values& values, Pool& pool) override;

 private:
  int32_t filter_height_, filter_width_, stride_height_, stride_width_;
  Padding padding_;
  Id in_, out_;
  Window vertical_{}, horizontal_{};
};

}  // namespace lce
