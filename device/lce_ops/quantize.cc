#include "quantize.h"

#include <algorithm>

#include "scale.h"

namespace lce {
namespace {

// Less is not worth handing over.
constexpr int64_t kValuesPerTask = 8192;

template <class T, class F>
uint32_t bits_where(const T* in, int64_t count, F negative) {
  uint32_t bits = 0;
  for (int64_t i = 0; i < count; ++i) bits |= static_cast<uint32_t>(negative(in[i])) << i;
  return bits;
}

void false_booleans(const uint8_t* in, int64_t blocks, uint32_t* out) {
  for (int64_t b = 0; b < blocks; ++b)
    out[b] = bits_where(in + b * kWordBits, kWordBits, [](uint8_t x) { return x == 0; });
}

}  // namespace

void Quantize::fuse_scale(Id in, Id factors) {
  in_ = in;
  factors_ = factors;
}

void Quantize::prepare(Values& values) {
  const Value& in = values[in_];
  Value& out = values[out_];
  require(in.type == tfl::Type::kFloat32 || in.type == tfl::Type::kInt8 || in.type == tfl::Type::kBool,
          "the input must be float32, int8 or bool");
  require(out.type == tfl::Type::kInt32, "the output must be int32");
  require(!in.shape.empty(), "the input must have at least one dimension");
  elements(in.shape);
  if (has_scale()) by_channel_ = Scale::factors(values[factors_], in.shape.back());
  out.shape = in.shape;
  out.shape.back() = static_cast<int32_t>(words(in.shape.back()));
}

void Quantize::run(const Values& values, Pool& pool) {
  const Value& in = values[in_];
  const BitImages out = values[out_].images();
  const int64_t channels = in.shape.back();
  const int64_t rows = int64_t{out.batch} * out.height;
  if (rows == 0 || out.width == 0 || channels == 0) return;
  const int64_t rows_per_task = std::max<int64_t>(1, kValuesPerTask / (channels * out.width));
  pool.run(static_cast<int32_t>((rows + rows_per_task - 1) / rows_per_task), [&](int32_t task) {
    const int64_t last = std::min(rows, (task + 1) * rows_per_task);
    for (int64_t row = task * rows_per_task; row < last; ++row)
      pack_row(in, row * out.width, out.width, out.at(row / out.height, row % out.height, 0));
  });
}

void Quantize::pack_row(const Value& in, int64_t first_pixel, int64_t pixels, uint32_t* out) const {
  const int64_t channels = in.shape.back();
  if (has_scale())
    return floats_.signs_of_products(static_cast<const float*>(in.data) + first_pixel * channels, by_channel_.data(),
                                     pixels, channels, out);
  if (channels % kWordBits == 0) return pack(in, first_pixel * channels, pixels * channels, out);
  for (int64_t pixel = 0; pixel < pixels; ++pixel)
    pack(in, (first_pixel + pixel) * channels, channels, out + pixel * words(channels));
}

void Quantize::pack(const Value& in, int64_t first, int64_t count, uint32_t* out) const {
  const int64_t blocks = count / kWordBits, rest = count % kWordBits;
  const int64_t tail = first + blocks * kWordBits;
  if (in.type == tfl::Type::kFloat32) {
    const float* data = static_cast<const float*>(in.data);
    isa_.signs_of_floats(data + first, blocks, out);
    if (rest) out[blocks] = bits_where(data + tail, rest, [](float x) { return x < 0; });
  } else if (in.type == tfl::Type::kBool) {
    const uint8_t* data = static_cast<const uint8_t*>(in.data);
    false_booleans(data + first, blocks, out);
    if (rest) out[blocks] = bits_where(data + tail, rest, [](uint8_t x) { return x == 0; });
  } else {
    const int8_t* data = static_cast<const int8_t*>(in.data);
    const int32_t bound = in.zero_point;
    if (bound > 127)
      std::fill(out, out + blocks, ~uint32_t{0});
    else
      isa_.below_int8(data + first, blocks, static_cast<int8_t>(std::max(bound, -128)), out);
    if (rest) out[blocks] = bits_where(data + tail, rest, [=](int8_t x) { return x < bound; });
  }
}

}  // namespace lce
