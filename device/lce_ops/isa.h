// What a kernel for one instruction set offers. Everything above this interface is ordinary portable C++.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace lce {

constexpr int kMaxTilePixels = 8;
constexpr int kMaxPanelChannels = 32;
constexpr int kRepeats = 4;
// Bytes behind the weights, and behind an input of repeated words, that a kernel may read and does not use.
constexpr int64_t kReadAhead = 64;

// Activation words that lie next to each other, relative to a pixel's first word.
struct Run {
  int64_t offset;  // in memory, so with repeats
  int32_t words;
};

enum class Output : int32_t { kFloat, kInt8, kBits };

// Zero padding's correction: none, an int32 inside the clamp, or a float added after the bias.
enum class Correction : int32_t { kNone, kInsideClamp, kAfterBias };

// One panel of output channels: its weights, and how its counts of differing bits become outputs.
// All arrays are padded to the panel's full width.
struct Panel {
  const uint32_t* weights;  // [words of the runs][channels of a full panel]
  const Run* runs;
  int32_t run_count;
  int32_t first;     // its first channel's place in an output pixel
  int64_t out_channels;  // of an output pixel, and so the distance to the next
  int32_t channels;  // those that exist; the rest of the panel is padding
  Output output;
  Correction correction;
  int32_t low, high;  // clamp of twice the count
  const float* multiplier;
  const float* bias;
  const void* table;  // int32 thresholds (bits) or corrections (int32 or float), one row per border class
  int64_t table_row;  // its row length in elements
  bool take_signs;    // also write the signs of float outputs
  bool relu_sum;      // no sum with a residual is below zero
};

// A few output pixels of one panel.
struct Tile {
  int32_t pixels;
  const uint32_t* in[kMaxTilePixels];
  void* out;                       // the first pixel's channel 0, the others follow it; null: not stored
  const float* residual;           // the same; null: nothing is added
  int32_t border[kMaxTilePixels];  // row of the panel's table, if it has one
  uint32_t bits[kMaxTilePixels];   // written: bit c set if channel c is -1
};

struct Isa {
  const char* name;
  int32_t panel_channels;
  int32_t tile_pixels;
  int32_t max_run_words;  // counters overflow beyond this
  int32_t repeat;         // copies of each activation word that lie next to each other in a tile's input: 1 or kRepeats
  void (*conv_tile)(const Panel&, Tile&);
  void (*signs_of_floats)(const float* in, int64_t blocks, uint32_t* out);            // blocks of 32 values
  void (*below_int8)(const int8_t* in, int64_t blocks, int8_t bound, uint32_t* out);  // bit: value < bound
};

// The named kernels, or the fastest that this CPU runs for "auto". Throws Refusal with the names that it does run.
const Isa& choose_isa(const std::string& name);

extern const Isa kPortable;
#if defined(__x86_64__)
extern const Isa kAvx2;
extern const Isa kAvx512;
#elif defined(__aarch64__)
extern const Isa kNeon;
#endif

}  // namespace lce
