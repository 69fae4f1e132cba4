// What each thread did when, for the option trace=1. Without it no clock is read and nothing is kept.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace lce {

// As device/trace.py reads it. Times are nanoseconds of CLOCK_MONOTONIC.
struct Event {
  int64_t started, ended;
  int64_t offered;  // when the tasks were offered to the threads; 0 for anything but tasks
  int32_t pool, thread;
  int32_t node;   // of a step: its place in the model; else -1
  int32_t tasks;  // how many of them this thread did
  char what[16];  // "partition", "tasks", or the name of a step
};

int64_t nanoseconds();

// The events of one thread. They outlive the thread, until somebody takes them.
class Track {
 public:
  Track(int32_t pool, int32_t thread) : pool_(pool), thread_(thread) {}

  void add(const char* what, int32_t node, int64_t started, int64_t offered = 0, int32_t tasks = 0);
  std::vector<Event> take();

 private:
  const int32_t pool_, thread_;
  std::mutex mutex_;
  std::vector<Event> events_;
};

// One track for each thread of a new pool.
std::vector<std::shared_ptr<Track>> make_tracks(int32_t threads);

// Adds an event that lasts as long as itself, if there is a track.
class Span {
 public:
  Span(Track* track, const char* what, int32_t node = -1)
      : track_(track), what_(what), node_(node), started_(track ? nanoseconds() : 0) {}
  ~Span() {
    if (track_) track_->add(what_, node_, started_);
  }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

 private:
  Track* track_;
  const char* what_;
  int32_t node_;
  int64_t started_;
};

}  // namespace lce
