// Threads of our own: the runtimes' pools cannot be reached through the C interface.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "trace.h"

namespace lce {

class Pool {
 public:
  explicit Pool(int threads, bool traced = false);  // the caller of `run` is one of them
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  Track* track() const { return tracks_.empty() ? nullptr : tracks_[0].get(); }  // the caller's, if any

  // Calls function(i) for i in [0, tasks), on any thread, and returns when all calls have returned.
  // Functions must not throw. One `run` at a time.
  template <class F>
  void run(int32_t tasks, const F& function) {
    if (workers_.empty() || tasks <= 1) {
      for (int32_t i = 0; i < tasks; ++i) function(i);
      return;
    }
    share(
        tasks, [](const void* f, int32_t i) { (*static_cast<const F*>(f))(i); }, &function);
  }

 private:
  using Call = void (*)(const void* function, int32_t task);

  void share(int32_t tasks, Call call, const void* function);
  void work(uint32_t epoch, size_t thread);
  int32_t claim_all(uint32_t epoch);
  void serve(size_t thread);
  uint32_t wait_for_news(uint32_t known);

  // The job. A worker reads these between two looks at ticket_; they are its job's only if its claim then succeeds.
  std::atomic<Call> call_{nullptr};
  std::atomic<const void*> function_{nullptr};
  std::atomic<int32_t> tasks_{0};
  std::atomic<uint64_t> float_mode_{0};

  std::atomic<uint64_t> ticket_{0};  // epoch of the job, then index of its next task: 32 bits each
  std::atomic<int32_t> done_{0};
  std::atomic<uint32_t> epoch_{0};  // what sleepers wait on: a futex word
  std::atomic<int32_t> sleepers_{0};
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> offered_{0};         // only if traced
  std::vector<std::shared_ptr<Track>> tracks_;  // one per thread, or none
  std::vector<std::thread> workers_;
};

}  // namespace lce
