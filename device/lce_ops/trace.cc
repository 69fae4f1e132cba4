#include "trace.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "export.h"

namespace lce {
namespace {

// A thread that nobody reads stops here: about 5 MB.
constexpr size_t kMostEvents = 1 << 16;

struct Registry {
  std::mutex mutex;
  int32_t pools = 0;
  std::vector<std::shared_ptr<Track>> tracks;
};

Registry& registry() {
  static Registry& everything = *new Registry;  // never destroyed: threads may outlive what main leaves behind
  return everything;
}

}  // namespace

int64_t nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Track::add(const char* what, int32_t node, int64_t started, int64_t offered, int32_t tasks) {
  Event event{started, nanoseconds(), offered, pool_, thread_, node, tasks, {}};
  std::strncpy(event.what, what, sizeof event.what - 1);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (events_.size() < kMostEvents) events_.push_back(event);
}

std::vector<Event> Track::take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Event> taken;
  taken.swap(events_);
  return taken;
}

std::vector<std::shared_ptr<Track>> make_tracks(int32_t threads) {
  Registry& all = registry();
  const std::lock_guard<std::mutex> lock(all.mutex);
  std::vector<std::shared_ptr<Track>> tracks;
  for (int32_t thread = 0; thread < threads; ++thread) tracks.push_back(std::make_shared<Track>(all.pools, thread));
  ++all.pools;
  all.tracks.insert(all.tracks.end(), tracks.begin(), tracks.end());
  return tracks;
}

}  // namespace lce

// Hands all events kept so far to `receive`, a batch per thread, and forgets them. Call it between two inferences.
LCE_EXPORT void lce_trace_take(void (*receive)(const lce::Event* events, int64_t count)) {
  lce::Registry& all = lce::registry();
  const std::lock_guard<std::mutex> lock(all.mutex);
  for (const auto& track : all.tracks) {
    const std::vector<lce::Event> events = track->take();
    if (!events.empty()) receive(events.data(), static_cast<int64_t>(events.size()));
  }
  // Nobody can add to a track that only the registry holds.
  all.tracks.erase(std::remove_if(all.tracks.begin(), all.tracks.end(),
                                  [](const std::shared_ptr<lce::Track>& track) { return track.use_count() == 1; }),
                   all.tracks.end());
}
