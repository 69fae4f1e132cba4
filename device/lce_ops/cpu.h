// What this x86 processor and its system can run, asked of the processor itself: the compiler's own question
// (__builtin_cpu_supports) is answered by its runtime library, and that of ziglang 0.17 always answers no.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>
#include <cstring>

namespace lce {

struct Cpu {
  bool avx2 = false, fma = false;
  bool avx512f = false;
  bool avx512 = false;     // with the byte, doubleword and vector-length instructions, and counts of bits
  bool first_zen = false;  // AMD's Zen and Zen+

  Cpu() {
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return;
    first_zen = is_first_zen(a);
    constexpr uint32_t kFma = 1u << 12, kXsave = 1u << 27, kAvx = 1u << 28;
    if ((c & kXsave) == 0 || (c & kAvx) == 0) return;
    const uint32_t saved = saved_registers();
    const bool has_fma = (c & kFma) != 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
    constexpr uint32_t kYmm = 0x06, kZmm = 0xe6;  // registers that the system saves when it changes between threads
    constexpr uint32_t kAvx2 = 1u << 5, kF = 1u << 16, kDq = 1u << 17, kBw = 1u << 30, kVl = 1u << 31;
    constexpr uint32_t kPopcount = 1u << 14;
    if ((saved & kYmm) == kYmm) {
      fma = has_fma;
      avx2 = (b & kAvx2) != 0;
    }
    if ((saved & kZmm) == kZmm) {
      constexpr uint32_t kAll = kF | kDq | kBw | kVl;
      avx512f = (b & kF) != 0;
      avx512 = (b & kAll) == kAll && (c & kPopcount) != 0;
    }
  }

 private:
  static uint32_t saved_registers() {
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
  }

  static bool is_first_zen(uint32_t signature) {
    uint32_t largest, vendor[3];
    if (!__get_cpuid(0, &largest, &vendor[0], &vendor[2], &vendor[1])) return false;
    const uint32_t family = ((signature >> 8) & 0xf) + ((signature >> 20) & 0xff);
    const uint32_t model = ((signature >> 4) & 0xf) | ((signature >> 12) & 0xf0);
    return std::memcmp(vendor, "AuthenticAMD", sizeof vendor) == 0 && family == 0x17 && model < 0x30;
  }
};

inline const Cpu& cpu() {
  static const Cpu asked;
  return asked;
}

}  // namespace lce
#endif
