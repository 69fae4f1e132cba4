// A builtin CONCATENATION of floats along their channels.
#pragma once

#include "step.h"

namespace lce {

class Concat : public Step {
 public:
  Concat(std::vector<Id> parts, Id out) : parts_(std::move(parts)), out_(out) {}

  const char* name() const override { return "CONCATENATION"; }
  std::vector<Id> reads() const override { return parts_; }
  std::vector<Id> writes() const override { return {out_}; }
  void prepare(Values& values) override;
  void run(const Values& values, Pool& pool) override;

 private:
  std::vector<Id> parts_;
  Id out_;
};

}  // namespace lce
