// How the sampler ranks what is left: no more of it than somebody asked for. A few tokens are sorted; of many, where a
// nucleus or a draw ends inside them, the weights of classes of like probability tell the class in which it ends, and
// that class alone is taken out of the row and sorted. Sums have one order, or are exact, so they are the same
// everywhere.
#include <algorithm>
#include <bit>
#include <limits>

#include "base/check.h"
#include "sampling/sampler_chain.h"

namespace pensee {
namespace {

// Floats as integers in descending order of the floats.
uint32_t descending(float x) {
  const auto bits = std::bit_cast<uint32_t>(x + 0.0f);  // -0 becomes 0
  return (bits & 0x80000000u) != 0 ? bits : ~bits & 0x7fffffffu;
}

uint32_t bits_of(float p) { return std::bit_cast<uint32_t>(p); }

// Classes of like probability, 64 to a power of two. Numbers of one class share their exponent, so that double
// precision adds up 2^29 of them without rounding: what a class weighs depends on no order.
constexpr int kClassShift = 17;
constexpr size_t kClasses = (std::bit_cast<uint32_t>(1.0f) >> kClassShift) + 1;
size_t class_of(float p) { return bits_of(p) >> kClassShift; }
float class_floor(size_t c) { return std::bit_cast<float>(static_cast<uint32_t>(c << kClassShift)); }

// Whether low <= p < high, in the highest bit: of numbers >= 0 the bits have the same order, and without comparisons
// every compiler makes vectors of it.
struct Range {
  Range(float low, float high) : first(bits_of(low)), size(bits_of(high) - first) {}
  uint32_t operator()(float p) const { return (bits_of(p) - first - size) & ~(bits_of(p) - first); }
  uint32_t first, size;
};

// A row of probabilities is looked at in steps. Not inlined: within other loops GCC 12 makes no vectors of them.
constexpr size_t kStep = 16;
[[gnu::noinline]] bool any_in(Range range, const float* p) {
  uint32_t any = 0;
  for (size_t i = 0; i < kStep; ++i) any |= range(p[i]);
  return any >> 31 != 0;
}
[[gnu::noinline]] float largest_of(const float* p) {
  float top = 0;
  for (size_t i = 0; i < kStep; ++i) top = p[i] > top ? p[i] : top;
  return top;
}

}  // namespace

// The `count` largest keys above a bound, best first, ties to the lower id. A key that only equals the worst of a full
// list comes later and so loses.
void SamplerChain::collect_top(std::span<const float> keys, float above, size_t count) {
  list_.clear();
  const size_t room = std::max<size_t>(4 * count, 256);
  const bool stepwise = keys.data() == probabilities_.data();
  for (size_t i = 0; i < keys.size(); ++i) {
    if (stepwise && i % kStep == 0 && tops_[i / kStep] <= above) i += kStep - 1;  // all but the last, which follows
    if (!(keys[i] > above)) continue;
    list_.push_back({keys[i], static_cast<int32_t>(i)});
    if (list_.size() < room) continue;
    sort_tokens(list_, room_);
    list_.resize(count);
    above = list_.back().p;
  }
  listed_ = true;
  ranked_ = false;
  rank();
  if (list_.size() > count) list_.resize(count);
}

// By key, then by id: a radix sort (two digits of ids unless they ascend already, three of keys) once it is long.
void SamplerChain::sort_tokens(std::vector<Token>& tokens, std::vector<Token>& room) {
  if (tokens.size() < kLong) return std::sort(tokens.begin(), tokens.end(), better);
  room.resize(tokens.size());
  constexpr uint32_t digits = 2048;
  const auto pass = [&](auto digit) {
    uint32_t starts[digits + 1] = {};
    for (const Token& t : tokens) ++starts[digit(t) + 1];
    if (starts[digit(tokens[0]) + 1] == tokens.size()) return;
    for (uint32_t d = 0; d < digits; ++d) starts[d + 1] += starts[d];
    for (const Token& t : tokens) room[starts[digit(t)]++] = t;
    tokens.swap(room);
  };
  const auto by_id = [](const Token& a, const Token& b) { return a.id < b.id; };
  if (!std::is_sorted(tokens.begin(), tokens.end(), by_id)) {
    for (const int shift : {0, 11, 22})
      pass([=](const Token& t) { return static_cast<uint32_t>(t.id) >> shift & 2047; });
  }
  for (const int shift : {0, 11, 22}) pass([=](const Token& t) { return descending(t.p) >> shift & 2047; });
}

void SamplerChain::rank() {
  if (!ranked_) sort_tokens(list_, room_);
  ranked_ = true;
}

void SamplerChain::weigh() {
  rank();
  whole_ = 0;
  for (const Token& t : list_) whole_ += static_cast<double>(t.p);
}

// Fills the row up to whole steps and notes the largest of each.
void SamplerChain::find_tops() {
  tops_.resize((probabilities_.size() + kStep - 1) / kStep);
  probabilities_.resize(tops_.size() * kStep);
  for (size_t i = 0; i < tops_.size(); ++i) tops_[i] = largest_of(probabilities_.data() + i * kStep);
}

void SamplerChain::gather(float low, float high, std::vector<Token>& to) const {
  const Range range(low, high);
  size_t count = 0;
  for (size_t i = 0; i < probabilities_.size(); i += kStep) {
    if (tops_[i / kStep] < low || !any_in(range, probabilities_.data() + i)) continue;
    to.resize(count + kStep);
    for (size_t id = i; id < i + kStep; ++id) {  // all are written, and the place moves on where one stays
      to[count] = {probabilities_[id], static_cast<int32_t>(id)};
      count += range(probabilities_[id]) >> 31;
    }
  }
  to.resize(count);
  std::erase_if(to, [&](const Token& t) { return better(worst_, t); });
}

void SamplerChain::collect() {
  gather(worst_.p, 2.0f, list_);
  listed_ = true;
  classed_ = ranked_ = false;
  if (list_.empty()) settle_for(best());  // a nucleus of 0 in a flat distribution
}

// What others weigh that share a step with one above the floor is added as well: nobody asks for classes below the
// floor's, and to that one's tokens cut_long looks.
void SamplerChain::classify(float floor) {
  if (listed_ || classed_) return;
  worst_ = {floor, -1};
  class_weights_.assign(kClasses, 0.0);
  size_t count = 0;
  for (size_t i = 0; i < probabilities_.size(); i += kStep) {
    if (tops_[i / kStep] <= floor) continue;
    for (size_t id = i; id < i + kStep; ++id) {
      class_weights_[class_of(probabilities_[id])] += static_cast<double>(probabilities_[id]);
      count += probabilities_[id] > floor;
    }
  }
  classed_ = true;
  if (count < kLong) collect();
}

// The class, none behind that of `least`, with which the best come to weigh `mass`; its tokens stand in room_ then,
// best first.
SamplerChain::Place SamplerChain::enter_class(double mass, float least) {
  Place place = {0, 0};
  double sum = 0;
  for (size_t c = kClasses; c-- > class_of(std::max(least, worst_.p)) && (sum == 0 || sum < mass);) {
    if (class_weights_[c] == 0) continue;
    place = {c, sum};
    sum += class_weights_[c];
  }
  gather(class_floor(place.of), class_floor(place.of + 1), room_);
  sort_tokens(room_, spare_);
  return place;
}

void SamplerChain::cut_long(double nucleus, float least) {
  const Place place = enter_class(nucleus, least);
  double& weight = class_weights_[place.of];
  whole_ = place.before;
  weight = 0;
  worst_ = {class_floor(place.of + 1), std::numeric_limits<int32_t>::max()};  // the classes before stay
  for (const Token& t : room_) {
    if (whole_ != 0 && (whole_ >= nucleus || t.p < least)) break;
    whole_ += static_cast<double>(t.p);
    weight += static_cast<double>(t.p);
    worst_ = t;
  }
  constexpr double few = 4096;
  if (whole_ < few * static_cast<double>(worst_.p)) collect();
}

int32_t SamplerChain::draw_long(Random& random) {
  whole_ = 0;
  for (size_t c = kClasses; c-- > class_of(worst_.p);) whole_ += class_weights_[c];
  double at = random.unit() * whole_;
  at -= enter_class(at, 0.0f).before;
  for (const Token& t : room_) {
    at -= static_cast<double>(t.p);
    if (at < 0) return t.id;
  }
  return room_.back().id;
}

// Keeps the best until they weigh `nucleus`, as far as each has p >= least; the best one always.
void SamplerChain::cut(double nucleus, float least) {
  if (!listed_) return cut_long(nucleus, least);
  rank();
  size_t kept = 0;
  double sum = 0;
  while (kept < list_.size() && (kept == 0 || (sum < nucleus && list_[kept].p >= least))) {
    sum += static_cast<double>(list_[kept++].p);
  }
  list_.resize(kept);
  whole_ = sum;
}

}  // namespace pensee
