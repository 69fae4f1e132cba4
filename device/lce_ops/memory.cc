// Memory for the values inside a partition. Packed bits are small and may need their zero border kept, so each has its
// own; the others share slots by lifetime, and a sum takes over the memory of an operand that nobody needs any more.
#include <algorithm>

#include "partition.h"

namespace lce {
namespace {

struct Slot {
  int64_t bytes = 0;
  bool taken = false;
};

constexpr size_t kNoSlot = ~size_t{0};

std::vector<size_t> last_readers(const Values& values, const Steps& steps) {
  std::vector<size_t> last(values.size(), 0);
  for (size_t i = 0; i < steps.size(); ++i)
    for (Id id : steps[i].step->reads()) last[id] = i;
  return last;
}

class SlotPlan {
 public:
  SlotPlan(const Values& values, const Steps& steps) : values_(values), last_(last_readers(values, steps)), slot_of_(values.size(), kNoSlot) {
    for (size_t i = 0; i < steps.size(); ++i) {
      for (Id id : steps[i].step->writes())
        if (shares(id)) slot_of_[id] = slot_for(id, i, steps[i].step->overwritable());
      for (size_t id = 0; id < values.size(); ++id)
        if (slot_of_[id] != kNoSlot && last_[id] == i && !inherited_[id]) slots_[slot_of_[id]].taken = false;
    }
  }

  const std::vector<Slot>& slots() const { return slots_; }
  size_t slot_of(Id id) const { return slot_of_[id]; }

 private:
  bool shares(Id id) const { return !values_[id].outside && values_[id].type != tfl::Type::kInt32; }

  size_t slot_for(Id id, size_t step, Id overwritable) {
    const int64_t bytes = values_[id].bytes();
    if (overwritable != kNoValue && slot_of_[overwritable] != kNoSlot && last_[overwritable] == step && values_[overwritable].bytes() == bytes) {
      inherited_[overwritable] = true;
      return slot_of_[overwritable];
    }
    const auto free = std::find_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return !slot.taken; });
    const size_t slot = static_cast<size_t>(free - slots_.begin());
    if (free == slots_.end()) slots_.emplace_back();
    slots_[slot].bytes = std::max(slots_[slot].bytes, bytes);
    slots_[slot].taken = true;
    return slot;
  }

  const Values& values_;
  std::vector<size_t> last_;
  std::vector<size_t> slot_of_;
  std::vector<bool> inherited_ = std::vector<bool>(values_.size(), false);
  std::vector<Slot> slots_;
};

}  // namespace

std::vector<std::unique_ptr<Buffer>> assign_memory(Values& values, const Steps& steps) {
  std::vector<std::unique_ptr<Buffer>> memory;
  const auto add = [&](int64_t bytes) {
    memory.push_back(std::make_unique<Buffer>());
    memory.back()->resize_zeroed(bytes);
    return memory.back()->data();
  };
  const SlotPlan plan(values, steps);
  for (const Slot& slot : plan.slots()) add(slot.bytes);
  for (const PlannedStep& planned : steps)
    for (Id id : planned.step->writes()) {
      if (values[id].outside) continue;
      const size_t slot = plan.slot_of(id);
      values[id].data = slot == kNoSlot ? add(values[id].bytes()) : memory[slot]->data();
    }
  return memory;
}

}  // namespace lce
