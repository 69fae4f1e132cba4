#include "conv.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "add.h"

namespace lce {
namespace {

constexpr int32_t kAny = INT32_MAX;
constexpr int kRelu = 1, kReluN1To1 = 2, kRelu6 = 3;

// Panels that stay in the first level of cache while the pixels pass by.
constexpr int64_t kHotPanelBytes = 16 * 1024;
// More tasks than threads, so that a late thread does not hold up the others, but none so small that its last tile, which
// may have fewer pixels, counts.
constexpr int64_t kTasksPerThread = 16, kTilesPerTask = 2;

void require_floats(const Value& value, int32_t count, const char* sentence) {
  require(value.constant && value.type == tfl::Type::kFloat32 && value.shape == Shape{count}, sentence);
}

int32_t as_bits(float value) {
  int32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// The threshold on the count alone that decides as `2 * count + correction > 2 * threshold` does.
int32_t corrected_threshold(int32_t threshold, int32_t correction) {
  const int64_t doubled = 2 * int64_t{threshold} - correction;
  return static_cast<int32_t>(std::clamp<int64_t>(doubled >> 1, INT32_MIN, INT32_MAX));
}

}  // namespace

ConvOptions ConvOptions::read(const FlexMap& map) {
  ConvOptions o;
  o.channels_in = map.integer("channels_in", 1, kMaxSize);
  o.stride_height = map.integer("stride_height", 1, kAny);
  o.stride_width = map.integer("stride_width", 1, kAny);
  o.dilation_height = map.integer("dilation_height_factor", 1, kAny);
  o.dilation_width = map.integer("dilation_width_factor", 1, kAny);
  o.padding = static_cast<Padding>(map.integer("padding", 0, 1));
  o.pad_value = map.integer("pad_values", 0, 1);
  o.activation = map.integer("fused_activation_function", 0, kAny);
  return o;
}

Conv::Conv(const Isa& isa, const ConvOptions& options, const ConvOperands& operands, const Values& values)
    : isa_(isa), operands_(operands), options_(options) {
  switch (values[operands.out].type) {
    case tfl::Type::kFloat32:
      output_ = Output::kFloat;
      break;
    case tfl::Type::kInt8:
      output_ = Output::kInt8;
      break;
    case tfl::Type::kInt32:
      output_ = Output::kBits;
      break;
    default:
      throw Refusal("the output must be float32, int8 or int32");
  }
}

std::vector<Id> Conv::reads() const {
  std::vector<Id> ids = {operands_.in};
  if (residual_ != kNoValue) ids.push_back(residual_);
  return ids;
}

std::vector<Id> Conv::writes() const {
  std::vector<Id> ids;
  if (keep_floats_) ids.push_back(operands_.out);
  if (signs_ != kNoValue) ids.push_back(signs_);
  return ids;
}

void Conv::fuse_add(Id residual, Id sum, bool relu) {
  residual_ = residual;
  relu_sum_ = relu;
  operands_.out = sum;
}

void Conv::fuse_quantize(Id signs, bool keep_floats) {
  signs_ = signs;
  keep_floats_ = keep_floats;
}

// ---------------------------------------------------------------------------------------------------- prepare

bool Conv::Geometry::operator==(const Geometry& o) const {
  return batch == o.batch && height == o.height && width == o.width && filter_height == o.filter_height &&
         filter_width == o.filter_width && out_channels == o.out_channels && groups == o.groups &&
         group_words == o.group_words && products == o.products;
}

void Conv::prepare(Values& values) {
  check_operands(values);
  const Geometry now = geometry(values);
  const Value& weights = values[operands_.weights];
  if (!(now == geometry_) || weights.data != packed_from_) {
    packed_from_ = nullptr;  // should packing fail, the next prepare packs again
    const ConvOptions& o = options_;
    vertical_ = Window::make(now.height, now.filter_height, o.stride_height, o.dilation_height, o.padding);
    horizontal_ = Window::make(now.width, now.filter_width, o.stride_width, o.dilation_width, o.padding);
    geometry_ = now;
    set_clamp();
    place_panels();
    pack_weights(static_cast<const uint32_t*>(weights.data));
    pack_scales(values);
    pack_table(values);
    packed_from_ = weights.data;
  }
  set_output_shape(values);
  ready_.clear();

  Value& in = values[operands_.in];
  if (in.bordered && isa_.repeat == 1) in.border.grow(needed_border());
  if (needs_copy(in)) copied_.resize_zeroed(copied_input(in).bytes() + kReadAhead);
}

bool Conv::needs_copy(const Value& in) const { return isa_.repeat > 1 || !in.border.covers(needed_border()); }

// The input as the kernel wants it: with a border and repeated words.
Value Conv::copied_input(const Value& in) const {
  Value copy = in;
  copy.border = needed_border();
  copy.shape[3] = static_cast<int32_t>(checked_product(in.shape[3], isa_.repeat));
  copy.data = copied_.data();
  return copy;
}

void Conv::check_operands(const Values& values) const {
  const Value &in = values[operands_.in], &weights = values[operands_.weights];
  require(in.type == tfl::Type::kInt32 && in.shape.size() == 4, "the input must be int32 with four dimensions");
  require(weights.constant && weights.type == tfl::Type::kInt32 && weights.shape.size() == 4,
          "the weights must be constant int32 with four dimensions");
  elements(in.shape);
  require(elements(weights.shape) > 0 && elements(in.shape) > 0, "the input or the weights are empty");
  const int32_t out_channels = weights.shape[0];
  if (output_ == Output::kBits) {
    require(operands_.thresholds != kNoValue, "a convolution with bits as output needs thresholds");
    const Value& thresholds = values[operands_.thresholds];
    require(thresholds.constant && thresholds.type == tfl::Type::kInt32 && thresholds.shape == Shape{out_channels},
            "the thresholds must be constant int32, one per output channel");
  } else {
    require(operands_.multiplier != kNoValue && operands_.bias != kNoValue,
            "a convolution with numbers as output needs a multiplier and a bias");
    require_floats(values[operands_.multiplier], out_channels,
                   "the multiplier must be constant float32, one per output channel");
    require_floats(values[operands_.bias], out_channels, "the bias must be constant float32, one per output channel");
    require(output_ != Output::kInt8 || values[operands_.out].scale > 0, "the int8 output needs a positive scale");
  }
}

Conv::Geometry Conv::geometry(const Values& values) const {
  const Shape &in = values[operands_.in].shape, &weights = values[operands_.weights].shape;
  Geometry g;
  g.batch = in[0];
  g.height = in[1];
  g.width = in[2];
  g.out_channels = weights[0];
  g.filter_height = weights[1];
  g.filter_width = weights[2];
  g.group_words = weights[3];
  require(in[3] == words(options_.channels_in), "the input's last dimension does not hold channels_in bits");
  require(in[3] % g.group_words == 0, "the input's words do not divide into groups of the weights' words");
  g.groups = static_cast<int32_t>(in[3] / g.group_words);
  require(options_.channels_in % g.groups == 0, "the input channels do not divide into the groups");
  const int32_t group_channels = options_.channels_in / g.groups;
  require(g.groups == 1 || group_channels % kWordBits == 0, "the channels of a group are not a multiple of 32");
  require(g.out_channels % g.groups == 0, "the output channels do not divide into the groups");
  const int64_t taps = checked_product(g.filter_height, g.filter_width);
  checked_product(taps, g.group_words * kWordBits);
  g.products = static_cast<int32_t>(checked_product(taps, group_channels));
  return g;
}

bool Conv::zero_padded() const {
  return options_.padding == Padding::kSame && options_.pad_value == 0 &&
         (vertical_.before || vertical_.after || horizontal_.before || horizontal_.after);
}

Border Conv::needed_border() const {
  return {vertical_.before, vertical_.after, horizontal_.before, horizontal_.after};
}

// The activation clamps the sum of products K - 2 * count; here that is a clamp of 2 * count.
void Conv::set_clamp() {
  const int32_t k = geometry_.products;
  int32_t lowest = -k, highest = k;
  if (options_.activation == kRelu) lowest = 0;
  if (options_.activation == kReluN1To1) lowest = -1, highest = 1;
  if (options_.activation == kRelu6) lowest = 0, highest = std::min(6, k);
  low_ = k - highest;
  high_ = k - lowest;
}

void Conv::place_panels() {
  panels_.clear();
  const int32_t per_group = geometry_.out_channels / geometry_.groups;
  for (int32_t group = 0; group < geometry_.groups; ++group)
    for (int32_t first = 0; first < per_group; first += isa_.panel_channels)
      panels_.push_back({group, group * per_group + first, std::min(isa_.panel_channels, per_group - first)});
}

void Conv::pack_weights(const uint32_t* weights) {
  const int64_t filter_words =
      geometry_.products == 0 ? 0 : int64_t{geometry_.filter_height} * geometry_.filter_width * geometry_.group_words;
  const int64_t width = isa_.panel_channels, panel_words = filter_words * width;
  weights_.resize_zeroed(4 * checked_product(static_cast<int64_t>(panels_.size()), panel_words) + kReadAhead);
  uint32_t* to = static_cast<uint32_t*>(weights_.data());
  for (const PanelPlace& place : panels_) {
    for (int32_t c = 0; c < place.channels; ++c) {
      const uint32_t* filter = weights + (place.first_channel + c) * filter_words;
      for (int64_t word = 0; word < filter_words; ++word) to[word * width + c] = filter[word];
    }
    to += panel_words;
  }
}

void Conv::pack_scales(const Values& values) {
  const size_t lanes = panels_.size() * isa_.panel_channels;
  multiplier_.assign(lanes, 0.0f);
  bias_.assign(lanes, 0.0f);
  if (output_ == Output::kBits) return;
  const float* multiplier = static_cast<const float*>(values[operands_.multiplier].data);
  const float* bias = static_cast<const float*>(values[operands_.bias].data);
  const Value& out = values[operands_.out];
  const double scale = output_ == Output::kInt8 ? out.scale : 1.0,
               zero = output_ == Output::kInt8 ? out.zero_point : 0.0;
  for (size_t p = 0; p < panels_.size(); ++p)
    for (int32_t c = 0; c < panels_[p].channels; ++c) {
      const int32_t channel = panels_[p].first_channel + c;
      const double m = multiplier[channel], b = bias[channel];
      multiplier_[p * isa_.panel_channels + c] = static_cast<float>(-m / scale);
      bias_[p * isa_.panel_channels + c] = static_cast<float>((b + geometry_.products * m) / scale + zero);
    }
}

// One row per border class: the thresholds of a convolution that writes bits, or zero padding's corrections.
void Conv::pack_table(const Values& values) {
  table_.clear();
  correction_ = Correction::kNone;
  column_classes_ = 1;
  row_class_.assign(vertical_.out, output_ == Output::kBits ? 0 : -1);
  column_class_.assign(horizontal_.out, 0);
  int64_t classes = output_ == Output::kBits ? 1 : 0;
  if (zero_padded()) {
    const WindowClasses rows(vertical_), columns(horizontal_);
    row_class_ = rows.of_position;
    column_class_ = columns.of_position;
    column_classes_ = static_cast<int32_t>(columns.inside.size());
    classes = checked_product(static_cast<int64_t>(rows.inside.size()), column_classes_);
    const bool plain_floats = output_ == Output::kFloat && low_ == 0 && high_ == 2 * geometry_.products;
    correction_ = plain_floats ? Correction::kAfterBias : Correction::kInsideClamp;
  }
  const int64_t lanes = static_cast<int64_t>(panels_.size()) * isa_.panel_channels;
  table_.assign(checked_product(classes, lanes), output_ == Output::kBits ? INT32_MAX : 0);
  for (size_t p = 0; p < panels_.size(); ++p)
    for (int32_t c = 0; c < panels_[p].channels; ++c) {
      const int32_t channel = panels_[p].first_channel + c;
      std::vector<int32_t> corrections(classes, 0);
      if (zero_padded())
        corrections = border_corrections(static_cast<const uint32_t*>(values[operands_.weights].data), channel);
      for (int64_t i = 0; i < classes; ++i) {
        int32_t& entry = table_[i * lanes + p * isa_.panel_channels + c];
        if (output_ == Output::kBits)
          entry = corrected_threshold(static_cast<const int32_t*>(values[operands_.thresholds].data)[channel],
                                      corrections[i]);
        else if (correction_ == Correction::kAfterBias)
          entry = as_bits(-static_cast<const float*>(values[operands_.multiplier].data)[channel] *
                          static_cast<float>(corrections[i]));
        else
          entry = corrections[i];
      }
    }
}

// What the taps outside the image add to one channel's sum, per border class. Sums over the inside are rectangles of
// taps, so a summed-area table gives each class at once.
std::vector<int32_t> Conv::border_corrections(const uint32_t* weights, int32_t channel) const {
  const int32_t height = geometry_.filter_height, width = geometry_.filter_width;
  const int64_t tap_words = geometry_.group_words;
  const int32_t group_channels = options_.channels_in / geometry_.groups;
  std::vector<int32_t> area((height + 1) * int64_t{width + 1}, 0);
  const auto at = [&](int32_t y, int32_t x) -> int32_t& { return area[y * int64_t{width + 1} + x]; };
  const uint32_t* tap = weights + channel * tap_words * height * width;
  for (int32_t y = 0; y < height; ++y)
    for (int32_t x = 0; x < width; ++x, tap += tap_words) {
      int32_t ones = 0;
      for (int64_t i = 0; i < tap_words; ++i) ones += __builtin_popcount(tap[i]);
      at(y + 1, x + 1) = group_channels - 2 * ones + at(y, x + 1) + at(y + 1, x) - at(y, x);
    }
  std::vector<int32_t> corrections;
  for (const auto& rows : WindowClasses(vertical_).inside)
    for (const auto& columns : WindowClasses(horizontal_).inside)
      corrections.push_back(at(height, width) - (at(rows.last, columns.last) - at(rows.first, columns.last) -
                                                 at(rows.last, columns.first) + at(rows.first, columns.first)));
  return corrections;
}

void Conv::set_output_shape(Values& values) const {
  Value& out = values[operands_.out];
  const int32_t packed = static_cast<int32_t>(words(geometry_.out_channels));
  out.shape = {geometry_.batch, vertical_.out, horizontal_.out,
               output_ == Output::kBits ? packed : geometry_.out_channels};
  elements(out.shape);
  if (residual_ != kNoValue) require_same_shape(out, values[residual_]);
  if (signs_ != kNoValue) values[signs_].shape = {geometry_.batch, vertical_.out, horizontal_.out, packed};
}

// ---------------------------------------------------------------------------------------------------- run

struct Conv::Job {
  BitImages in;
  BitImages bits;  // where bits go, if any do
  bool writes_bits;
  char* out;
  const float* residual;
  int64_t pixels;
};

void Conv::run(const Values& values, Pool& pool) {
  Job job{};
  job.in = tile_input(values, pool);
  const Id bits = output_ == Output::kBits ? operands_.out : signs_;
  job.writes_bits = bits != kNoValue;
  if (job.writes_bits) job.bits = values[bits].images();
  if (output_ != Output::kBits && keep_floats_) job.out = static_cast<char*>(values[operands_.out].data);
  if (residual_ != kNoValue) job.residual = static_cast<const float*>(values[residual_].data);
  job.pixels = int64_t{geometry_.batch} * vertical_.out * horizontal_.out;

  if (ready_.empty()) ready_panels(job.in);
  const Split split = split_work(job, pool.threads());
  pool.run(static_cast<int32_t>(split.chunks * split.parts), [&](int32_t task) {
    const int64_t chunk = task / split.parts, part = task % split.parts;
    const int64_t first = split.blocks * part / split.parts, last = split.blocks * (part + 1) / split.parts;
    for (int64_t block = first; block < last; ++block)
      run_part(job, job.pixels * chunk / split.chunks, job.pixels * (chunk + 1) / split.chunks,
               split.panels * block / split.blocks, split.panels * (block + 1) / split.blocks);
  });
}

// Threads divide the pixels: no two of them write to one line of packed bits, and in a row of convolutions of one shape
// each finds its own floats in its caches. What a thread does is divided further, also by channels, for others to take
// if their cores are faster. Only if there are too few pixels do threads divide the channels alone.
Conv::Split Conv::split_work(const Job& job, int64_t threads) const {
  Split split{};
  split.panels = static_cast<int64_t>(panels_.size());
  const int64_t panel_bytes = std::max<int64_t>(1, (weights_.size() - kReadAhead) / split.panels);
  const int64_t hot = std::max<int64_t>(1, kHotPanelBytes / panel_bytes);
  split.blocks = (split.panels + hot - 1) / hot;
  split.chunks = split.parts = 1;
  if (threads == 1) return split;
  const int64_t tiles = (job.pixels + isa_.tile_pixels - 1) / isa_.tile_pixels;
  const bool few = 2 * job.pixels < threads * isa_.tile_pixels;
  split.chunks = few ? tiles : threads * std::clamp<int64_t>(tiles / (kTilesPerTask * threads), 1, kTasksPerThread);
  // Groups may share a word of packed output, which only one thread may then write.
  if (!job.writes_bits || geometry_.groups == 1)
    split.parts = std::min(split.blocks, (kTasksPerThread * threads + split.chunks - 1) / split.chunks);
  return split;
}

// Words that follow each other in memory: a filter row if its taps touch, else a tap.
std::vector<Run> Conv::runs(const BitImages& in, int32_t group) const {
  const bool rows = options_.dilation_width == 1 && geometry_.groups == 1;
  const int32_t pieces = rows ? 1 : geometry_.filter_width;
  const int64_t piece_words = rows ? geometry_.filter_width * geometry_.group_words : geometry_.group_words;
  std::vector<Run> runs;
  for (int32_t y = 0; y < geometry_.filter_height; ++y)
    for (int32_t piece = 0; piece < pieces; ++piece) {
      const int64_t down = int64_t{y} * options_.dilation_height, across = int64_t{piece} * options_.dilation_width;
      const int64_t start = down * in.row + across * in.words + group * geometry_.group_words * isa_.repeat;
      for (int64_t word = 0; word < piece_words; word += isa_.max_run_words)
        runs.push_back({start + word * isa_.repeat,
                        static_cast<int32_t>(std::min<int64_t>(isa_.max_run_words, piece_words - word))});
    }
  return runs;
}

BitImages Conv::tile_input(const Values& values, Pool& pool) {
  const Value& in = values[operands_.in];
  const BitImages from = in.images();
  if (!needs_copy(in)) return from;
  const BitImages to = copied_input(in).images();
  const int64_t row_words = from.width * from.words;
  pool.run(from.batch * from.height, [&](int32_t task) {
    const uint32_t* source = from.at(task / from.height, task % from.height, 0);
    uint32_t* target = to.at(task / from.height, task % from.height, 0);
    if (isa_.repeat == 1)
      std::copy_n(source, row_words, target);
    else
      for (int64_t word = 0; word < row_words; ++word, target += kRepeats) std::fill_n(target, kRepeats, source[word]);
  });
  return to;
}

void Conv::ready_panels(const BitImages& in) {
  runs_.clear();
  for (int32_t group = 0; group < geometry_.groups; ++group) runs_.push_back(runs(in, group));
  for (size_t i = 0; i < panels_.size(); ++i) ready_.push_back(panel(i));
}

Panel Conv::panel(size_t index) const {
  const PanelPlace& place = panels_[index];
  const int64_t lane = static_cast<int64_t>(index) * isa_.panel_channels;
  const int64_t panel_words =
      int64_t{geometry_.filter_height} * geometry_.filter_width * geometry_.group_words * isa_.panel_channels;
  Panel panel{};
  panel.weights = static_cast<const uint32_t*>(weights_.data()) + static_cast<int64_t>(index) * panel_words;
  panel.runs = runs_[place.group].data();
  panel.run_count = static_cast<int32_t>(runs_[place.group].size());
  panel.first = place.first_channel;
  panel.channels = place.channels;
  panel.out_channels = geometry_.out_channels;
  panel.output = output_;
  panel.correction = correction_;
  panel.low = low_;
  panel.high = high_;
  panel.multiplier = multiplier_.data() + lane;
  panel.bias = bias_.data() + lane;
  panel.table = table_.data() + lane;
  panel.table_row = static_cast<int64_t>(panels_.size()) * isa_.panel_channels;
  panel.take_signs = signs_ != kNoValue;
  panel.relu_sum = relu_sum_;
  return panel;
}

// All tiles are about as large as the largest must be.
void Conv::run_part(const Job& job, int64_t pixel, int64_t last_pixel, int64_t first_panel, int64_t last_panel) const {
  const int64_t out_bytes = int64_t{geometry_.out_channels} * (output_ == Output::kInt8 ? 1 : 4);
  int64_t tiles = (last_pixel - pixel + isa_.tile_pixels - 1) / isa_.tile_pixels;
  int32_t x = static_cast<int32_t>(pixel % horizontal_.out);
  int32_t y = static_cast<int32_t>(pixel / horizontal_.out % vertical_.out);
  int32_t n = static_cast<int32_t>(pixel / horizontal_.out / vertical_.out);
  Tile tile{};
  uint32_t* bits[kMaxTilePixels];
  for (; tiles > 0; --tiles) {
    tile.pixels = static_cast<int32_t>((last_pixel - pixel + tiles - 1) / tiles);
    tile.out = job.out ? job.out + pixel * out_bytes : nullptr;
    tile.residual = job.residual ? job.residual + pixel * geometry_.out_channels : nullptr;
    for (int32_t p = 0; p < tile.pixels; ++p, ++pixel) {
      tile.in[p] = job.in.at(n, int64_t{y} * options_.stride_height - vertical_.before,
                             int64_t{x} * options_.stride_width - horizontal_.before);
      tile.border[p] = row_class_[y] * column_classes_ + column_class_[x];
      if (job.writes_bits) bits[p] = job.bits.at(n, y, x);
      if (++x == horizontal_.out) {
        x = 0;
        if (++y == vertical_.out) y = 0, ++n;
      }
    }
    for (int64_t i = first_panel; i < last_panel; ++i) {
      const Panel& panel = ready_[static_cast<size_t>(i)];
      isa_.conv_tile(panel, tile);
      if (job.writes_bits) put_bits(tile, panel, bits, i == 0);
    }
  }
}

void Conv::put_bits(const Tile& tile, const Panel& panel, uint32_t* const* rows, bool first_panel) const {
  const int64_t row_words = words(geometry_.out_channels);
  if (geometry_.groups > 1) {
    for (int32_t p = 0; p < tile.pixels; ++p) {
      if (first_panel) std::fill(rows[p], rows[p] + row_words, 0);
      const uint64_t shifted = uint64_t{tile.bits[p]} << (panel.first % kWordBits);
      rows[p][panel.first / kWordBits] |= static_cast<uint32_t>(shifted);
      if (shifted >> kWordBits) rows[p][panel.first / kWordBits + 1] |= static_cast<uint32_t>(shifted >> kWordBits);
    }
    return;
  }
  // The last panel also fills the last word with zeros.
  const bool last = panel.first + panel.channels == geometry_.out_channels;
  const int64_t bytes = last ? row_words * 4 - panel.first / 8 : isa_.panel_channels / 8;
  const auto copy = [&](auto size) {
    for (int32_t p = 0; p < tile.pixels; ++p)
      std::memcpy(reinterpret_cast<char*>(rows[p]) + panel.first / 8, &tile.bits[p], static_cast<size_t>(size));
  };
  // A size that the compiler knows is one instruction instead of a call.
  if (bytes == 2) return copy(std::integral_constant<int, 2>());
  if (bytes == 4) return copy(std::integral_constant<int, 4>());
  copy(bytes);
}

}  // namespace lce
