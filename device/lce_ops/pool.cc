#include "pool.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <climits>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace lce {
namespace {

// Workers stay awake this long after a job, because the next layer's usually follows sooner than a sleeper wakes up.
// They yield meanwhile, since the runtime's own threads may want the core.
constexpr auto kAwake = std::chrono::microseconds(400);

// The last tasks of a job end within microseconds; the caller gives its core away only if a worker lost its own.
constexpr int kLooksBeforeYielding = 20000;

// Futexes instead of std::condition_variable, whose newest symbol is younger than the libstdc++ of many boards.
void futex_wait(std::atomic<uint32_t>& word, uint32_t expected) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

void futex_wake_all(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

// Rounding and denormal handling belong to a thread; workers take the caller's, so that results do not depend on
// how many threads there are.
#if defined(__x86_64__)
uint64_t float_mode() { return _mm_getcsr(); }
void set_float_mode(uint64_t mode) { _mm_setcsr(static_cast<uint32_t>(mode)); }
#elif defined(__aarch64__)
uint64_t float_mode() {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
void set_float_mode(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#else
uint64_t float_mode() { return 0; }
void set_float_mode(uint64_t) {}
#endif

uint64_t ticket(uint32_t epoch, uint32_t task) { return uint64_t{epoch} << 32 | task; }

}  // namespace

Pool::Pool(int threads, bool traced) {
  if (traced) tracks_ = make_tracks(threads);
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { serve(static_cast<size_t>(i)); });
}

Pool::~Pool() {
  stop_.store(true);
  epoch_.fetch_add(1);
  futex_wake_all(epoch_);
  for (auto& worker : workers_) worker.join();
}

void Pool::share(int32_t tasks, Call call, const void* function) {
  const uint32_t epoch = epoch_.load(std::memory_order_relaxed) + 1;
  call_.store(call, std::memory_order_relaxed);
  function_.store(function, std::memory_order_relaxed);
  tasks_.store(tasks, std::memory_order_relaxed);
  float_mode_.store(float_mode(), std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  if (!tracks_.empty()) offered_.store(nanoseconds(), std::memory_order_relaxed);
  ticket_.store(ticket(epoch, 0), std::memory_order_release);
  epoch_.store(epoch);
  if (sleepers_.load() > 0) futex_wake_all(epoch_);
  work(epoch, 0);
  for (int looks = 0; done_.load(std::memory_order_acquire) != tasks; ++looks)
    if (looks >= kLooksBeforeYielding) sched_yield();
  // Nothing is left to claim, but a worker may still be looking: it must find this epoch over.
  ticket_.store(ticket(epoch, static_cast<uint32_t>(INT_MAX)), std::memory_order_relaxed);
}

void Pool::work(uint32_t epoch, size_t thread) {
  if (tracks_.empty()) {
    claim_all(epoch);
    return;
  }
  const int64_t started = nanoseconds(), offered = offered_.load(std::memory_order_relaxed);
  const int32_t tasks = claim_all(epoch);
  if (tasks > 0) tracks_[thread]->add("tasks", -1, started, offered, tasks);
}

// Returns how many tasks there were for this thread.
int32_t Pool::claim_all(uint32_t epoch) {
  for (int32_t claimed = 0;;) {
    uint64_t seen = ticket_.load(std::memory_order_acquire);
    const Call call = call_.load(std::memory_order_relaxed);
    const void* function = function_.load(std::memory_order_relaxed);
    const int32_t tasks = tasks_.load(std::memory_order_relaxed);
    const uint32_t task = static_cast<uint32_t>(seen);
    if (static_cast<uint32_t>(seen >> 32) != epoch || task >= static_cast<uint32_t>(tasks)) return claimed;
    if (!ticket_.compare_exchange_strong(seen, seen + 1, std::memory_order_acq_rel)) continue;
    call(function, static_cast<int32_t>(task));
    done_.fetch_add(1, std::memory_order_release);
    ++claimed;
  }
}

void Pool::serve(size_t thread) {
  uint32_t epoch = 0;
  for (;;) {
    epoch = wait_for_news(epoch);
    if (stop_.load()) return;
    set_float_mode(float_mode_.load(std::memory_order_relaxed));
    work(epoch, thread);
  }
}

uint32_t Pool::wait_for_news(uint32_t known) {
  const auto bedtime = std::chrono::steady_clock::now() + kAwake;
  while (std::chrono::steady_clock::now() < bedtime) {
    const uint32_t now = epoch_.load();
    if (now != known) return now;
    sched_yield();
  }
  sleepers_.fetch_add(1);
  while (epoch_.load() == known) futex_wait(epoch_, known);
  sleepers_.fetch_sub(1);
  return epoch_.load();
}

}  // namespace lce
