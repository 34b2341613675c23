// How the sampler ranks what is left: no more of it than somebody asked for. A few tokens are sorted; of many, where a
// nucleus or a draw ends inside them, the weights of classes of like probability tell the class in which it ends, and
// that class alone is sorted. Sums run in the order of ids, so they are the same everywhere.
#include <algorithm>
#include <bit>

#include "base/check.h"
#include "sampling/sampler_chain.h"

namespace pensee {
namespace {

// Floats as integers in descending order of the floats.
uint32_t descending(float x) {
  const auto bits = std::bit_cast<uint32_t>(x + 0.0f);  // -0 becomes 0
  return (bits & 0x80000000u) != 0 ? bits : ~bits & 0x7fffffffu;
}

}  // namespace

// The `count` largest keys above a bound, best first, ties to the lower id. A key that only equals the worst of a full
// list comes later and so loses.
void SamplerChain::collect_top(std::span<const float> keys, float above, size_t count) {
  list_.clear();
  const size_t room = std::max<size_t>(4 * count, 256);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!(keys[i] > above)) continue;
    list_.push_back({keys[i], static_cast<int32_t>(i)});
    if (list_.size() < room) continue;
    std::nth_element(list_.begin(), list_.begin() + static_cast<std::ptrdiff_t>(count) - 1, list_.end(), better);
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

// Classes of like probability, 16 to a power of two, best first.
size_t SamplerChain::class_of(float p) { return descending(p) >> 19; }

// What the list weighs by classes. A long list is not sorted then, but for the one class that something ends in.
void SamplerChain::weigh_classes() {
  class_weights_.assign(kClasses, 0.0);
  for (const Token& t : list_) class_weights_[class_of(t.p)] += static_cast<double>(t.p);
}

// The class, none beyond `last`, with which the best come to weigh `mass`; its tokens stand in room_ then, best first.
SamplerChain::Place SamplerChain::enter_class(double mass, size_t last) {
  Place place = {0, 0};
  double sum = 0;
  for (size_t c = 0; c <= last && (sum == 0 || sum < mass); ++c) {
    if (class_weights_[c] == 0) continue;
    place = {c, sum};
    sum += class_weights_[c];
  }
  room_.clear();
  for (const Token& t : list_) {
    if (class_of(t.p) == place.of) room_.push_back(t);
  }
  PENSEE_DCHECK(!room_.empty());
  sort_tokens(room_, spare_);
  return place;
}

void SamplerChain::cut_long(double nucleus, float least) {
  weigh_classes();
  const Place place = enter_class(nucleus, class_of(least));
  size_t kept = 0;
  whole_ = place.before;
  while (kept < room_.size() && (whole_ == 0 || (whole_ < nucleus && room_[kept].p >= least))) {
    whole_ += static_cast<double>(room_[kept++].p);
  }
  if (kept == 0) {
    std::erase_if(list_, [&](const Token& t) { return class_of(t.p) >= place.of; });
    return;
  }
  const Token worst = room_[kept - 1];
  size_t count = 0;
  for (const Token& t : list_) {
    list_[count] = t;
    count += t.p > worst.p || (t.p == worst.p && t.id <= worst.id);
  }
  list_.resize(count);
}

int32_t SamplerChain::draw_long(Random& random) {
  weigh_classes();
  whole_ = 0;
  for (const double weight : class_weights_) whole_ += weight;
  double at = random.unit() * whole_;
  at -= enter_class(at, kClasses - 1).before;
  for (const Token& t : room_) {
    at -= static_cast<double>(t.p);
    if (at < 0) return t.id;
  }
  return room_.back().id;
}

// Keeps the best until they weigh `nucleus`, as far as each has p >= least; the best one always.
void SamplerChain::cut(double nucleus, float least) {
  if (!ranked_ && list_.size() >= kLong) return cut_long(nucleus, least);
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
