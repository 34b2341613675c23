// Runs a grammar. A place in a text is the set of all (state, stack of returns) that the bytes so far allow; each
// distinct place gets a number, and where a byte leads from it is computed once and kept. So a grammar becomes a
// deterministic automaton as far as texts go into it, and the mask of tokens of a place is one walk over the vocabulary
// in that automaton, also kept. Not for threads: the owner locks.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "sampling/grammar_program.h"
#include "sampling/token_trie.h"

namespace pensee::grammar {

using PlaceId = int32_t;
inline constexpr PlaceId kNowhere = 0;   // no text goes on from here, and none ends
inline constexpr PlaceId kTooMany = -2;  // the grammar allows more readings of the text than we follow

class Machine {
 public:
  Machine(std::shared_ptr<const Program> program, std::shared_ptr<const TokenTrie> trie, size_t mask_words);

  PlaceId start() const { return start_; }
  // kNowhere, or kTooMany.
  PlaceId step(PlaceId from, uint8_t byte) { return step_kind(from, program_->kind_of(byte)); }
  bool accepts(PlaceId place) const { return places_[static_cast<size_t>(place)].accepts; }
  bool goes_on(PlaceId place) const { return places_[static_cast<size_t>(place)].count > 0; }
  // The tokens that may come at `place`; the span lives until the next call.
  Result<std::span<const uint32_t>> mask(PlaceId place);
  // Whether it has grown so much that its places should move into a fresh machine.
  bool is_full() const {
    return items_.size() > kItemsMax || places_.size() > kPlacesMax || stacks_.size() > kItemsMax;
  }
  PlaceId import(const Machine& other, PlaceId place);

 private:
  using StackId = uint32_t;  // 0: empty
  struct Stack {
    StateId behind;
    StackId below;
  };
  struct Item {
    StateId state;
    StackId stack;
    bool operator==(const Item&) const = default;
    auto operator<=>(const Item&) const = default;
  };
  struct Place {
    uint32_t first, count;  // of its items in items_: those that can take a byte
    bool accepts;
    int32_t mask = -1;  // in masks_
  };
  static constexpr size_t kItemsMax = 1 << 20, kPlacesMax = 1 << 16, kMaskBytesMax = 32 << 20;
  static constexpr size_t kItemsOfPlaceMax = 8000;  // readings followed at once

  PlaceId step_kind(PlaceId from, uint8_t kind);
  StackId push(StateId behind, StackId below);
  void begin();                // a closure: what one that memory ended has left is dropped
  void add(Item item);         // to the closure that is being made
  PlaceId close_and_intern();  // it, with all that it reaches without a byte
  PlaceId intern(bool accepts);
  Status walk(PlaceId place, std::span<uint32_t> mask);

  std::shared_ptr<const Program> program_;
  std::shared_ptr<const TokenTrie> trie_;
  size_t mask_words_;
  std::vector<Stack> stacks_;
  std::unordered_map<uint64_t, StackId> known_stacks_;
  std::vector<Place> places_;
  std::vector<Item> items_;
  std::unordered_multimap<uint64_t, PlaceId> known_places_;
  std::vector<PlaceId> next_;  // [place][kind]; -1: not computed
  std::vector<std::vector<uint32_t>> masks_;
  // Room of the closure.
  std::vector<Item> todo_, taking_;
  std::vector<uint64_t> seen_;  // open addressing; 0: free
  std::vector<size_t> seen_at_;
  bool accepts_ = false, too_many_ = false;
  std::vector<PlaceId> path_;
  PlaceId start_ = kNowhere;
};

}  // namespace pensee::grammar
