// UTF-8 from outside: checked before tokenizing, and joined from token pieces while a reply streams. An ill-formed run
// becomes one U+FFFD for each maximal subpart (Unicode 3.9, table 3-8), as the `tokenizers` library prints it.
#include "text/tokenizer.h"

namespace pensee {
namespace {

struct Step {
  enum Kind { whole, ill, unfinished } kind;
  size_t bytes;  // of the code point, or of the maximal ill-formed or unfinished part
};

// What stands at `at` (< text.size()).
Step step(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return {Step::whole, 1};
  size_t length = 0;
  unsigned char low = 0x80, high = 0xBF;  // bounds of the second byte
  if (first >= 0xC2 && first <= 0xDF) length = 2;
  else if (first >= 0xE0 && first <= 0xEF) length = 3;
  else if (first >= 0xF0 && first <= 0xF4) length = 4;
  else return {Step::ill, 1};
  if (first == 0xE0) low = 0xA0;
  if (first == 0xED) high = 0x9F;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  for (size_t i = 1; i < length; ++i) {
    if (at + i >= text.size()) return {Step::unfinished, i};
    if (byte(at + i) < low || byte(at + i) > high) return {Step::ill, i};
    low = 0x80;
    high = 0xBF;
  }
  return {Step::whole, length};
}

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

}  // namespace

bool valid_utf8(std::string_view text, size_t* bad_byte) {
  for (size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Step s = step(text, at);
    if (s.kind != Step::whole) {
      if (bad_byte) *bad_byte = at;
      return false;
    }
    at += s.bytes;
  }
  return true;
}

std::string Utf8Joiner::push(std::string_view bytes) {
  pending_.append(bytes);
  std::string out;
  size_t at = 0;
  while (at < pending_.size()) {
    const Step s = step(pending_, at);
    if (s.kind == Step::unfinished) break;
    if (s.kind == Step::whole) out.append(pending_, at, s.bytes);
    else out.append(kReplacement);
    at += s.bytes;
  }
  pending_.erase(0, at);
  return out;
}

std::string Utf8Joiner::flush() {
  const bool unfinished = !pending_.empty();
  pending_.clear();
  return unfinished ? std::string(kReplacement) : std::string();
}

}  // namespace pensee
