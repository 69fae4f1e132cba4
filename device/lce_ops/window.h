// One axis of a sliding window: where it stands, how far it overhangs the image.
#pragma once

#include <cstdint>
#include <vector>

namespace lce {

enum class Padding : int32_t { kSame = 0, kValid = 1 };

struct Window {
  int32_t in, kernel, stride, dilation;
  int32_t out;     // positions
  int32_t before;  // padding before the image
  int32_t after;   // padding after it

  // Throws Refusal when the window has no position.
  static Window make(int32_t in, int32_t kernel, int32_t stride, int32_t dilation, Padding padding);

  // Taps [first, last) of the window at `position` that lie inside the image.
  struct Inside {
    int32_t first, last;
    bool operator==(const Inside& other) const { return first == other.first && last == other.last; }
  };
  Inside inside(int32_t position) const;
};

// Positions that overhang alike form a class: zero padding's correction is the same for all of them.
struct WindowClasses {
  explicit WindowClasses(const Window& window);
  std::vector<Window::Inside> inside;  // per class
  std::vector<int32_t> of_position;    // class of each output position
};

}  // namespace lce
