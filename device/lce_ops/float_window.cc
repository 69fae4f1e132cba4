#include "float_window.h"

#include <algorithm>

namespace lce {

Shape FloatWindow::slide(const Value& in, int32_t filter_height, int32_t filter_width, int32_t out_channels) {
  require(in.type == tfl::Type::kFloat32 && in.shape.size() == 4, "the input must be float32 with four dimensions");
  const Padding padding = slide_.padding == tfl::kPaddingSame ? Padding::kSame : Padding::kValid;
  vertical_ = Window::make(in.shape[1], filter_height, slide_.stride_height, 1, padding);
  horizontal_ = Window::make(in.shape[2], filter_width, slide_.stride_width, 1, padding);
  in_channels_ = in.shape[3];
  out_channels_ = out_channels;
  const Shape shape = {in.shape[0], vertical_.out, horizontal_.out, out_channels};
  elements(in.shape);
  elements(shape);
  pixels_ = int64_t{shape[0]} * shape[1] * shape[2];
  in_row_ = int64_t{in.shape[2]} * in.shape[3];
  return shape;
}

Range FloatWindow::rows_read(int64_t row) const {
  const auto y = static_cast<int32_t>(row % vertical_.out);
  const int64_t top = row / vertical_.out * vertical_.in + int64_t{y} * vertical_.stride - vertical_.before;
  const auto taps = vertical_.inside(y);
  return {top + taps.first, top + taps.last};
}

FloatWindow::Place::Place(const FloatWindow& window, int64_t pixel)
    : window_(window),
      row_(pixel / window.horizontal_.out - 1),
      stride_(window.horizontal_.stride),
      jump_(stride_ * window.in_channels_) {
  start_row();
  const int64_t x = pixel % window.horizontal_.out;
  left_ += x * stride_;
  offset_ += x * jump_;
  left_in_row_ -= x;
}

void FloatWindow::Place::start_row() {
  ++row_;
  const Window &vertical = window_.vertical_, &horizontal = window_.horizontal_;
  top_ = row_ % vertical.out * vertical.stride - vertical.before;
  left_ = -horizontal.before;
  left_in_row_ = horizontal.out;
  offset_ = (row_ / vertical.out * vertical.in + top_) * window_.in_row_ + left_ * window_.in_channels_;
  const bool inside = top_ >= 0 && top_ + vertical.kernel <= vertical.in;
  first_inside_ = 0;
  last_inside_ = inside ? int64_t{horizontal.in} - horizontal.kernel : -1;
}

Window::Inside FloatWindow::Place::rows() const {
  return window_.vertical_.inside(static_cast<int32_t>(row_ % window_.vertical_.out));
}

Window::Inside FloatWindow::Place::columns() const {
  return window_.horizontal_.inside(window_.horizontal_.out - static_cast<int32_t>(left_in_row_));
}

int64_t FloatWindow::Place::nearest(int64_t y, int64_t x) const {
  const int64_t row = std::clamp<int64_t>(top_ + y, 0, window_.vertical_.in - 1) - top_;
  const int64_t column = std::clamp<int64_t>(left_ + x, 0, window_.horizontal_.in - 1) - left_;
  return row * window_.in_row_ + column * window_.in_channels_;
}

FloatWindow::Stand FloatWindow::stand(Place& place, const float* in, int32_t most, const float** windows) {
  if (place.are_inside(most)) {
    const float* window = in + place.offset();
    for (int32_t p = 0; p < most; ++p) windows[p] = window + p * place.jump();
    place.advance(most);
    return {most, true};
  }
  const bool inside = place.is_inside();
  int32_t pixels = 0;
  for (; pixels < most && place.is_inside() == inside; ++pixels, place.advance()) windows[pixels] = in + place.offset();
  return {pixels, inside};
}

}  // namespace lce
