#include "reasoning/quoting.h"

#include <algorithm>

namespace pensee {
namespace {

struct Quote {
  std::string_view open, close;
};
// The last four: typographic quotes, guillemets, corner brackets (U+201C/D, U+00AB/BB, U+300C/D, U+300E/F).
constexpr Quote kQuotes[] = {{"`", "`"},
                             {"\"", "\""},
                             {"'", "'"},
                             {"\342\200\234", "\342\200\235"},
                             {"\302\253", "\302\273"},
                             {"\343\200\214", "\343\200\215"},
                             {"\343\200\216", "\343\200\217"}};

bool opens_after(char c) { return std::string_view(" \t([{<:,;=-/|*_~\"'`>").find(c) != std::string_view::npos; }

}  // namespace

void Quoting::text(std::string_view bytes) {
  for (const char c : bytes) byte(c);
}

void Quoting::byte(char c) {
  if (c == '\n') {
    closing_ = {};
    recent_.clear();
    ticks_ = 0;
    run_char_ = 0;
    blank_ = head_ = true;
    return;
  }
  const bool space = c == ' ' || c == '\t' || c == '\r';
  if (head_ && (c == '`' || c == '~') && (ticks_ == 0 || run_char_ == c)) {
    run_char_ = c;
    if (++ticks_ == 3 && (fence_char_ == 0 || fence_char_ == c)) {
      fence_char_ = fence_char_ ? 0 : c;
      opened_in_fence_ = 0;
      closing_ = {};
    }
  } else if (!space || ticks_ > 0) {
    head_ = false;
  }
  if (!space) blank_ = false;
  if (!fence_char_ && ticks_ < 3) quote_byte(c);
  recent_ += c;
  if (recent_.size() > 8) recent_.erase(0, 4);
}

void Quoting::quote_byte(char c) {
  const char before = recent_.empty() ? ' ' : recent_.back();
  if (c == '`' && before == '`') return;  // a run of ticks is one quote
  const std::string seen = recent_ + c;
  if (!closing_.empty()) {
    if (std::string_view(seen).ends_with(closing_)) closing_ = {};
    return;
  }
  for (const Quote& quote : kQuotes) {
    if (!std::string_view(seen).ends_with(quote.open)) continue;
    if (quote.open.size() == 1 && c != '`' && !opens_after(before)) continue;
    closing_ = quote.close;
  }
}

Quoting::Tag Quoting::judge(std::string_view next, bool last, bool closes, bool suspicious) const {
  // Whether the text after the tag begins with `wanted`.
  const auto follows = [&](std::string_view wanted) {
    if (next.substr(0, wanted.size()) == wanted) return Tag::literal;
    return !last && wanted.starts_with(next) ? Tag::undecided : Tag::real;
  };
  if (fence_char_ && closes) {
    if (next.empty() && last) return Tag::real;
    if (opened_in_fence_ > 0) return Tag::literal;
    if (blank_) return follows("\n" + std::string(3, fence_char_));
    const std::string_view gap = "\n\n";
    return next.starts_with(gap) ? Tag::real : !last && gap.starts_with(next) ? Tag::undecided : Tag::literal;
  }
  if (!closing_.empty()) {
    if (const Tag quoted = follows(closing_); quoted != Tag::real) return quoted;
  }
  if (suspicious && !blank_) {
    if (next.empty()) return last ? Tag::real : Tag::undecided;
    if (next[0] != '\n' && next[0] != '\r') return Tag::literal;
  }
  return Tag::real;
}

void Quoting::literal_open() {
  if (fence_char_) ++opened_in_fence_;
}

void Quoting::literal_close() { opened_in_fence_ = std::max(0, opened_in_fence_ - 1); }

}  // namespace pensee
