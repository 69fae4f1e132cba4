// libFuzzer's entry: the options reader must refuse or read any bytes, never
// outside of them.
#include <cstddef>
#include <cstdint>

#include "flexmap.h"
#include "refusal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  try {
    const lce::FlexMap map(bytes, size);
    for (const char *key : {"channels_in", "padding", "stride_width", ""}) {
      try {
        map.integer(key, INT32_MIN, INT32_MAX);
      } catch (const lce::Refusal &) {
      }
    }
  } catch (const lce::Refusal &) {
  }
  return 0;
}
