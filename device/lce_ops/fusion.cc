// Joins steps, so that values are worked on while they are in registers:
//   convolution, ADD        -> the convolution adds the other operand before it stores
//   convolution, LceQuantize -> the convolution packs the signs of what it has just computed
//   convolution or MAX_POOL_2D of floats, DEPTHWISE_CONV_2D -> the latter makes a few rows of its input at a time
// A float tensor that only an LceQuantize reads is then never stored. The arithmetic stays the same, step by step, so
// fused and unfused graphs give identical bits.
#include <algorithm>

#include "add.h"
#include "conv.h"
#include "depthwise.h"
#include "partition.h"
#include "quantize.h"

namespace lce {
namespace {

int64_t readers(const Steps& steps, Id id) {
  int64_t count = 0;
  for (const PlannedStep& planned : steps) {
    const auto reads = planned.step->reads();
    count += std::count(reads.begin(), reads.end(), id);
  }
  return count;
}

size_t conv_that_makes(const Steps& steps, Id id) {
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto* conv = dynamic_cast<const Conv*>(steps[i].step.get());
    if (conv && conv->makes_floats() && conv->out() == id) return i;
  }
  return steps.size();
}

// Moves the convolution to the ADD's place, where both operands exist.
bool fuse_add(const Values& values, Steps& steps, size_t place) {
  const auto* add = dynamic_cast<const Add*>(steps[place].step.get());
  if (!add || add->left() == add->right()) return false;
  for (const auto& [own, other] : {std::pair{add->left(), add->right()}, std::pair{add->right(), add->left()}}) {
    const size_t source = conv_that_makes(steps, own);
    if (source >= place || values[own].result || readers(steps, own) != 1) continue;
    auto* conv = static_cast<Conv*>(steps[source].step.get());
    if (conv->has_residual()) continue;
    conv->fuse_add(other, add->out(), add->relu());
    steps[place] = std::move(steps[source]);
    steps.erase(steps.begin() + static_cast<ptrdiff_t>(source));
    return true;
  }
  return false;
}

bool fuse_quantize(const Values& values, Steps& steps, size_t place) {
  const auto* quantize = dynamic_cast<const Quantize*>(steps[place].step.get());
  if (!quantize) return false;
  const Id floats = quantize->in();
  const size_t source = conv_that_makes(steps, floats);
  if (source >= place) return false;
  const bool keep_floats = values[floats].result || readers(steps, floats) > 1;
  static_cast<Conv*>(steps[source].step.get())->fuse_quantize(quantize->out(), keep_floats);
  steps.erase(steps.begin() + static_cast<ptrdiff_t>(place));
  return true;
}

bool fuse_source(const Values& values, Steps& steps, size_t place) {
  auto* depthwise = dynamic_cast<Depthwise*>(steps[place].step.get());
  if (!depthwise || depthwise->has_source()) return false;
  const Id floats = depthwise->in();
  if (values[floats].result || readers(steps, floats) != 1) return false;
  for (size_t source = 0; source < place; ++source) {
    auto* window = dynamic_cast<FloatWindow*>(steps[source].step.get());
    if (!window || window->out() != floats || dynamic_cast<Depthwise*>(window)) continue;
    steps[source].step.release();
    depthwise->fuse_source(std::unique_ptr<FloatWindow>(window));
    steps.erase(steps.begin() + static_cast<ptrdiff_t>(source));
    return true;
  }
  return false;
}

using Rule = bool (*)(const Values&, Steps&, size_t place);

// Every application removes one step, so the steps after it move up by one.
void apply_everywhere(Rule rule, const Values& values, Steps& steps) {
  for (size_t place = 0; place < steps.size();)
    if (!rule(values, steps, place)) ++place;
}

}  // namespace

void fuse(const Values& values, Steps& steps) {
  apply_everywhere(fuse_add, values, steps);
  apply_everywhere(fuse_quantize, values, steps);
  apply_everywhere(fuse_source, values, steps);
}

}  // namespace lce
