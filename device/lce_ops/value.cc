#include "value.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace lce {
namespace {

constexpr int64_t kHugePage = 2 * 1024 * 1024;

}  // namespace

void Buffer::resize_zeroed(int64_t bytes, bool pages_may_be_huge) {
  // A whole number of lines, as aligned_alloc wants.
  const int64_t rounded = std::max<int64_t>(64, (bytes + 63) / 64 * 64);
  if (rounded != size_) {
    const bool large = pages_may_be_huge && rounded >= kHugePage;
    const int64_t unit = large ? kHugePage : 64, whole = (rounded + unit - 1) / unit * unit;
    memory_.reset(std::aligned_alloc(static_cast<size_t>(unit), static_cast<size_t>(whole)));
    if (!memory_) throw std::bad_alloc();
    if (large) madvise(memory_.get(), static_cast<size_t>(whole), MADV_HUGEPAGE);
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
