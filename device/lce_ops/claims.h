// Which nodes of a graph the delegate takes.
#pragma once

#include <vector>

#include "partition.h"

namespace lce {

// Their indices, behind their number: a vector whose first element is the size has the layout of TFLite's IntArray.
// Throws Refusal, also where the runtime's structures are not as this library knows them.
std::vector<int32_t> nodes_to_claim(tfl::Context* context, const Settings& settings);

}  // namespace lce
