#include "float_isa.h"

#include "cpu.h"
#include "isa.h"

namespace lce {

const FloatIsa& choose_float_isa(const std::string& kernel) {
  const Isa* isa = &choose_isa(kernel);
#if defined(__x86_64__)
  if (isa == &kAvx512) return kFloatAvx512;
  // On the first Zen, XNNPACK's kernels rotate the channels and so add in another order.
  if (isa == &kAvx2 && cpu().fma && !cpu().first_zen) return kFloatAvx2;
#elif defined(__aarch64__)
  if (isa == &kNeon) return kFloatNeon;
#endif
  static_cast<void>(isa);
  return kFloatPortable;
}

}  // namespace lce
