#include "sampling/grammar_machine.h"

#include <algorithm>

namespace pensee::grammar {
namespace {

constexpr PlaceId kUnknown = -1;
constexpr size_t kStepsMax = 3'000'000;  // new steps in one walk over a vocabulary

uint64_t mix(uint64_t x) {  // the finalizer of MurmurHash3
  x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCDu;
  x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53u;
  return x ^ (x >> 33);
}

}  // namespace

Machine::Machine(std::shared_ptr<const Program> program, std::shared_ptr<const TokenTrie> trie, size_t mask_words)
    : program_(std::move(program)), trie_(std::move(trie)), mask_words_(mask_words) {
  stacks_.push_back({0, 0});
  seen_.resize(64);
  path_.resize(trie_->depth_max() + 1);
  intern(false);  // kNowhere
  add({program_->start(), 0});
  start_ = close_and_intern();
}

Machine::StackId Machine::push(StateId behind, StackId below) {
  // Room first: when memory ends in the middle, what others share must still agree with itself.
  if (stacks_.size() == stacks_.capacity()) stacks_.reserve(2 * stacks_.size());
  const auto [entry, fresh] =
      known_stacks_.emplace(uint64_t{behind} << 32 | below, static_cast<StackId>(stacks_.size()));
  if (fresh) stacks_.push_back({behind, below});
  return entry->second;
}

void Machine::add(Item item) {
  const uint64_t key = (uint64_t{item.state} << 32 | item.stack) + 1;
  if (2 * seen_at_.size() + 2 > seen_.size()) {
    std::vector<uint64_t> larger(seen_.size() * 2);
    for (size_t& at : seen_at_) {
      const uint64_t old = seen_[at];
      for (at = mix(old) & (larger.size() - 1); larger[at]; at = (at + 1) & (larger.size() - 1)) {
      }
      larger[at] = old;
    }
    seen_ = std::move(larger);
  }
  size_t at = mix(key) & (seen_.size() - 1);
  for (; seen_[at]; at = (at + 1) & (seen_.size() - 1)) {
    if (seen_[at] == key) return;
  }
  seen_at_.push_back(at);
  seen_[at] = key;
  todo_.push_back(item);
}

void Machine::begin() {
  for (const size_t at : seen_at_) seen_[at] = 0;
  seen_at_.clear();
  todo_.clear();
}

PlaceId Machine::close_and_intern() {
  taking_.clear();
  accepts_ = too_many_ = false;
  while (!todo_.empty()) {
    const Item item = todo_.back();
    todo_.pop_back();
    if (seen_at_.size() > 20 * kItemsOfPlaceMax || taking_.size() > kItemsOfPlaceMax) {
      too_many_ = true;
      break;
    }
    if (program_->is_final(item.state)) {
      if (item.stack == 0)
        accepts_ = true;
      else
        add({stacks_[item.stack].behind, stacks_[item.stack].below});
      continue;
    }
    if (!program_->bytes(item.state).empty()) taking_.push_back(item);
    for (const StateId to : program_->jumps(item.state)) add({to, item.stack});
    for (const Program::Call& call : program_->calls(item.state)) {
      add({call.start, call.tail ? item.stack : push(call.behind, item.stack)});
    }
  }
  begin();
  return too_many_ ? kTooMany : intern(accepts_);
}

// The place of `taking_`.
PlaceId Machine::intern(bool accepts) {
  std::sort(taking_.begin(), taking_.end());
  uint64_t hash = accepts;
  for (const Item& item : taking_) hash = mix(hash ^ (uint64_t{item.state} << 32 | item.stack)) + 1;
  const auto [first, last] = known_places_.equal_range(hash);
  for (auto entry = first; entry != last; ++entry) {
    const Place& place = places_[static_cast<size_t>(entry->second)];
    if (place.accepts == accepts && place.count == taking_.size() &&
        std::equal(taking_.begin(), taking_.end(), items_.begin() + place.first)) {
      return entry->second;
    }
  }
  const auto made = static_cast<PlaceId>(places_.size());
  const auto at = static_cast<uint32_t>(items_.size());
  items_.insert(items_.end(), taking_.begin(), taking_.end());
  next_.resize((places_.size() + 1) * program_->kinds(), kUnknown);
  places_.push_back({at, static_cast<uint32_t>(taking_.size()), accepts});
  known_places_.emplace(hash, made);
  return made;
}

PlaceId Machine::step_kind(PlaceId from, uint8_t kind) {
  const size_t slot = static_cast<size_t>(from) * program_->kinds() + kind;
  if (next_[slot] != kUnknown) return next_[slot];
  const Place place = places_[static_cast<size_t>(from)];
  begin();
  for (uint32_t i = 0; i < place.count; ++i) {
    const Item item = items_[place.first + i];
    for (const Program::Bytes& edge : program_->bytes(item.state)) {
      if (edge.first <= kind && kind <= edge.last) add({edge.to, item.stack});
    }
  }
  const PlaceId to = close_and_intern();
  next_[slot] = to;
  return to;
}

Result<std::span<const uint32_t>> Machine::mask(PlaceId at) {
  const int32_t known = places_[static_cast<size_t>(at)].mask;
  if (known >= 0) return std::span<const uint32_t>(masks_[static_cast<size_t>(known)]);
  if ((masks_.size() + 1) * mask_words_ * sizeof(uint32_t) > kMaskBytesMax) {
    masks_.clear();
    for (Place& place : places_) place.mask = -1;
  }
  std::vector<uint32_t> mask(mask_words_ + 1);
  PENSEE_TRY(walk(at, mask));
  mask.pop_back();
  masks_.push_back(std::move(mask));
  places_[static_cast<size_t>(at)].mask = static_cast<int32_t>(masks_.size() - 1);
  return std::span<const uint32_t>(masks_.back());
}

// `mask` has a word more than there are tokens for: what ends no token sets a bit there, which is cheaper than to ask.
Status Machine::walk(PlaceId place, std::span<uint32_t> mask) {
  const TokenTrie::Node* const nodes = trie_->nodes().data();
  const size_t kinds = program_->kinds(), size = trie_->nodes().size(), items_before = items_.size();
  uint32_t* const words = mask.data();
  PlaceId* const path = path_.data();
  const PlaceId* next = next_.data();
  path[0] = place;
  for (size_t i = 0; i < size;) {
    const TokenTrie::Node node = nodes[i];
    const uint8_t kind = program_->kind_of(node.byte);
    const PlaceId from = path[node.depth];
    PlaceId to = next[static_cast<size_t>(from) * kinds + kind];
    if (to == kUnknown) {
      to = step_kind(from, kind);
      next = next_.data();
    }
    if (to <= kNowhere) {
      if (to == kTooMany || items_.size() - items_before > kStepsMax) {
        return Status(Code::bad_argument, "constraint: the grammar is too ambiguous: too many readings of the text");
      }
      i = node.end;
      continue;
    }
    path[node.depth + 1u] = to;
    words[node.token / 32] |= 1u << (node.token % 32);
    ++i;
  }
  for (const auto& [token, twin] : trie_->twins()) {
    const auto from = static_cast<size_t>(token), to = static_cast<size_t>(twin);
    words[to / 32] |= (words[from / 32] >> (from % 32) & 1) << (to % 32);
  }
  return Status();
}

PlaceId Machine::import(const Machine& other, PlaceId place) {
  std::unordered_map<StackId, StackId> moved = {{0, 0}};
  const Place& old = other.places_[static_cast<size_t>(place)];
  taking_.clear();
  for (uint32_t i = 0; i < old.count; ++i) {
    const Item item = other.items_[old.first + i];
    std::vector<StackId> deep;  // stacks that are yet to be made, the top first
    StackId at = item.stack;
    for (; !moved.contains(at); at = other.stacks_[at].below) deep.push_back(at);
    StackId made = moved[at];
    for (; !deep.empty(); deep.pop_back()) {
      made = push(other.stacks_[deep.back()].behind, made);
      moved[deep.back()] = made;
    }
    taking_.push_back({item.state, moved[item.stack]});
  }
  return intern(old.accepts);
}

}  // namespace pensee::grammar
