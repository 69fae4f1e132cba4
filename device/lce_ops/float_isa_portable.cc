// In plain C++, what needs no sums.
#include "float_rows.h"
#include "float_tile.h"

namespace lce {
namespace {

struct Portable {
  static constexpr int kLanes = 8, kVectors = 1, kPixels = 2;
  struct Float {
    float lane[kLanes];
  };

  static Float load_some(const float* from, int n) {
    Float v{};
    for (int i = 0; i < kLanes && i < n; ++i) v.lane[i] = from[i];
    return v;
  }
  static void store_some(float* to, const Float& v, int n) {
    for (int i = 0; i < kLanes && i < n; ++i) to[i] = v.lane[i];
  }
  static Float max(const Float& a, const Float& b) {
    Float v;
    for (int i = 0; i < kLanes; ++i) v.lane[i] = a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i];
    return v;
  }
  static Float multiply(const Float& a, const Float& b) {
    Float v;
    for (int i = 0; i < kLanes; ++i) v.lane[i] = a.lane[i] * b.lane[i];
    return v;
  }
  static uint32_t negative(const Float& v) {
    uint32_t bits = 0;
    for (int i = 0; i < kLanes; ++i) bits |= static_cast<uint32_t>(v.lane[i] < 0) << i;
    return bits;
  }
};

using Kernel = FloatKernel<Portable>;

}  // namespace

const FloatIsa kFloatPortable = {Kernel::kChannels, Portable::kLanes, Portable::kPixels,
                                 nullptr,           nullptr,          Kernel::max_tile, Kernel::signs_of_products,
 add, multiply};

}  // namespace lce
