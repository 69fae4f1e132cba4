// What steps have in common that slide a window over images of floats: where it stands, a few output rows at a time.
#pragma once

#include "float_isa.h"
#include "step.h"
#include "tflite_c.h"
#include "window.h"

namespace lce {

struct Slide {
  int32_t padding, stride_height, stride_width;  // as TFLite has them
};

// A part of the channels of pixels.
struct Strip {
  float* to;            // the first of the channels, of the first pixel
  int64_t step;         // from one pixel to the next
  int32_t first, last;  // channels
};

class FloatWindow : public Step {
 public:
  std::vector<Id> reads() const override { return {in_}; }
  std::vector<Id> writes() const override { return {out_}; }
  Id in() const { return in_; }
  Id out() const { return out_; }

 protected:
  FloatWindow(const FloatIsa& isa, const Slide& slide, Id in, Id out) : isa_(isa), slide_(slide), in_(in), out_(out) {}

  // Sets the windows; returns the output's shape.
  Shape slide(const Value& in, int32_t filter_height, int32_t filter_width, int32_t out_channels);

  int64_t rows() const { return pixels_ / horizontal_.out; }
  // The input rows that output row `row` reads, both counted over all images.
  Range rows_read(int64_t row) const;

  // An output pixel, and where its window stands on the image, which it may overhang.
  class Place {
   public:
    Place(const FloatWindow& window, int64_t pixel);
    // To the next pixel.
    void advance() {
      left_ += stride_;
      offset_ += jump_;
      if (--left_in_row_ == 0) start_row();
    }
    bool is_inside() const { return left_ >= first_inside_ && left_ <= last_inside_; }
    // From here on in this row, whose windows are inside the image.
    int64_t inside() const { return is_inside() ? std::min(left_in_row_, (last_inside_ - left_) / stride_ + 1) : 0; }
    // So many pixels from here on are in one row, and all their windows inside the image.
    bool are_inside(int32_t pixels) const {
      return pixels < left_in_row_ && left_ >= first_inside_ && left_ + (pixels - 1) * stride_ <= last_inside_;
    }
    void advance(int64_t pixels) {
      left_ += pixels * stride_;
      offset_ += pixels * jump_;
      left_in_row_ -= pixels;
      if (left_in_row_ == 0) start_row();
    }
    int64_t jump() const { return jump_; }  // from one pixel's window to the next one's
    // Distance of the window's first value from the input's; outside the image, the one that it would have.
    int64_t offset() const { return offset_; }
    // The window's taps inside the image.
    Window::Inside rows() const;
    Window::Inside columns() const;
    // The tap inside the image that is nearest to (y, x), as its distance from the window's first.
    int64_t nearest(int64_t y, int64_t x) const;

   private:
    void start_row();

    const FloatWindow& window_;
    int64_t row_, top_;
    int64_t left_, offset_, left_in_row_, stride_, jump_;
    int64_t first_inside_, last_inside_;  // of a window on this row
  };

  // The next pixels' windows, up to so many: all inside the image, or all not. Goes to the pixel behind them.
  struct Stand {
    int32_t pixels;
    bool inside;
  };
  static Stand stand(Place& place, const float* in, int32_t most, const float** windows);

  const FloatIsa& isa_;
  Slide slide_;
  Id in_, out_;
  Window vertical_{}, horizontal_{};
  int32_t in_channels_ = 0, out_channels_ = 0;
  int64_t pixels_ = 0;
  int64_t in_row_ = 0;  // values of an input row
};

// What can make a part of its output at a time.
class StripWindow : public FloatWindow {
 public:
  // Makes these channels of output pixels, counted over all rows of all images.
  virtual void run_strip(const float* in, Range pixels, const Strip& strip) const = 0;

 protected:
  using FloatWindow::FloatWindow;
};

}  // namespace lce
