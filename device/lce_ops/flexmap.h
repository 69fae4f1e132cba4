// Reads integers out of a FlexBuffers map: the form in which an operator's options are stored.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lce {

class FlexMap {
 public:
  // Throws Refusal unless the bytes end in a well-formed root map. The bytes must outlive the map.
  FlexMap(const void* bytes, size_t size);

  // The integer stored under `key`, which must lie in [low, high]; throws Refusal otherwise.
  int32_t integer(const char* key, int32_t low, int32_t high) const;

 private:
  uint64_t unsigned_at(size_t position, size_t width) const;
  size_t back(size_t position, size_t width) const;
  bool key_equals(size_t position, const char* key) const;
  int64_t value(size_t index) const;

  const uint8_t* bytes_;
  size_t size_;
  size_t values_, width_, count_;
  size_t keys_, key_width_;
};

}  // namespace lce
