// Byte-pair encoding: the vocabulary, the merges, and one word's way from bytes to ids. Immutable once built. Tokens
// of a byte-level vocabulary are kept as the bytes they stand for, so a word needs no detour through the printable
// alphabet; a vocabulary on characters (SentencePiece's kind) keeps them as they are. The result is that of the
// `tokenizers` library: the pair of lowest rank is joined first, leftmost first among equals.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "text/tokenizer.h"

namespace pensee {

inline constexpr TokenId kNoToken = -1;

// The bytes that a token of a byte-level vocabulary prints as (GPT-2's table); false when a character is outside of it.
bool unprintable_bytes(std::string_view printed, std::string& bytes);

// Texts by id and ids by text. Ids may have holes.
class Vocabulary {
 public:
  // `ids_max` bounds every id (a lying file must not make us allocate).
  void reserve(size_t tokens, size_t ids_max);
  // False when the id is outside the bound or taken, or (with `findable`) the text is taken.
  bool add(std::string_view text, TokenId id, bool findable);
  TokenId find(std::string_view text) const;
  bool has(TokenId id) const {
    return id >= 0 && static_cast<size_t>(id) < places_.size() && places_[static_cast<size_t>(id)].size != kHole;
  }
  std::string_view text(TokenId id) const {
    const Place& place = places_[static_cast<size_t>(id)];
    return std::string_view(arena_).substr(place.begin, place.size);
  }
  TokenId end() const { return static_cast<TokenId>(places_.size()); }  // one more than the largest id

 private:
  static constexpr uint32_t kHole = UINT32_MAX;
  struct Place {
    uint32_t begin = 0;
    uint32_t size = kHole;
  };
  void grow();
  size_t slot_of(std::string_view text) const;
  std::string arena_;
  std::vector<Place> places_;
  std::vector<TokenId> slots_;  // open addressing, a power of two
  size_t used_ = 0;
  size_t ids_max_ = 0;
};

// (left, right) -> rank and joined token.
class MergeTable {
 public:
  struct Entry {
    uint64_t pair = UINT64_MAX;
    uint32_t rank = UINT32_MAX;
    TokenId joined = kNoToken;
  };
  void reserve(size_t merges);
  void set(TokenId left, TokenId right, uint32_t rank, TokenId joined);  // a later one replaces an earlier one
  const Entry* find(TokenId left, TokenId right) const {
    const uint64_t pair = key(left, right);
    for (size_t slot = start(pair);; slot = (slot + 1) & mask_) {
      if (slots_[slot].pair == pair) return &slots_[slot];
      if (slots_[slot].rank == UINT32_MAX) return nullptr;
    }
  }
  size_t size() const { return used_; }

 private:
  static uint64_t key(TokenId left, TokenId right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t start(uint64_t pair) const {
    const uint64_t mixed = (pair ^ pair >> 29) * 0x9E3779B97F4A7C15u;
    return (mixed ^ mixed >> 32) & mask_;
  }
  std::vector<Entry> slots_ = std::vector<Entry>(2);
  size_t mask_ = 1;
  size_t used_ = 0;
};

class Bpe {
 public:
  struct Options {
    bool byte_level = true;
    bool ignore_merges = false;  // a word that is a token is that token, whatever the merges say
    bool byte_fallback = false;  // unknown characters become "<0x0A>" tokens
    bool fuse_unk = false;
    TokenId unk = kNoToken;
  };
  // Room for encode, reused from word to word; one a call.
  struct Workspace {
    std::vector<TokenId> ids;
    std::vector<uint32_t> next, previous, ranks;
    std::vector<uint64_t> queue;
  };

  Vocabulary vocabulary;  // filled by the reader, then prepare()
  MergeTable merges;
  Options options;

  void prepare();  // after vocabulary and options are complete
  void encode(std::string_view word, Workspace& workspace, std::vector<TokenId>& out) const;

 private:
  void start_bytes(std::string_view word, std::vector<TokenId>& ids) const;
  void start_characters(std::string_view word, std::vector<TokenId>& ids) const;
  void merge_short(Workspace& workspace) const;
  void merge_long(Workspace& workspace) const;
  std::array<TokenId, 256> byte_ids_ = {};  // byte-level: the token of a byte; byte fallback: that of "<0x0A>"
};

}  // namespace pensee
