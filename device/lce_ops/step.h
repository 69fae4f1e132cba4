// One thing that a partition does per inference: an operator, or several fused into one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "isa.h"
#include "pool.h"
#include "value.h"

namespace lce {

using Values = std::vector<Value>;
using Id = int32_t;  // index into Values
constexpr Id kNoValue = -1;

inline bool contains(const std::vector<Id>& ids, Id id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }

struct Range {
  int64_t first, last;
};

class Step {
 public:
  virtual ~Step() = default;

  virtual const char* name() const = 0;
  virtual std::vector<Id> reads() const = 0;
  virtual std::vector<Id> writes() const = 0;
  // The read value whose memory may hold the written float value, element for element; kNoValue if none.
  virtual Id overwritable() const { return kNoValue; }

  // Derives the shapes of what it writes from those of what it reads and readies constants. May be called again with
  // other shapes. Throws Refusal.
  virtual void prepare(Values& values) = 0;
  virtual void run(const Values& values, Pool& pool) = 0;

  // Weights in the order in which they are read, which may be moved to lie in front of those of the next step.
  virtual int64_t weights_bytes() const { return 0; }
  virtual void move_weights(void*) {}
};

}  // namespace lce
