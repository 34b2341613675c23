// See added_tokens.h. The patterns are a sorted list that a match narrows byte by byte; most bytes of a text begin no
// pattern and are passed by one table.
#include "text/added_tokens.h"

#include <algorithm>

namespace pensee {
namespace {

bool guarded(const AddedToken& token) {
  if (token.special) return true;
  const std::string& s = token.content;
  return s.size() > 2 && ((s.front() == '<' && s.back() == '>') || (s.front() == '[' && s.back() == ']'));
}

bool standing_alone(std::string_view text, size_t begin, size_t end) {
  if (begin > 0) {
    size_t at = unicode::before(text, begin);
    if (unicode::word_set().contains(unicode::next(text, at))) return false;
  }
  return end == text.size() || !unicode::word_set().contains(unicode::next(text, end));
}

}  // namespace

void AddedTokens::Matcher::finish() {
  std::sort(patterns.begin(), patterns.end());
  // Of equal texts the smallest index, the one that wins, now comes first.
  patterns.erase(std::unique(patterns.begin(), patterns.end(),
                             [](const auto& a, const auto& b) { return a.first == b.first; }),
                 patterns.end());
  for (const auto& [text, token] : patterns) starts[static_cast<unsigned char>(text[0])] = true;
}

const std::pair<std::string, size_t>* AddedTokens::Matcher::longest(std::string_view text, size_t at) const {
  if (!starts[static_cast<unsigned char>(text[at])]) return nullptr;
  const std::pair<std::string, size_t>* found = nullptr;
  auto low = patterns.begin(), high = patterns.end();
  for (size_t depth = 0; low != high; ++depth) {
    if (low->first.size() == depth) {  // the shortest of the common prefix sorts first
      found = &*low;
      ++low;
    }
    if (at + depth >= text.size()) break;
    const auto byte = static_cast<unsigned char>(text[at + depth]);
    const auto byte_of = [depth](const auto& p) { return static_cast<unsigned char>(p.first[depth]); };
    low = std::partition_point(low, high, [&](const auto& p) { return byte_of(p) < byte; });
    high = std::partition_point(low, high, [&](const auto& p) { return byte_of(p) == byte; });
  }
  return found;
}

void AddedTokens::build(std::vector<AddedToken> tokens, const std::function<std::string(std::string_view)>& normalize) {
  std::stable_partition(tokens.begin(), tokens.end(), [](const AddedToken& t) { return t.special; });
  tokens_ = std::move(tokens);
  for (size_t i = 0; i < tokens_.size(); ++i) {
    AddedToken& token = tokens_[i];
    by_id_.emplace(token.id, i);
    by_content_.emplace(token.content, i);
    token.shown = token.normalized ? normalize(token.content) : token.content;
    if (!token.shown.empty()) matchers_[token.normalized].patterns.emplace_back(token.shown, i);
  }
  matchers_[0].finish();
  matchers_[1].finish();
}

void AddedTokens::split(std::string_view text, bool normalized, bool parse_special, std::vector<Piece>& out) const {
  const Matcher& matcher = matchers_[normalized];
  size_t done = 0;
  for (size_t at = 0; at < text.size() && !matcher.patterns.empty();) {
    const auto* match = matcher.longest(text, at);
    if (!match) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[match->second];
    size_t begin = at;
    size_t end = at + match->first.size();
    at = end;
    if (!parse_special && guarded(token)) continue;
    if (token.single_word && !standing_alone(text, begin, end)) continue;
    while (token.lstrip && begin > done) {
      const size_t left = unicode::before(text, begin);
      size_t behind = left;
      if (!unicode::space_set().contains(unicode::next(text, behind))) break;
      begin = left;
    }
    while (token.rstrip && end < text.size()) {
      size_t behind = end;
      if (!unicode::space_set().contains(unicode::next(text, behind))) break;
      end = behind;
    }
    begin = std::max(begin, done);
    if (begin > done) out.push_back({text.substr(done, begin - done), -1});
    out.push_back({text.substr(begin, std::max(end, begin) - begin), token.id});
    done = std::max(end, done);
  }
  if (done < text.size()) out.push_back({text.substr(done), -1});
}

const AddedToken* AddedTokens::by_id(TokenId id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &tokens_[it->second];
}

const AddedToken* AddedTokens::by_content(std::string_view content) const {
  const auto it = by_content_.find(std::string(content));
  return it == by_content_.end() ? nullptr : &tokens_[it->second];
}

}  // namespace pensee
