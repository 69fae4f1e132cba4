// Memory for the values inside a partition. Packed bits are small and may need their zero border kept, so each has its
// own. The others share slots by lifetime, and a sum is written over an operand that nobody needs any more: such values
// live at one home. If the last of them is a result, that home is the runtime's memory for it, which is likely still in
// the caches.
#include <algorithm>

#include "partition.h"

namespace lce {
namespace {

constexpr size_t kNever = ~size_t{0};

// By value the last step that reads it, or else the one that writes it, which may itself read it again.
std::vector<size_t> last_users(const Values& values, const Steps& steps) {
  std::vector<size_t> last(values.size(), 0);
  for (size_t i = 0; i < steps.size(); ++i) {
    for (Id id : steps[i].step->writes()) last[id] = i;
    for (Id id : steps[i].step->reads()) last[id] = i;
  }
  return last;
}

bool is_bits(const Value& value) { return value.type == tfl::Type::kInt32; }

// Sets each value's home: the last value of a chain of sums that can all be in one place.
void find_homes(Values& values, const Steps& steps, const std::vector<size_t>& last) {
  for (size_t id = 0; id < values.size(); ++id) values[id].home = static_cast<Id>(id);
  for (size_t i = steps.size(); i-- > 0;) {
    const Id operand = steps[i].step->overwritable();
    if (operand == kNoValue || values[operand].outside || last[operand] != i) continue;
    for (Id sum : steps[i].step->writes())
      if (!is_bits(values[sum]) && values[sum].bytes() == values[operand].bytes())
        values[operand].home = values[sum].home;
  }
}

struct Slot {
  int64_t bytes = 0;
  bool taken = false;
};

// The slot of each home that needs one, by value.
std::vector<size_t> find_slots(const Values& values, const Steps& steps, const std::vector<size_t>& last,
                               std::vector<Slot>& slots) {
  std::vector<size_t> slot_of(values.size(), kNever);
  for (size_t i = 0; i < steps.size(); ++i) {
    for (Id id : steps[i].step->writes()) {
      const Id home = values[id].home;
      if (values[home].outside || is_bits(values[home]) || slot_of[home] != kNever) continue;
      const auto free = std::find_if(slots.begin(), slots.end(), [](const Slot& slot) { return !slot.taken; });
      slot_of[home] = static_cast<size_t>(free - slots.begin());
      if (free == slots.end()) slots.emplace_back();
      Slot& slot = slots[slot_of[home]];
      slot = {std::max(slot.bytes, values[home].bytes()), true};
    }
    for (size_t id = 0; id < values.size(); ++id)
      if (slot_of[id] != kNever && last[id] == i) slots[slot_of[id]].taken = false;
  }
  return slot_of;
}

}  // namespace

std::vector<std::unique_ptr<Buffer>> assign_memory(Values& values, const Steps& steps) {
  const std::vector<size_t> last = last_users(values, steps);
  find_homes(values, steps, last);
  std::vector<Slot> slots;
  const std::vector<size_t> slot_of = find_slots(values, steps, last, slots);

  std::vector<std::unique_ptr<Buffer>> memory;
  const auto add = [&](int64_t bytes) {
    memory.push_back(std::make_unique<Buffer>());
    memory.back()->resize_zeroed(bytes);
    return memory.back()->data();
  };
  for (const Slot& slot : slots) add(slot.bytes);
  for (const PlannedStep& planned : steps)
    for (Id id : planned.step->writes()) {
      Value& value = values[id];
      if (value.outside || values[value.home].outside) continue;
      value.data = is_bits(value) ? add(value.bytes()) : memory[slot_of[value.home]]->data();
    }
  return memory;
}

}  // namespace lce
