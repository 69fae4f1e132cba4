// Float kernels of one instruction set, for the builtin operators that a partition takes over.
//
// A sum's bits depend on the order of its additions. These add as XNNPACK's kernels do, so that no bit changes when an
// operator is taken from the runtime: a sum begins with the bias, each product is fused with its addition (one rounding),
// and they come one after the other, taps in rows (in columns, if depthwise) and then channels.
#pragma once

#include <cstdint>
#include <string>

namespace lce {

constexpr int kMaxFloatPixels = 8;
constexpr int kMaxTaps = 16;

// Values of the window that lie next to each other, relative to a pixel's first.
struct FloatRun {
  int64_t offset;
  int32_t count;
};

// A panel of a convolution's output channels, padded to whole vectors.
struct FloatPanel {
  const float* weights;  // [values of the window][padded channels]
  const float* bias;     // [padded channels]
  const float* slopes;   // [padded channels], which sums below zero are multiplied by; or null
  int32_t first;         // its first channel's place in an output pixel
  int32_t channels;      // those that exist
  float low, high;       // clamp
};

// Output pixels of a convolution whose windows lie evenly spaced.
struct FloatPixels {
  int64_t pixels;
  const float* in;   // the first value of the first pixel's window
  int64_t in_step;   // from one pixel's window to the next one's
  float* out;        // the panel's first channel of the first pixel
  int64_t out_step;  // from one pixel to the next
  const FloatRun* runs;
  int32_t run_count;
  // What will be read soon, and how many bytes of it to prefetch for each product of a pixel's window.
  const char* ahead;
  int64_t ahead_step;
};

// A row of output pixels of a depthwise convolution with a window of 3x3.
struct DepthwiseRow {
  const float* in[3];  // rows of the image, or of zeros
  int64_t in_step;     // from one pixel to the next
  int32_t width;       // pixels of a row of the image
  int32_t before;      // zeros in front of them
  int32_t stride;
  float* out;
  int64_t out_step;
  int32_t pixels, channels;
  const float* weights;  // of the taps, by columns
  int64_t weights_step;  // from one tap to the next
  const float* bias;
  float low, high;
};

// A few output pixels of a max-pool that lie next to each other.
struct MaxTile {
  int32_t pixels, taps;
  const float* in[kMaxFloatPixels];  // the first value of each pixel's window
  const int64_t* offsets;            // of the taps from there
  const float* const* places;        // instead, [taps][kMaxFloatPixels] taps, where windows overhang the image; or null
  float* out;
  int64_t out_step;  // from one pixel to the next
  int32_t channels;
};

struct FloatIsa {
  int32_t panel_channels, lanes, tile_pixels;
  // Null where XNNPACK adds in another order: then the operator stays with the runtime.
  // Goes to the pixel behind them.
  void (*conv)(const FloatPanel&, FloatPixels&);
  void (*depthwise_row)(const DepthwiseRow&);
  void (*max_tile)(const MaxTile&);
  // Packed, where a channel's value times its factor is below zero.
  void (*signs_of_products)(const float* in, const float* factors, int64_t pixels, int64_t channels, uint32_t* out);
  // Sums, but no less than `least`; `out` may be `left`.
  void (*add)(const float* left, const float* right, int64_t count, float least, float* out);
  void (*multiply)(const float* in, const float* factors, int64_t pixels, int64_t channels, float* out);
};

// The float kernels beside those that `choose_isa` chooses for this name.
const FloatIsa& choose_float_isa(const std::string& kernel);

extern const FloatIsa kFloatPortable;
#if defined(__x86_64__)
extern const FloatIsa kFloatAvx2, kFloatAvx512;
#elif defined(__aarch64__)
extern const FloatIsa kFloatNeon;
#endif

}  // namespace lce
