// The counting loop of a whole NEON tile, four pixels by sixteen channels: xor, byte counts and a widening accumulate
// for 128 binary products. The dot product of newer cores would replace the accumulate, not lower the number.
//
// In assembly, because the order matters to cores that begin instructions in order. A Cortex-A53 begins one vector
// instruction a cycle and has its result six cycles later, so eight words of bits are under way at a time, and what the
// next ones need is loaded meanwhile, in as few places as the registers allow. Compilers left alone either interleave
// worse or move counters between registers; all 32 are in use.
#pragma once

#include <arm_neon.h>

#include "isa.h"

namespace lce {

// v0-v7: bits that differ, v8-v11: a word of each channel's filter, v12-v15: a word of each pixel.
#define LCE_DIFFER(one, two)            \
  "eor v0.16b, v8.16b, " one ".16b\n"   \
  "eor v1.16b, v9.16b, " one ".16b\n"   \
  "eor v2.16b, v10.16b, " one ".16b\n"  \
  "eor v3.16b, v11.16b, " one ".16b\n"  \
  "eor v4.16b, v8.16b, " two ".16b\n"   \
  "eor v5.16b, v9.16b, " two ".16b\n"   \
  "eor v6.16b, v10.16b, " two ".16b\n"  \
  "eor v7.16b, v11.16b, " two ".16b\n"

#define LCE_COUNT \
  "cnt v0.16b, v0.16b\n cnt v1.16b, v1.16b\n cnt v2.16b, v2.16b\n cnt v3.16b, v3.16b\n" \
  "cnt v4.16b, v4.16b\n cnt v5.16b, v5.16b\n cnt v6.16b, v6.16b\n cnt v7.16b, v7.16b\n"

#define LCE_ACCUMULATE(a, b, c, d, e, f, g, h)                                                                  \
  "uadalp %[" a "].8h, v0.16b\n uadalp %[" b "].8h, v1.16b\n uadalp %[" c "].8h, v2.16b\n"                      \
  "uadalp %[" d "].8h, v3.16b\n uadalp %[" e "].8h, v4.16b\n uadalp %[" f "].8h, v5.16b\n"                      \
  "uadalp %[" g "].8h, v6.16b\n uadalp %[" h "].8h, v7.16b\n"

#define LCE_CLEAR(a, b, c, d) \
  "movi %[" a "].2d, #0\n movi %[" b "].2d, #0\n movi %[" c "].2d, #0\n movi %[" d "].2d, #0\n"

// As count_words in tile.h. Reads up to kReadAhead bytes behind the weights and the runs.
// x9-x12: where the run ends in each pixel's window, x13: the distance from there to the next word.
inline const uint32_t* count_neon_tile(const Run* run, const Run* end, const uint32_t* weights,
                                       const uint32_t* const* in, uint16x8_t (&counters)[4][4]) {
  if (run == end) {
    for (auto& pixel : counters)
      for (auto& counter : pixel) counter = vdupq_n_u16(0);
    return weights;
  }
  auto& [p, q, r, s] = counters;
  asm("ld1 {v8.16b-v11.16b}, [%[weights]], #64\n"
      LCE_CLEAR("p0", "p1", "p2", "p3")
      LCE_CLEAR("q0", "q1", "q2", "q3")
      LCE_CLEAR("r0", "r1", "r2", "r3")
      LCE_CLEAR("s0", "s1", "s2", "s3")
      "0:\n"
      "ldr x14, [%[run]], #16\n"
      "ldrsw x13, [%[run], #-8]\n"
      "add x14, x14, x13, lsl #2\n"
      "neg x13, x13, lsl #4\n"
      "add x9, %[in0], x14, lsl #2\n"
      "add x10, %[in1], x14, lsl #2\n"
      "add x11, %[in2], x14, lsl #2\n"
      "add x12, %[in3], x14, lsl #2\n"
      "ldr q12, [x9, x13]\n"
      "ldr q13, [x10, x13]\n"
      "ldr q14, [x11, x13]\n"
      "ldr q15, [x12, x13]\n"
      "adds x13, x13, #16\n"
      "1:\n"
      LCE_DIFFER("v12", "v13")
      LCE_COUNT
      "ldr q12, [x9, x13]\n"
      "ldr q13, [x10, x13]\n"
      LCE_ACCUMULATE("p0", "p1", "p2", "p3", "q0", "q1", "q2", "q3")
      LCE_DIFFER("v14", "v15")
      LCE_COUNT
      "ld1 {v8.16b-v11.16b}, [%[weights]]\n"
      "ldr q14, [x11, x13]\n"
      "ldr q15, [x12, x13]\n"
      "add %[weights], %[weights], #64\n"
      "adds x13, x13, #16\n"
      LCE_ACCUMULATE("r0", "r1", "r2", "r3", "s0", "s1", "s2", "s3")
      "b.le 1b\n"
      "cmp %[run], %[end]\n"
      "b.ne 0b\n"
      : [p0] "=&w"(p[0]), [p1] "=&w"(p[1]), [p2] "=&w"(p[2]), [p3] "=&w"(p[3]), [q0] "=&w"(q[0]), [q1] "=&w"(q[1]),
        [q2] "=&w"(q[2]), [q3] "=&w"(q[3]), [r0] "=&w"(r[0]), [r1] "=&w"(r[1]), [r2] "=&w"(r[2]), [r3] "=&w"(r[3]),
        [s0] "=&w"(s[0]), [s1] "=&w"(s[1]), [s2] "=&w"(s[2]), [s3] "=&w"(s[3]), [weights] "+&r"(weights),
        [run] "+&r"(run)
      : [end] "r"(end), [in0] "r"(in[0]), [in1] "r"(in[1]), [in2] "r"(in[2]), [in3] "r"(in[3])
      : "x9", "x10", "x11", "x12", "x13", "x14", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10",
        "v11", "v12", "v13", "v14", "v15", "cc", "memory");
  return weights - 16;
}

#undef LCE_DIFFER
#undef LCE_COUNT
#undef LCE_ACCUMULATE
#undef LCE_CLEAR

}  // namespace lce
