// Convolutions of signs by the operators' library, whose functions come by their addresses.
#include <cstdint>
#include <cstring>

#include "library.h"

namespace {

constexpr int kDescription = 14;  // numbers of a convolution, see `device/lce_ops/direct.cc`

// A call's numbers.
struct Signs {
  void* (*start)(const int32_t* description, const void* weights, int64_t out_floats, char* problem, size_t size);
  void (*run)(void* state, const float* in, float* out);
  void (*stop)(void* state);
  int64_t out_floats;
  int64_t description[kDescription];
};
static_assert(sizeof(void*) == sizeof(int64_t));

Signs described(const int64_t* numbers) {
  Signs signs;
  std::memcpy(&signs, numbers, sizeof(signs));
  return signs;
}

int64_t one(const floats::Call&) { return 1; }

void run(const floats::Call& call, int64_t, int64_t) {
  described(call.numbers).run(call.state, call.maps[0], call.out);
}

// The weights are bits, which floats hold without being looked at.
void* start(const floats::Call& call) {
  const Signs signs = described(call.numbers);
  int32_t description[kDescription];
  for (int i = 0; i < kDescription; ++i) description[i] = static_cast<int32_t>(signs.description[i]);
  char problem[256] = {};
  return signs.start(description, call.maps[1], signs.out_floats, problem, sizeof(problem));
}

void stop(const int64_t* numbers, void* state) { described(numbers).stop(state); }

}  // namespace

const floats::Function floats::sign_convolution{one, run, 0, start, stop};
