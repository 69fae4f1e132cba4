// A tensor as one partition of the graph sees it.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "bits.h"
#include "refusal.h"
#include "tflite_c.h"

namespace lce {

using Shape = std::vector<int32_t>;

inline int64_t elements(const Shape& shape) {
  int64_t count = 1;
  for (int32_t extent : shape) count = checked_product(count, extent);
  return count;
}

// Zeroed memory whose start suits every vector load.
class Buffer {
 public:
  // Huge pages spare the processor the search for many small ones, and take up to 2 MiB more.
  void resize_zeroed(int64_t bytes, bool pages_may_be_huge = false);
  void* data() const { return memory_.get(); }
  int64_t size() const { return size_; }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> memory_;
  int64_t size_ = 0;
};

// Words of zeros (+1 in every channel) kept around each image, so that windows may overhang it.
struct Border {
  int32_t top = 0, bottom = 0, left = 0, right = 0;

  bool covers(const Border& o) const {
    return top >= o.top && bottom >= o.bottom && left >= o.left && right >= o.right;
  }
  void grow(const Border& o);
};

// Packed rows of a rank 4 tensor (batch, height, width, words), or of any other as (1, 1, rows, words).
struct BitImages {
  uint32_t* first;  // of pixel (0, 0, 0), inside the border
  int32_t batch, height, width;
  int64_t words;
  int64_t row, image;  // distances in words, borders included

  uint32_t* at(int64_t n, int64_t y, int64_t x) const { return first + n * image + y * row + x * words; }
};

struct Value {
  int32_t tensor = -1;  // index in the interpreter
  tfl::Type type = tfl::Type::kNone;
  float scale = 0;
  int32_t zero_point = 0;
  bool outside = false;  // its memory is the runtime's
  bool result = false;   // something outside reads it
  bool constant = false;
  Shape shape;            // follows the partition's inputs; before the first prepare, that of the file
  bool bordered = false;  // may have a border: inside bits that only convolutions read
  Border border;
  int32_t home = -1;  // the value whose memory holds it too, or itself
  void* data = nullptr;

  BitImages images() const;
  int64_t bytes() const;  // border included
};

int64_t size_of(tfl::Type type);

}  // namespace lce
