// One call of a NEON kernel between two functions that a trace is cut at; see arm_model.py. Needs no C library.
//
//     arm_tile KIND CHANNELS      KIND: floats, signs, residual, int8, bits, quantize-floats or quantize-int8
#include "isa.h"

namespace {

constexpr int kMost = 512, kFilter = 3, kPixels = 4;

alignas(64) uint32_t weights[kFilter * kFilter * kMost / 32 * lce::kMaxPanelChannels + lce::kReadAhead];
alignas(64) uint32_t image[kFilter * (kPixels + kFilter) * kMost / 32 * lce::kRepeats + lce::kReadAhead];
alignas(64) float multiplier[lce::kMaxPanelChannels], bias[lce::kMaxPanelChannels], residual[kPixels * kMost];
alignas(64) float out[kPixels * kMost];
alignas(64) int32_t thresholds[lce::kMaxPanelChannels];
alignas(64) uint32_t packed[kMost / 32];

bool same(const char* a, const char* b) {
  while (*a && *a == *b) ++a, ++b;
  return *a == *b;
}

int number(const char* digits) {
  int value = 0;
  while (*digits) value = 10 * value + *digits++ - '0';
  return value;
}

[[noreturn]] void leave(int status) {
  register long code asm("x0") = status, call asm("x8") = 93;
  asm volatile("svc 0" : : "r"(code), "r"(call));
  __builtin_unreachable();
}

}  // namespace

extern "C" {

__attribute__((noinline)) void traced_begin() { asm volatile(""); }
__attribute__((noinline)) void traced_end() { asm volatile(""); }

// What compilers may call.
void* memset(void* to, int value, size_t size) {
  for (volatile char* byte = static_cast<char*>(to); size--;) *byte++ = static_cast<char>(value);
  return to;
}
void* memcpy(void* to, const void* from, size_t size) {
  volatile char* byte = static_cast<char*>(to);
  for (const char* source = static_cast<const char*>(from); size--;) *byte++ = *source++;
  return to;
}

// A tile of four pixels and one panel in the middle of a 3x3 convolution with as many channels in as out.
[[noreturn]] __attribute__((used)) void start(const long* stack) {
  if (stack[0] != 3) leave(2);
  const char* const kind = reinterpret_cast<const char*>(stack[2]);
  const int channels = number(reinterpret_cast<const char*>(stack[3])), words = channels / 32;
  if (channels % 32 || channels < 32 || channels > kMost) leave(2);
  if (same(kind, "quantize-floats") || same(kind, "quantize-int8")) {
    traced_begin();
    if (same(kind, "quantize-floats"))
      lce::kNeon.signs_of_floats(residual, words, packed);
    else
      lce::kNeon.below_int8(reinterpret_cast<const int8_t*>(residual), words, 3, packed);
    traced_end();
    leave(0);
  }
  lce::Run runs[kFilter];
  for (int y = 0; y < kFilter; ++y)
    runs[y] = {y * (kPixels + kFilter) * words * lce::kNeon.repeat, kFilter * words};
  lce::Panel panel{};
  panel.weights = weights, panel.runs = runs, panel.run_count = kFilter;
  panel.channels = lce::kNeon.panel_channels, panel.out_channels = channels;
  panel.output = same(kind, "int8")   ? lce::Output::kInt8
                 : same(kind, "bits") ? lce::Output::kBits
                                      : lce::Output::kFloat;
  panel.high = kFilter * kFilter * channels;  // a ReLU's
  panel.multiplier = multiplier, panel.bias = bias, panel.table = thresholds, panel.table_row = channels;
  panel.take_signs = same(kind, "signs") || same(kind, "residual");
  lce::Tile tile{};
  tile.pixels = kPixels, tile.out = out, tile.residual = same(kind, "residual") ? residual : nullptr;
  for (int p = 0; p < kPixels; ++p) tile.in[p] = image + p * words * lce::kNeon.repeat;
  traced_begin();
  lce::kNeon.conv_tile(panel, tile);
  traced_end();
  leave(0);
}

}  // extern "C"

asm(".globl _start\n"
    "_start:\n"
    "mov x0, sp\n"
    "b start\n");
