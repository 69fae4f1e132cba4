// Marks the few C functions that the library shows.
#pragma once

#define LCE_EXPORT extern "C" __attribute__((visibility("default")))
