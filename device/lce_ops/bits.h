// Packed bits: channel c of a row is bit c % 32 of word c / 32; a set bit means -1; unused high bits are 0.
#pragma once

#include <cstdint>

namespace lce {

constexpr int kWordBits = 32;

constexpr int64_t words(int64_t channels) { return (channels + kWordBits - 1) / kWordBits; }

}  // namespace lce
