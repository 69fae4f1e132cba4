#include "pool.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <climits>
#include <new>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace lce {
namespace {

// Workers stay awake this long after a job, because the next layer's usually follows sooner than a sleeper wakes up.
// They yield meanwhile, since the runtime's own threads may want the core.
constexpr auto kAwake = std::chrono::microseconds(400);

// The next step of a partition follows within microseconds; only then are other threads offered the core.
constexpr int kLooksBeforeYielding = 100;

// The last tasks of a job end within microseconds; the caller gives its core away only if a worker lost its own.
constexpr int kLooksForTheEnd = 20000;

// Futexes instead of std::condition_variable, whose newest symbol is younger than the libstdc++ of many boards. They are
// 32 bits wide: the lower half of the word, on the little endian systems that there are.
void futex_wait(std::atomic<uint64_t>& word, uint64_t expected) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, static_cast<uint32_t>(expected), nullptr,
          nullptr, 0);
}

void futex_wake_all(std::atomic<uint64_t>& word) {
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

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

constexpr int kTakenBits = 20;

uint64_t taken(uint64_t epoch, uint64_t tasks) { return epoch << kTakenBits | tasks; }

}  // namespace

Pool::Pool(int32_t threads, bool traced) : threads_(threads) {
  // Not `new`: aligned ones are younger than the libstdc++ of many boards.
  void* memory = std::aligned_alloc(kLines, sizeof(Board) + sizeof(Taken) * static_cast<size_t>(threads));
  if (!memory) throw std::bad_alloc();
  board_.reset(::new (memory) Board);
  taken_ = reinterpret_cast<Taken*>(board_.get() + 1);
  std::uninitialized_default_construct_n(taken_, threads);
  if (traced) tracks_ = make_tracks(threads);
  for (int32_t i = 1; i < threads; ++i) workers_.emplace_back([this, i] { serve(i); });
}

Pool::~Pool() {
  stop_.store(true);
  Job nothing{};
  offer(nothing);
  for (auto& worker : workers_) worker.join();
}

void Pool::share(Job& job) {
  board_->done.value.store(0, std::memory_order_relaxed);
  job.float_mode = float_mode();
  if (!tracks_.empty()) job.offered = nanoseconds();
  offer(job);
  work(job, 0);
  for (int looks = 0; board_->done.value.load(std::memory_order_acquire) != job.tasks; ++looks)
    if (looks >= kLooksForTheEnd) sched_yield();
}

// Readers that see one of the new fields also see that the epoch has changed.
void Pool::offer(Job& job) {
  Offer& to = board_->offer;
  const uint64_t before = to.epoch.load(std::memory_order_relaxed);
  to.epoch.store(before + 1, std::memory_order_relaxed);
  to.tasks.store(job.tasks, std::memory_order_release);
  to.call.store(job.call, std::memory_order_release);
  to.function.store(job.function, std::memory_order_release);
  to.float_mode.store(job.float_mode, std::memory_order_release);
  to.offered.store(job.offered, std::memory_order_release);
  job.epoch = before + 2;
  to.epoch.store(job.epoch);
  if (board_->sleepers.value.load() > 0) futex_wake_all(to.epoch);
}

// True if there is another job than this one, which it then becomes, whole.
bool Pool::read_offer(Job& job) const {
  const Offer& from = board_->offer;
  const uint64_t epoch = from.epoch.load(std::memory_order_acquire);
  if (epoch == job.epoch || epoch % 2 == 1) return false;
  const Job read{epoch,
                 from.call.load(std::memory_order_acquire),
                 from.function.load(std::memory_order_acquire),
                 from.tasks.load(std::memory_order_acquire),
                 from.float_mode.load(std::memory_order_acquire),
                 from.offered.load(std::memory_order_acquire)};
  if (from.epoch.load(std::memory_order_relaxed) != epoch) return false;
  job = read;
  return true;
}

void Pool::work(const Job& job, int32_t thread) {
  const int64_t started = tracks_.empty() ? 0 : nanoseconds();
  int32_t tasks = 0;
  for (int32_t i = 0; i < threads_; ++i) {
    const int32_t more = work_off(job, (thread + i) % threads_);
    if (more > 0) board_->done.value.fetch_add(more, std::memory_order_release);
    tasks += more;
  }
  if (!tracks_.empty() && tasks > 0) tracks_[static_cast<size_t>(thread)]->add("tasks", -1, started, job.offered, tasks);
}

// Does what is left of a share, and returns how many tasks that were. A thread that comes late, with a job that is over,
// finds its shares empty or taken for a later one.
int32_t Pool::work_off(const Job& job, int32_t owner) {
  const auto start = [&](int64_t of) { return static_cast<int32_t>((job.tasks * of + threads_ - 1) / threads_); };
  const int32_t first = start(owner), size = start(owner + 1) - first;
  std::atomic<uint64_t>& word = taken_[owner].value;
  int32_t did = 0;
  uint64_t seen = word.load(std::memory_order_acquire);
  for (;;) {
    const uint64_t epoch = seen >> kTakenBits;
    const uint64_t next = epoch < job.epoch ? 0 : seen & ((1 << kTakenBits) - 1);
    if (epoch > job.epoch || next >= static_cast<uint64_t>(size)) return did;
    if (!word.compare_exchange_weak(seen, taken(job.epoch, next + 1), std::memory_order_acq_rel)) continue;
    job.call(job.function, first + static_cast<int32_t>(next));
    ++did;
    seen = taken(job.epoch, next + 1);
  }
}

void Pool::serve(int32_t thread) {
  Job job{};
  for (;;) {
    wait_for_news(job);
    if (stop_.load()) return;
    set_float_mode(job.float_mode);
    work(job, thread);
  }
}

void Pool::wait_for_news(Job& job) {
  for (int looks = 0; looks < kLooksBeforeYielding; ++looks) {
    if (read_offer(job)) return;
    pause();
  }
  const auto bedtime = std::chrono::steady_clock::now() + kAwake;
  while (std::chrono::steady_clock::now() < bedtime) {
    if (read_offer(job)) return;
    sched_yield();
  }
  board_->sleepers.value.fetch_add(1);
  while (board_->offer.epoch.load() == job.epoch) futex_wait(board_->offer.epoch, job.epoch);
  board_->sleepers.value.fetch_sub(1);
  while (!read_offer(job)) pause();
}

}  // namespace lce
