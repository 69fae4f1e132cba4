// Threads of our own: the runtimes' pools cannot be reached through the C interface.
//
// Each thread has a share of a job's tasks, the same share in every job of as many tasks, so that it finds in its caches
// what it wrote a step ago. Who has done their own takes from the shares of the others: nobody waits for a thread that
// is asleep or has lost its core.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "trace.h"

namespace lce {

class Pool {
 public:
  explicit Pool(int32_t threads, bool traced = false);  // the caller of `run` is one of them
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int32_t threads() const { return threads_; }
  Track* track() const { return tracks_.empty() ? nullptr : tracks_[0].get(); }  // the caller's, if any

  // Calls function(i) for i in [0, tasks), on any thread, and returns when all calls have returned.
  // Functions must not throw. One `run` at a time.
  template <class F>
  void run(int32_t tasks, const F& function) {
    if (threads_ == 1 || tasks <= 1) {
      for (int32_t i = 0; i < tasks; ++i) function(i);
      return;
    }
    for (int32_t first = 0; first < tasks; first += kMostTasks) {
      const auto part = [&](int32_t i) { function(first + i); };
      using Part = decltype(part);
      Job job{};
      job.call = [](const void* f, int32_t i) { (*static_cast<const Part*>(f))(i); };
      job.function = &part;
      job.tasks = std::min(tasks - first, kMostTasks);
      share(job);
    }
  }

 private:
  static constexpr int32_t kMostTasks = 1 << 20;  // a job's, so that its share fits into Taken
  using Call = void (*)(const void* function, int32_t task);

  struct Job {
    uint64_t epoch;
    Call call;
    const void* function;
    int32_t tasks;
    uint64_t float_mode;
    int64_t offered;  // when, if traced
  };

  // What threads write often and others read keeps to lines of its own; processors fetch lines in pairs.
  static constexpr size_t kLines = 128;

  // The job, in the line that idle workers watch.
  struct alignas(kLines) Offer {
    std::atomic<uint64_t> epoch{0};  // odd while the rest changes; its lower half is what sleepers wait on
    std::atomic<int32_t> tasks{0};
    std::atomic<Call> call{nullptr};
    std::atomic<const void*> function{nullptr};
    std::atomic<uint64_t> float_mode{0};
    std::atomic<int64_t> offered{0};
  };
  struct alignas(kLines) Count {
    std::atomic<int32_t> value{0};
  };
  // The epoch of the job that last took from a share (44 bits) and how many of its tasks are taken (20 bits). An older
  // epoch means that all of the present job's are still there.
  struct alignas(kLines) Taken {
    std::atomic<uint64_t> value{0};
  };
  struct Board {
    Offer offer;
    Count done, sleepers;
  };
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };

  void share(Job& job);
  void offer(Job& job);
  bool read_offer(Job& job) const;
  void work(const Job& job, int32_t thread);
  int32_t work_off(const Job& job, int32_t owner);
  void serve(int32_t thread);
  void wait_for_news(Job& job);

  const int32_t threads_;
  std::unique_ptr<Board, Free> board_;
  Taken* taken_;  // one for each thread, behind the board
  std::atomic<bool> stop_{false};
  std::vector<std::shared_ptr<Track>> tracks_;  // one per thread, or none
  std::vector<std::thread> workers_;
};

}  // namespace lce
