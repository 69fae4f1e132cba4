// The part of one graph that the delegate runs: its values, its steps in order, the memory between them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "float_isa.h"
#include "step.h"

namespace lce {

struct Settings {
  std::string kernel = "auto";
  int32_t num_threads = 0;  // 0: as the interpreter says
  bool fuse = true;
  bool xnnpack = true;  // the runtime gives its floats to XNNPACK, in whose order we may add
  bool floats = false;  // graphs without binary operators too
  bool trace = false;
};

struct PlannedStep {
  std::unique_ptr<Step> step;
  int32_t node;  // its place in the model, for messages
};
using Steps = std::vector<PlannedStep>;

class Partition {
 public:
  // Copies what it needs out of the nodes. Throws Refusal.
  Partition(tfl::Context* context, const tfl::DelegateParams& params, const Settings& settings);

  // Shapes and memory for the inputs' present shapes. Throws Refusal.
  void prepare(tfl::Context* context);
  void run(tfl::Context* context, Pool& pool);

 private:
  Id value_of(const tfl::Context& context, int32_t tensor);
  std::unique_ptr<Step> make_step(tfl::Context* context, const tfl::Node& node, const tfl::Registration& registration);
  void mark_outside(const tfl::DelegateParams& params);
  void mark_bordered();
  void gather_weights();
  void read_outside(const tfl::Context& context);
  void publish_outputs(tfl::Context* context) const;

  const Isa& isa_;
  const FloatIsa& floats_;
  Values values_;
  Steps steps_;
  std::vector<std::unique_ptr<Buffer>> memory_, weights_;
};

// Joins steps that can work on values while they are in registers; see fusion.cc.
void fuse(const Values& values, Steps& steps);

// Gives every value inside the partition memory, which values whose lives do not overlap share; see memory.cc.
std::vector<std::unique_ptr<Buffer>> assign_memory(Values& values, const Steps& steps);

// Operators by their names in the file.
constexpr char kQuantizeName[] = "LceQuantize", kDequantizeName[] = "LceDequantize";
constexpr char kConvName[] = "LceBconv2d", kMaxPoolName[] = "LceBMaxPool2d";

}  // namespace lce
