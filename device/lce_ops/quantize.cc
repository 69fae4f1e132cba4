#include "quantize.h"

#include <algorithm>

#include "scale.h"

namespace lce {
namespace {

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

void Quantize::run_rows(const Values& values, Range rows) const {
  const Value& in = values[in_];
  const Rows all = Rows::of(in.shape);
  const BitImages out = values[out_].images();
  const bool image = in.shape.size() == 4;
  for (int64_t row = rows.first; row < rows.last; ++row)
    pack_row(in, row * all.pixels, all.pixels, image ? out.at(row / out.height, row % out.height, 0) : out.at(0, 0, row));
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
