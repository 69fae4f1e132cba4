#include "value.h"

#include <algorithm>
#include <cstring>

namespace lce {

void Buffer::resize_zeroed(int64_t bytes) {
  // A whole number of lines, as aligned_alloc wants.
  const int64_t rounded = std::max<int64_t>(64, (bytes + 63) / 64 * 64);
  if (rounded != size_) {
    memory_.reset(std::aligned_alloc(64, static_cast<size_t>(rounded)));
    if (!memory_) throw std::bad_alloc();
    size_ = rounded;
  }
  std::memset(memory_.get(), 0, static_cast<size_t>(size_));
}

void Border::grow(const Border& o) {
  top = std::max(top, o.top);
  bottom = std::max(bottom, o.bottom);
  left = std::max(left, o.left);
  right = std::max(right, o.right);
}

int64_t size_of(tfl::Type type) { return type == tfl::Type::kFloat32 || type == tfl::Type::kInt32 ? 4 : 1; }

BitImages Value::images() const {
  BitImages images{};
  const bool image = shape.size() == 4;
  images.words = shape.back();
  images.batch = image ? shape[0] : 1;
  images.height = image ? shape[1] : 1;
  images.width = image ? shape[2] : static_cast<int32_t>(elements(Shape(shape.begin(), shape.end() - 1)));
  images.row = (int64_t{border.left} + images.width + border.right) * images.words;
  images.image = checked_product(int64_t{border.top} + images.height + border.bottom, images.row);
  images.first = static_cast<uint32_t*>(data) + border.top * images.row + border.left * images.words;
  return images;
}

int64_t Value::bytes() const {
  if (type != tfl::Type::kInt32) return checked_product(elements(shape), size_of(type));
  const BitImages all = images();
  return 4 * checked_product(all.batch, all.image);
}

}  // namespace lce
