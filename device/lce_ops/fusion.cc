// Joins steps, so that values are worked on while they are in registers or in the nearest cache:
//   convolution, ADD        -> the convolution adds the other operand before it stores
//   convolution, LceQuantize -> the convolution packs the signs of what it has just computed
//   convolution of floats, PRELU -> the convolution multiplies what is below zero before it stores
//   MUL, LceQuantize         -> the signs of the products, which are not stored
//   PAD, ADD                 -> the ADD adds what the PAD would have padded
//   ADD, MUL, LceQuantize in a row -> the next does a row of pixels when the one before it has done it
//   convolution or MAX_POOL_2D of floats, DEPTHWISE_CONV_2D -> the latter makes a few rows of its input at a time
//   DEPTHWISE_CONV_2D, convolution of single pixels -> the former does it a few rows at a time
// A float tensor that only an LceQuantize reads is then never stored. The arithmetic stays the same, step by step, so
// fused and unfused graphs give identical bits.
#include <algorithm>

#include "add.h"
#include "conv.h"
#include "depthwise.h"
#include "float_conv.h"
#include "pad.h"
#include "partition.h"
#include "quantize.h"
#include "scale.h"

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
  if (!add || add->left() == add->right() || add->has_padding()) return false;
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
  if (!quantize || quantize->has_scale()) return false;
  const Id floats = quantize->in();
  const size_t source = conv_that_makes(steps, floats);
  if (source >= place) return false;
  const bool keep_floats = values[floats].result || readers(steps, floats) > 1;
  static_cast<Conv*>(steps[source].step.get())->fuse_quantize(quantize->out(), keep_floats);
  steps.erase(steps.begin() + static_cast<ptrdiff_t>(place));
  return true;
}

// The step at `place` reads `id` alone: what makes it can be done there. Null if that is no such step.
template <class Maker>
Maker* only_for(const Values& values, const Steps& steps, size_t place, Id id, size_t& source) {
  if (values[id].result || readers(steps, id) != 1) return nullptr;
  for (source = 0; source < place; ++source) {
    auto* maker = dynamic_cast<Maker*>(steps[source].step.get());
    if (maker && maker->out() == id) return maker;
  }
  return nullptr;
}

bool fuse_scale(const Values& values, Steps& steps, size_t place) {
  auto* quantize = dynamic_cast<Quantize*>(steps[place].step.get());
  if (!quantize || quantize->has_scale()) return false;
  size_t source;
  const auto* scale = only_for<Scale>(values, steps, place, quantize->in(), source);
  if (!scale || scale->only_negative()) return false;
  quantize->fuse_scale(scale->in(), scale->factors());
  steps.erase(steps.begin() + static_cast<ptrdiff_t>(source));
  return true;
}

bool fuse_prelu(const Values& values, Steps& steps, size_t place) {
  const auto* prelu = dynamic_cast<const Scale*>(steps[place].step.get());
  if (!prelu || !prelu->only_negative()) return false;
  size_t source;
  auto* conv = only_for<FloatConv>(values, steps, place, prelu->in(), source);
  if (!conv || conv->has_prelu()) return false;
  conv->fuse_prelu(prelu->factors(), prelu->out());
  steps[place] = std::move(steps[source]);
  steps.erase(steps.begin() + static_cast<ptrdiff_t>(source));
  return true;
}

bool fuse_pad(const Values& values, Steps& steps, size_t place) {
  auto* add = dynamic_cast<Add*>(steps[place].step.get());
  if (!add || add->has_padding()) return false;
  for (Id padded : {add->right(), add->left()}) {
    size_t source;
    const auto* pad = only_for<Pad>(values, steps, place, padded, source);
    if (!pad) continue;
    add->fuse_pad(padded, pad->in(), pad->paddings());
    steps.erase(steps.begin() + static_cast<ptrdiff_t>(source));
    return true;
  }
  return false;
}

bool fuse_source(const Values& values, Steps& steps, size_t place) {
  auto* depthwise = dynamic_cast<Depthwise*>(steps[place].step.get());
  if (!depthwise || depthwise->has_source()) return false;
  size_t source;
  auto* window = only_for<StripWindow>(values, steps, place, depthwise->in(), source);
  if (!window) return false;
  steps[source].step.release();
  depthwise->fuse_source(std::unique_ptr<StripWindow>(window));
  steps.erase(steps.begin() + static_cast<ptrdiff_t>(source));
  return true;
}

bool fuse_sink(const Values& values, Steps& steps, size_t place) {
  auto* conv = dynamic_cast<FloatConv*>(steps[place].step.get());
  if (!conv || !conv->is_flat(values) || !conv->is_small(values)) return false;
  size_t source;
  auto* depthwise = only_for<Depthwise>(values, steps, place, conv->in(), source);
  if (!depthwise || depthwise->has_sink()) return false;
  steps[place].step.release();
  depthwise->fuse_sink(std::unique_ptr<FloatConv>(conv));
  steps[place].step = std::move(steps[source].step);
  steps.erase(steps.begin() + static_cast<ptrdiff_t>(source));
  return true;
}

// What needs nothing but a row that another step has just made can follow it at once.
bool fuse_rows(const Values&, Steps& steps, size_t place) {
  auto* step = dynamic_cast<RowStep*>(steps[place].step.get());
  if (!step || step->reads().size() != 1) return false;
  for (size_t source = 0; source < place; ++source) {
    auto* maker = dynamic_cast<RowStep*>(steps[source].step.get());
    if (!maker || !contains(maker->writes(), step->reads()[0])) continue;
    auto* chain = dynamic_cast<RowChain*>(maker);
    if (!chain) {
      steps[source].step.release();
      steps[source].step = std::make_unique<RowChain>(std::unique_ptr<RowStep>(maker));
      chain = static_cast<RowChain*>(steps[source].step.get());
    }
    steps[place].step.release();
    chain->append(std::unique_ptr<RowStep>(step));
    steps.erase(steps.begin() + static_cast<ptrdiff_t>(place));
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
  apply_everywhere(fuse_scale, values, steps);
  apply_everywhere(fuse_prelu, values, steps);
  apply_everywhere(fuse_pad, values, steps);
  apply_everywhere(fuse_add, values, steps);
  apply_everywhere(fuse_quantize, values, steps);
  apply_everywhere(fuse_source, values, steps);
  apply_everywhere(fuse_sink, values, steps);
  apply_everywhere(fuse_rows, values, steps);
}

}  // namespace lce
