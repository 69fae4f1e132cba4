// Many short jobs from several callers, each with a pool of its own; every task
// must run exactly once, also in pools that live for a few jobs only.
#include <cstdio>
#include <thread>
#include <vector>

#include "pool.h"

namespace {

bool runs_each_once(lce::Pool &pool, int tasks) {
  std::vector<int> calls(tasks, 0); // plain ints: the pool must order these
  pool.run(tasks, [&](int32_t task) { ++calls[task]; });
  for (int count : calls)
    if (count != 1)
      return false;
  return true;
}

bool a_long_life(int threads, int jobs) {
  lce::Pool pool(threads);
  for (int job = 0; job < jobs; ++job) {
    if (!runs_each_once(pool, job % 37))
      return false;
    if (job % 500 == 0)
      std::this_thread::sleep_for(
          std::chrono::milliseconds(2)); // let workers fall asleep
  }
  return true;
}

// More threads than cores, and destroyed while they wake up, spin or sleep.
bool short_lives(int threads, int lives) {
  for (int life = 0; life < lives; ++life) {
    lce::Pool pool(1 + (threads + life) % 9, life % 2 == 0);
    for (int job = 0; job < life % 5; ++job)
      if (!runs_each_once(pool, 1 + (job * 7 + life) % 23))
        return false;
    if (life % 10 == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

} // namespace

int main() {
  bool right[4] = {};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&, i] {
      right[i] = a_long_life(i + 1, 5000) && short_lives(i, 100);
    });
  for (auto &caller : callers)
    caller.join();
  for (bool each : right)
    if (!each)
      return std::puts("a task did not run exactly once"), 1;
  lce::Pool pool(3); // more tasks than one job can have
  return runs_each_once(pool, (1 << 20) + 5) ? 0 : 1;
}
