#include "rows.h"

#include <algorithm>

namespace lce {
namespace {

// Less is not worth handing over.
constexpr int64_t kValuesPerTask = 8192;

}  // namespace

Rows Rows::of(const Shape& shape) {
  const int64_t all = elements(shape);
  if (all == 0) return {0, 0, 0};
  if (shape.size() == 4) return {int64_t{shape[0]} * shape[1], shape[2], shape[3]};
  const int64_t channels = shape.empty() ? 1 : shape.back();
  return {all / channels, 1, channels};
}

void RowStep::run(const Values& values, Pool& pool) {
  const Rows all = Rows::of(values[reads()[0]].shape);
  if (all.count == 0) return;
  const int64_t together = std::max<int64_t>(1, kValuesPerTask / all.values());
  pool.run(static_cast<int32_t>((all.count + together - 1) / together), [&](int32_t task) {
    run_rows(values, {task * together, std::min(all.count, (task + 1) * together)});
  });
}

std::vector<Id> RowChain::writes() const {
  std::vector<Id> ids;
  for (const auto& step : steps_)
    for (Id id : step->writes()) ids.push_back(id);
  return ids;
}

void RowChain::prepare(Values& values) {
  for (const auto& step : steps_) step->prepare(values);
}

void RowChain::run_rows(const Values& values, Range rows) const {
  for (int64_t row = rows.first; row < rows.last; ++row)
    for (const auto& step : steps_) step->run_rows(values, {row, row + 1});
}

}  // namespace lce
