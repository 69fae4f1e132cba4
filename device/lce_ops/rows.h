// Steps that make each row of pixels of what they write from the same row of what they read: done one after the other for
// a row, they find it in the nearest cache.
#pragma once

#include <memory>
#include <vector>

#include "step.h"

namespace lce {

// Of the images of a tensor of rank 4; of any other tensor, every pixel is a row.
struct Rows {
  int64_t count, pixels, channels;
  int64_t values() const { return pixels * channels; }  // of one row

  static Rows of(const Shape& shape);
};

class RowStep : public Step {
 public:
  void run(const Values& values, Pool& pool) override;
  virtual void run_rows(const Values& values, Range rows) const = 0;
};

// Several, each of which reads nothing but what those before it write.
class RowChain : public RowStep {
 public:
  explicit RowChain(std::unique_ptr<RowStep> first) { append(std::move(first)); }
  void append(std::unique_ptr<RowStep> step) { steps_.push_back(std::move(step)); }

  const char* name() const override { return steps_.front()->name(); }
  std::vector<Id> reads() const override { return steps_.front()->reads(); }
  std::vector<Id> writes() const override;
  Id overwritable() const override { return steps_.front()->overwritable(); }
  void prepare(Values& values) override;
  void run_rows(const Values& values, Range rows) const override;

 private:
  std::vector<std::unique_ptr<RowStep>> steps_;
};

}  // namespace lce
