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

// Values of the window that lie next to each other, relative to a pixel's first.
struct FloatRun {
  int64_t offset;
  int32_t count;
};

// A panel of a convolution's output channels, padded to whole vectors.
struct FloatPanel {
  const float* weights;  // [values of the window][padded channels]
  const float* bias;     // [padded channels]
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

// A few output pixels of a depthwise convolution, which lie next to each other.
struct DepthwiseTile {
  int32_t pixels, taps;
  const float* const* in;  // [taps][pixels]
  const float* weights;    // [taps][channels]
  const float* bias;
  float* out;
  int32_t channels;
  float low, high;
};

struct FloatIsa {
  int32_t panel_channels, lanes, tile_pixels;
  void (*conv_tile)(const FloatPanel&, const FloatTile&);
  void (*depthwise_tile)(const DepthwiseTile&);
};

// The float kernels beside those that `choose_isa` chooses for this name; null if this CPU's runtimes add in another
// order, so that the operators stay with them.
const FloatIsa* choose_float_isa(const std::string& kernel);

#if defined(__x86_64__)
extern const FloatIsa kFloatAvx2, kFloatAvx512;
#elif defined(__aarch64__)
extern const FloatIsa kFloatNeon;
#endif

}  // namespace lce
