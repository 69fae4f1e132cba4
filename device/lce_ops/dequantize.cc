#include "dequantize.h"

#include <algorithm>
#include <cmath>

namespace lce {
namespace {

template <class T>
void unpack(const BitImages& in, int64_t y, int64_t channels, T plus, T minus, T* out) {
  for (int64_t x = 0; x < in.width; ++x) {
    const uint32_t* bits = in.at(y / in.height, y % in.height, x);
    for (int64_t c = 0; c < channels; ++c) *out++ = bits[c / kWordBits] >> (c % kWordBits) & 1 ? minus : plus;
  }
}

// One in the output's own unit, half away from zero.
int32_t steps_per_one(float scale) {
  const float steps = std::round(1.0f / scale);
  return steps < 512 ? static_cast<int32_t>(steps) : 512;
}

}  // namespace

void Dequantize::prepare(Values& values) {
  const Value& in = values[in_];
  Value& out = values[out_];
  require(in.type == tfl::Type::kInt32, "the input must be int32");
  require(out.type == tfl::Type::kFloat32 || out.type == tfl::Type::kInt8 || out.type == tfl::Type::kBool,
          "the output must be float32, int8 or bool");
  require(!in.shape.empty() && out.shape.size() == in.shape.size(), "input and output must have the same rank");
  require(words(out.shape.back()) == in.shape.back(), "the input's words do not match the output's channels");
  require(out.type != tfl::Type::kInt8 || out.scale > 0, "the int8 output needs a positive scale");
  std::copy(in.shape.begin(), in.shape.end() - 1, out.shape.begin());
  elements(out.shape);
}

void Dequantize::run(const Values& values, Pool& pool) {
  const BitImages in = values[in_].images();
  const Value& out = values[out_];
  const int64_t channels = out.shape.back();
  pool.run(in.batch * in.height, [&](int32_t y) {
    const int64_t first = y * channels * in.width;
    if (out.type == tfl::Type::kFloat32) {
      unpack(in, y, channels, 1.0f, -1.0f, static_cast<float*>(out.data) + first);
    } else if (out.type == tfl::Type::kBool) {
      unpack<uint8_t>(in, y, channels, 1, 0, static_cast<uint8_t*>(out.data) + first);
    } else {
      const int64_t steps = steps_per_one(out.scale), zero = out.zero_point;
      const auto plus = static_cast<int8_t>(std::clamp<int64_t>(zero + steps, -128, 127));
      const auto minus = static_cast<int8_t>(std::clamp<int64_t>(zero - steps, -128, 127));
      unpack(in, y, channels, plus, minus, static_cast<int8_t*>(out.data) + first);
    }
  });
}

}  // namespace lce
