#include "flexmap.h"

#include <cstring>

#include "refusal.h"

namespace lce {
namespace {

constexpr int kTypeInt = 1, kTypeUint = 2, kTypeIndirectInt = 6, kTypeIndirectUint = 7, kTypeMap = 9, kTypeBool = 26;

const char kMalformed[] = "the operator's options are not a well-formed FlexBuffers map";

int64_t sign_extend(uint64_t value, size_t width) {
  const int shift = 64 - 8 * static_cast<int>(width);
  return static_cast<int64_t>(value << shift) >> shift;
}

}  // namespace

FlexMap::FlexMap(const void* bytes, size_t size) : bytes_(static_cast<const uint8_t*>(bytes)), size_(size) {
  require(bytes != nullptr && size >= 3, kMalformed);
  const size_t root_width = bytes_[size - 1];
  const int packed_type = bytes_[size - 2];
  require(packed_type >> 2 == kTypeMap, kMalformed);
  require(size >= 2 + root_width, kMalformed);
  width_ = size_t{1} << (packed_type & 3);
  values_ = back(size - 2 - root_width, root_width);
  require(values_ >= 3 * width_, kMalformed);
  count_ = unsigned_at(values_ - width_, width_);
  key_width_ = unsigned_at(values_ - 2 * width_, width_);
  keys_ = back(values_ - 3 * width_, width_);
  require(count_ <= size / width_, kMalformed);
}

int32_t FlexMap::integer(const char* key, int32_t low, int32_t high) const {
  for (size_t i = 0; i < count_; ++i) {
    if (!key_equals(back(keys_ + i * key_width_, key_width_), key)) continue;
    const int64_t found = value(i);
    if (found < low || found > high)
      throw Refusal("option " + std::string(key) + ": expected " + std::to_string(low) + " to " + std::to_string(high) +
                    ", got " + std::to_string(found));
    return static_cast<int32_t>(found);
  }
  throw Refusal("option " + std::string(key) + " is missing");
}

uint64_t FlexMap::unsigned_at(size_t position, size_t width) const {
  require(width == 1 || width == 2 || width == 4 || width == 8, kMalformed);
  require(position <= size_ && width <= size_ - position, kMalformed);
  uint64_t value = 0;
  std::memcpy(&value, bytes_ + position, width);
  return value;
}

// FlexBuffers refer backwards: the target lies the stored number of bytes before the reference.
size_t FlexMap::back(size_t position, size_t width) const {
  const uint64_t distance = unsigned_at(position, width);
  require(distance <= position, kMalformed);
  return position - distance;
}

bool FlexMap::key_equals(size_t position, const char* key) const {
  const size_t length = std::strlen(key) + 1;
  return length <= size_ - position && std::memcmp(bytes_ + position, key, length) == 0;
}

int64_t FlexMap::value(size_t index) const {
  const size_t position = values_ + index * width_;
  const uint64_t packed_type = unsigned_at(values_ + count_ * width_ + index, 1);
  const size_t own_width = size_t{1} << (packed_type & 3);
  switch (packed_type >> 2) {
    case kTypeInt:
      return sign_extend(unsigned_at(position, width_), width_);
    case kTypeUint:
    case kTypeBool:
      return static_cast<int64_t>(unsigned_at(position, width_));
    case kTypeIndirectInt:
      return sign_extend(unsigned_at(back(position, width_), own_width), own_width);
    case kTypeIndirectUint:
      return static_cast<int64_t>(unsigned_at(back(position, width_), own_width));
    default:
      throw Refusal("an option is not an integer");
  }
}

}  // namespace lce
