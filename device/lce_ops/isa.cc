#include "isa.h"

#include <vector>

#include "cpu.h"
#include "refusal.h"

namespace lce {
namespace {

// Fastest first.
std::vector<const Isa*> runnable() {
#if defined(__x86_64__)
  std::vector<const Isa*> list;
  if (cpu().avx512) list.push_back(&kAvx512);
  if (cpu().avx2) list.push_back(&kAvx2);
  list.push_back(&kPortable);
  return list;
#elif defined(__aarch64__)
  return {&kNeon, &kPortable};
#else
  return {&kPortable};
#endif
}

}  // namespace

const Isa& choose_isa(const std::string& name) {
  const auto list = runnable();
  std::string known = "auto";
  for (const Isa* isa : list) {
    if (name == "auto" || name == isa->name) return *isa;
    known += std::string(", ") + isa->name;
  }
  throw Refusal("option kernel: expected one of " + known + " on this CPU, got " + name);
}

}  // namespace lce
