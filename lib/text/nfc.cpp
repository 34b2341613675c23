// Normalization form C (UAX #15): decompose canonically, sort marks by combining class, compose again; Hangul by
// arithmetic. One scan first asks whether anything in the text could change at all, because most text cannot.
#include <algorithm>
#include <map>

#include "text/unicode.h"
#include "text/unicode_data.h"
#include "text/unicode_packed.h"

namespace pensee::unicode {
namespace {

constexpr CodePoint kSyllables = 0xAC00, kLead = 0x1100, kVowel = 0x1161, kTail = 0x11A7;
constexpr CodePoint kLeads = 19, kVowels = 21, kTails = 28;

using Pair = std::pair<CodePoint, CodePoint>;

struct Tables {
  std::map<CodePoint, uint8_t> mark;         // combining class, when not 0
  std::map<CodePoint, Pair> decomposition;   // second is 0 for a singleton
  std::map<Pair, CodePoint> composition;
  CodeSet suspects;                          // whatever may stand in text that is not in form C
};

Tables unpack() {
  Tables t;
  CodePoint at = 0;
  for (PackedReader reader(unicode_data::marks); reader.next_entry();) {
    at += reader.number();
    const CodePoint count = reader.number();
    const auto combining_class = static_cast<uint8_t>(reader.number());
    for (CodePoint c = at; c < at + count; ++c) t.mark[c] = combining_class;
    at += count;
  }
  at = 0;
  std::vector<CodePoint> suspects;
  for (PackedReader reader(unicode_data::decompositions); reader.next_entry();) {
    const bool excluded = reader.take('!');
    at += reader.number();
    Pair parts(reader.number(), 0);
    if (reader.has_number()) parts.second = reader.number();
    t.decomposition[at] = parts;
    suspects.push_back(excluded ? at : parts.second);
    if (!excluded) t.composition[parts] = at;
  }
  for (const auto& [c, combining_class] : t.mark) suspects.push_back(c);
  std::sort(suspects.begin(), suspects.end());
  for (const CodePoint c : suspects) t.suspects.add(c, c);
  CodeSet jamo;
  jamo.add(kVowel, kVowel + kVowels - 1);
  jamo.add(kTail + 1, kTail + kTails - 1);
  t.suspects.add(jamo);
  t.suspects.freeze();
  return t;
}

const Tables& tables() {
  static const Tables all = unpack();
  return all;
}

struct Piece {
  CodePoint code;
  uint8_t mark;
};

void decompose(CodePoint c, const Tables& t, std::vector<Piece>& out) {
  if (c >= kSyllables && c < kSyllables + kLeads * kVowels * kTails) {
    const CodePoint index = c - kSyllables;
    out.push_back({kLead + index / (kVowels * kTails), 0});
    out.push_back({kVowel + index / kTails % kVowels, 0});
    if (index % kTails != 0) out.push_back({kTail + index % kTails, 0});
    return;
  }
  const auto it = c < 0xC0 ? t.decomposition.end() : t.decomposition.find(c);
  if (it != t.decomposition.end()) {
    decompose(it->second.first, t, out);
    if (it->second.second) decompose(it->second.second, t, out);
    return;
  }
  const auto mark = c < 0x300 ? t.mark.end() : t.mark.find(c);
  out.push_back({c, mark == t.mark.end() ? uint8_t{0} : mark->second});
}

// The code point that two make, or 0.
CodePoint compose(CodePoint a, CodePoint b, const Tables& t) {
  if (a >= kLead && a < kLead + kLeads && b >= kVowel && b < kVowel + kVowels) {
    return kSyllables + ((a - kLead) * kVowels + (b - kVowel)) * kTails;
  }
  if (a >= kSyllables && a < kSyllables + kLeads * kVowels * kTails && (a - kSyllables) % kTails == 0 && b > kTail &&
      b < kTail + kTails) {
    return a + (b - kTail);
  }
  const auto it = t.composition.find(Pair(a, b));
  return it == t.composition.end() ? 0 : it->second;
}

void sort_marks(std::vector<Piece>& pieces) {
  for (auto from = pieces.begin(); from != pieces.end();) {
    if (from->mark == 0) {
      ++from;
      continue;
    }
    const auto to = std::find_if(from, pieces.end(), [](const Piece& p) { return p.mark == 0; });
    std::stable_sort(from, to, [](const Piece& a, const Piece& b) { return a.mark < b.mark; });
    from = to;
  }
}

// Joins each starter with the marks behind it that nothing blocks; returns how many pieces remain.
size_t compose_all(std::vector<Piece>& pieces, const Tables& t) {
  size_t kept = 0;
  size_t starter = SIZE_MAX;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Piece piece = pieces[i];
    if (starter != SIZE_MAX) {
      const bool adjacent = kept == starter + 1;
      const bool blocked = !adjacent && (pieces[kept - 1].mark == 0 || pieces[kept - 1].mark >= piece.mark);
      const CodePoint joined = blocked ? 0 : compose(pieces[starter].code, piece.code, t);
      if (joined) {
        pieces[starter].code = joined;
        continue;
      }
    }
    if (piece.mark == 0) starter = kept;
    pieces[kept++] = piece;
  }
  return kept;
}

}  // namespace

bool is_surely_nfc(std::string_view text) {
  const CodeSet& suspects = tables().suspects;
  for (size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0xCC) {  // below U+0300 nothing is suspect
      at += static_cast<unsigned char>(text[at]) < 0x80 ? 1 : 2;
    } else if (suspects.contains(next(text, at))) {
      return false;
    }
  }
  return true;
}

std::string nfc(std::string_view text) {
  if (is_surely_nfc(text)) return std::string(text);
  const Tables& t = tables();
  std::vector<Piece> pieces;
  pieces.reserve(text.size());
  for (size_t at = 0; at < text.size();) decompose(next(text, at), t, pieces);
  sort_marks(pieces);
  pieces.resize(compose_all(pieces, t));
  std::string out;
  out.reserve(text.size());
  for (const Piece& piece : pieces) append_utf8(piece.code, out);
  return out;
}

}  // namespace pensee::unicode
