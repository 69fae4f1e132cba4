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

// A few output pixels of a convolution.
struct FloatTile {
  int32_t pixels;
  const float* in[kMaxFloatPixels];
  float* out[kMaxFloatPixels];  // the pixel's channel 0
  const FloatRun* runs;
  int32_t run_count;
};

// A few output pixels that lie next to each other, each channel made of the same channel of a window.
struct ChannelwiseTile {
  int32_t pixels, taps;
  const float* in[kMaxFloatPixels];  // the first value of each pixel's window
  const int64_t* offsets;            // of the taps from there
  const float* const* places;        // instead, [taps][kMaxFloatPixels] taps, where windows overhang the image; or null
  float* out;
  int32_t channels;
  // Of sums of products.
  const float* weights;  // [taps][channels]
  const float* bias;
  float low, high;
};

struct FloatIsa {
  int32_t panel_channels, lanes, tile_pixels;
  // Null where XNNPACK adds in another order: then the operator stays with the runtime.
  void (*conv_tile)(const FloatPanel&, const FloatTile&);
  void (*depthwise_tile)(const ChannelwiseTile&);
  void (*max_tile)(const ChannelwiseTile&);
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
