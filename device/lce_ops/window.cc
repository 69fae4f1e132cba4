#include "window.h"

#include <algorithm>

#include "refusal.h"

namespace lce {

Window Window::make(int32_t in, int32_t kernel, int32_t stride, int32_t dilation, Padding padding) {
  require(in > 0 && kernel > 0, "an image or a filter has no extent");
  const int64_t extent = int64_t{kernel - 1} * dilation + 1;
  const int64_t out =
      padding == Padding::kSame ? (int64_t{in} + stride - 1) / stride : (in >= extent ? (in - extent) / stride + 1 : 0);
  require(out > 0, "the filter is larger than the image, so the output would be empty");
  const int64_t overhang = padding == Padding::kSame ? std::max<int64_t>(0, (out - 1) * stride + extent - in) : 0;
  require(overhang <= kMaxSize, "the filter overhangs the image too far");
  Window window{in, kernel, stride, dilation, static_cast<int32_t>(out), 0, 0};
  window.before = static_cast<int32_t>(overhang / 2);
  window.after = static_cast<int32_t>(overhang - overhang / 2);
  return window;
}

Window::Inside Window::inside(int32_t position) const {
  const int64_t start = int64_t{position} * stride - before;
  const int64_t first = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
  const int64_t last = start >= in ? 0 : (in - 1 - start) / dilation + 1;
  const int64_t clipped = std::min<int64_t>(last, kernel);
  return {static_cast<int32_t>(std::min(first, clipped)), static_cast<int32_t>(clipped)};
}

WindowClasses::WindowClasses(const Window& window) : of_position(window.out) {
  for (int32_t position = 0; position < window.out; ++position) {
    const auto here = window.inside(position);
    // Neighbours mostly look alike, so the search starts from the newest class.
    auto found = std::find(inside.rbegin(), inside.rend(), here);
    if (found == inside.rend()) {
      inside.push_back(here);
      found = inside.rbegin();
    }
    of_position[position] = static_cast<int32_t>(inside.rend() - found) - 1;
  }
}

}  // namespace lce
