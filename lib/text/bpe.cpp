// See bpe.h. Short words (nearly all) are merged by scanning a small array; long ones by a priority queue over a linked
// list, so that a megabyte without a space costs n log n.
#include "text/bpe.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "base/check.h"
#include "text/unicode.h"

namespace pensee {
namespace {

constexpr size_t kShortWord = 40;

uint64_t hash_of(std::string_view text) {
  uint64_t h = text.size() * 0x9E3779B97F4A7C15u;
  const char* p = text.data();
  size_t left = text.size();
  for (; left >= 8; left -= 8, p += 8) {
    uint64_t v;
    std::memcpy(&v, p, 8);
    h = (h ^ v) * 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
  }
  uint64_t v = 0;
  std::memcpy(&v, p, left);
  h = (h ^ v) * 0xD6E8FEB86659FD93u;
  return h ^ h >> 32;
}

// GPT-2's alphabet: a byte that prints as itself is its own character, the others are U+0100 and on, in order.
bool prints_as_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

std::array<int16_t, 0x144> make_alphabet() {
  std::array<int16_t, 0x144> byte_of;
  byte_of.fill(-1);
  size_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    byte_of[prints_as_itself(byte) ? static_cast<size_t>(byte) : next++] = static_cast<int16_t>(byte);
  }
  return byte_of;
}

}  // namespace

bool unprintable_bytes(std::string_view printed, std::string& bytes) {
  static const std::array<int16_t, 0x144> byte_of = make_alphabet();
  bytes.clear();
  for (size_t at = 0; at < printed.size();) {
    const unicode::CodePoint c = unicode::next(printed, at);
    if (c >= byte_of.size() || byte_of[c] < 0) return false;
    bytes.push_back(static_cast<char>(byte_of[c]));
  }
  return true;
}

void Vocabulary::reserve(size_t tokens, size_t ids_max) {
  ids_max_ = ids_max;
  size_t slots = 16;
  while (slots < tokens * 2) slots *= 2;
  slots_.assign(slots, kNoToken);
}

size_t Vocabulary::slot_of(std::string_view text) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = hash_of(text) & mask;
  while (slots_[slot] != kNoToken && this->text(slots_[slot]) != text) slot = (slot + 1) & mask;
  return slot;
}

void Vocabulary::grow() {
  std::vector<TokenId> old(slots_.empty() ? 16 : slots_.size() * 2, kNoToken);
  old.swap(slots_);
  for (const TokenId id : old) {
    if (id != kNoToken) slots_[slot_of(text(id))] = id;
  }
}

bool Vocabulary::add(std::string_view text, TokenId id, bool findable) {
  if (id < 0 || static_cast<size_t>(id) >= ids_max_ || has(id)) return false;
  if (arena_.size() + text.size() >= kHole) return false;
  if ((used_ + 1) * 2 > slots_.size()) grow();
  const size_t slot = findable ? slot_of(text) : 0;
  if (findable && slots_[slot] != kNoToken) return false;
  if (static_cast<size_t>(id) >= places_.size()) places_.resize(static_cast<size_t>(id) + 1);
  places_[static_cast<size_t>(id)] = {static_cast<uint32_t>(arena_.size()), static_cast<uint32_t>(text.size())};
  arena_.append(text);
  if (findable) {
    slots_[slot] = id;
    ++used_;
  }
  return true;
}

TokenId Vocabulary::find(std::string_view text) const { return slots_.empty() ? kNoToken : slots_[slot_of(text)]; }

void MergeTable::reserve(size_t merges) {
  size_t slots = 2;
  while (slots < merges * 2 + 2) slots *= 2;
  slots_.assign(slots, Entry());
  mask_ = slots - 1;
  used_ = 0;
}

void MergeTable::set(TokenId left, TokenId right, uint32_t rank, TokenId joined) {
  const uint64_t pair = key(left, right);
  size_t slot = start(pair);
  while (slots_[slot].rank != UINT32_MAX && slots_[slot].pair != pair) slot = (slot + 1) & mask_;
  if (slots_[slot].rank == UINT32_MAX) ++used_;
  PENSEE_DCHECK(used_ * 2 <= slots_.size());
  slots_[slot] = {pair, rank, joined};
}

void Bpe::prepare() {
  for (int byte = 0; byte < 256; ++byte) {
    const char one = static_cast<char>(byte);
    static constexpr char kHex[] = "0123456789ABCDEF";
    const char fallback[] = {'<', '0', 'x', kHex[byte >> 4], kHex[byte & 15], '>'};
    byte_ids_[static_cast<size_t>(byte)] =
        vocabulary.find(options.byte_level ? std::string_view(&one, 1) : std::string_view(fallback, 6));
  }
}

void Bpe::start_bytes(std::string_view word, std::vector<TokenId>& ids) const {
  bool unknown = false;  // whether the last one was, for fuse_unk
  for (const char c : word) {
    const TokenId id = byte_ids_[static_cast<unsigned char>(c)];
    if (id == kNoToken && (options.unk == kNoToken || (unknown && options.fuse_unk))) continue;
    ids.push_back(id == kNoToken ? options.unk : id);
    unknown = id == kNoToken;
  }
}

// An unknown waits until the next known character, and fallback bytes overtake it: so does the library.
void Bpe::start_characters(std::string_view word, std::vector<TokenId>& ids) const {
  bool unknown = false;
  for (size_t at = 0; at < word.size();) {
    const size_t begin = at;
    unicode::next(word, at);
    const std::string_view character = word.substr(begin, at - begin);
    const TokenId id = vocabulary.find(character);
    if (id != kNoToken) {
      if (unknown) ids.push_back(options.unk);
      unknown = false;
      ids.push_back(id);
      continue;
    }
    const auto has_byte = [&](char c) { return byte_ids_[static_cast<unsigned char>(c)] != kNoToken; };
    if (options.byte_fallback && std::all_of(character.begin(), character.end(), has_byte)) {
      for (const char c : character) ids.push_back(byte_ids_[static_cast<unsigned char>(c)]);
      continue;
    }
    if (options.unk == kNoToken) continue;
    if (unknown && !options.fuse_unk) ids.push_back(options.unk);
    unknown = true;
  }
  if (unknown) ids.push_back(options.unk);
}

void Bpe::encode(std::string_view word, Workspace& workspace, std::vector<TokenId>& out) const {
  if (options.ignore_merges) {
    const TokenId whole = vocabulary.find(word);
    if (whole != kNoToken) return out.push_back(whole);
  }
  workspace.ids.clear();
  if (options.byte_level) start_bytes(word, workspace.ids);
  else start_characters(word, workspace.ids);
  if (workspace.ids.size() <= kShortWord) merge_short(workspace);
  else merge_long(workspace);
  out.insert(out.end(), workspace.ids.begin(), workspace.ids.end());
}

void Bpe::merge_short(Workspace& workspace) const {
  std::vector<TokenId>& ids = workspace.ids;
  size_t count = ids.size();
  std::array<uint32_t, kShortWord> ranks;
  std::array<TokenId, kShortWord> joined;
  const auto look_up = [&](size_t i) {
    const MergeTable::Entry* entry = merges.find(ids[i], ids[i + 1]);
    ranks[i] = entry ? entry->rank : UINT32_MAX;
    joined[i] = entry ? entry->joined : kNoToken;
  };
  for (size_t i = 0; i + 1 < count; ++i) look_up(i);
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == UINT32_MAX) break;
    ids[best] = joined[best];
    --count;
    for (size_t i = best + 1; i < count; ++i) {
      ids[i] = ids[i + 1];
      ranks[i] = ranks[i + 1];
      joined[i] = joined[i + 1];
    }
    if (best + 1 < count) look_up(best);
    if (best > 0) look_up(best - 1);
  }
  ids.resize(count);
}

void Bpe::merge_long(Workspace& workspace) const {
  constexpr uint32_t kNone = UINT32_MAX;
  std::vector<TokenId>& ids = workspace.ids;
  const auto count = static_cast<uint32_t>(ids.size());
  std::vector<uint32_t>& next = workspace.next;
  std::vector<uint32_t>& previous = workspace.previous;
  std::vector<uint32_t>& ranks = workspace.ranks;
  std::vector<uint64_t>& queue = workspace.queue;
  next.resize(count);
  previous.resize(count);
  ranks.assign(count, kNone);
  queue.clear();
  const auto offer = [&](uint32_t at, bool heap) {  // an entry of the queue is rank, then place
    const uint32_t right = next[at];
    const MergeTable::Entry* entry = right == kNone ? nullptr : merges.find(ids[at], ids[right]);
    ranks[at] = entry ? entry->rank : kNone;
    if (!entry) return;
    queue.push_back(static_cast<uint64_t>(entry->rank) << 32 | at);
    if (heap) std::push_heap(queue.begin(), queue.end(), std::greater<>());
  };
  for (uint32_t i = 0; i < count; ++i) {
    next[i] = i + 1 < count ? i + 1 : kNone;
    previous[i] = i > 0 ? i - 1 : kNone;
  }
  for (uint32_t i = 0; i < count; ++i) offer(i, false);
  std::make_heap(queue.begin(), queue.end(), std::greater<>());
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), std::greater<>());
    const uint64_t top = queue.back();
    queue.pop_back();
    const auto at = static_cast<uint32_t>(top);
    if (ranks[at] != top >> 32 || ids[at] == kNoToken) continue;  // overtaken
    const uint32_t right = next[at];
    ids[at] = merges.find(ids[at], ids[right])->joined;
    ids[right] = kNoToken;
    ranks[right] = kNone;
    next[at] = next[right];
    if (next[at] != kNone) previous[next[at]] = at;
    offer(at, true);
    if (previous[at] != kNone) offer(previous[at], true);
  }
  ids.erase(std::remove(ids.begin(), ids.end(), kNoToken), ids.end());
}

}  // namespace pensee
