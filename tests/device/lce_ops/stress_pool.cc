// Many short jobs from several callers, each with a pool of its own; every task
// must run exactly once.
#include <cstdio>
#include <thread>
#include <vector>

#include "pool.h"

namespace {

bool every_task_runs_once(int threads, int jobs) {
  lce::Pool pool(threads);
  for (int job = 0; job < jobs; ++job) {
    std::vector<int> calls(job % 37,
                           0); // plain ints: the pool must order these accesses
    pool.run(static_cast<int32_t>(calls.size()),
             [&](int32_t task) { ++calls[task]; });
    for (int count : calls)
      if (count != 1)
        return false;
    if (job % 500 == 0)
      std::this_thread::sleep_for(
          std::chrono::milliseconds(2)); // let workers fall asleep
  }
  return true;
}

} // namespace

int main() {
  bool right[4] = {};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back(
        [&, i] { right[i] = every_task_runs_once(i + 1, 5000); });
  for (auto &caller : callers)
    caller.join();
  for (bool each : right)
    if (!each)
      return std::puts("a task did not run exactly once"), 1;
  return 0;
}
