// See pretokenize.h. A step first lists what its pattern matches and what lies between, in order; the behaviour then
// says which neighbours stay together. Both follow the `tokenizers` library, down to what an empty match does.
#include "text/pretokenize.h"

#include <algorithm>

namespace pensee {
namespace {

struct Span {
  size_t begin = 0;
  size_t end = 0;
  bool match = false;
};

// Each match with the text between, all of `text` in order.
class Spans {
 public:
  Spans(std::string_view text, Regex::Workspace& workspace) : text_(text), workspace_(workspace) {}

  Status find(const TextPattern& pattern) {
    if (const auto* regex = std::get_if<Regex>(&pattern.what)) PENSEE_TRY(find_regex(*regex));
    else if (const auto* literal = std::get_if<std::string>(&pattern.what)) find_literal(*literal);
    else find_set(*std::get_if<unicode::CodeSet>(&pattern.what));
    if (done_ < text_.size()) list.push_back({done_, text_.size(), false});
    return Status();
  }
  std::vector<Span> list;

 private:
  void add(size_t begin, size_t end) {
    if (begin > done_) list.push_back({done_, begin, false});
    list.push_back({begin, end, true});
    done_ = end;
  }
  // An empty match right behind another one does not count (as in Oniguruma's iterator).
  Status find_regex(const Regex& regex) {
    size_t from = 0;
    size_t last_end = SIZE_MAX;
    while (from <= text_.size()) {
      Regex::Match match;
      PENSEE_ASSIGN(const bool found, regex.find(text_, from, workspace_, match));
      if (!found) break;
      if (match.begin == match.end && match.end == last_end) {
        if (from >= text_.size()) break;
        unicode::next(text_, from);
        continue;
      }
      add(match.begin, match.end);
      from = last_end = match.end;
    }
    return Status();
  }
  void find_literal(const std::string& literal) {
    if (literal.empty()) return;
    for (size_t at = text_.find(literal); at != std::string_view::npos; at = text_.find(literal, at + literal.size())) {
      add(at, at + literal.size());
    }
  }
  void find_set(const unicode::CodeSet& set) {
    for (size_t at = 0; at < text_.size();) {
      const size_t begin = at;
      if (set.contains(unicode::next(text_, at))) add(begin, at);
    }
  }

  std::string_view text_;
  Regex::Workspace& workspace_;
  size_t done_ = 0;
};

void merge_spans(std::vector<Span>& spans, PreTokenizer::Behavior behavior) {
  std::vector<Span> out;
  bool last_match = false;
  const bool backwards = behavior == PreTokenizer::Behavior::merged_with_next;
  if (backwards) std::reverse(spans.begin(), spans.end());
  for (const Span& span : spans) {
    const bool joins = behavior == PreTokenizer::Behavior::contiguous ? span.match == last_match
                                                                      : span.match && !last_match;
    last_match = span.match;
    if (!joins || out.empty()) out.push_back(span);
    else if (backwards) out.back().begin = span.begin;
    else out.back().end = span.end;
  }
  if (backwards) std::reverse(out.begin(), out.end());
  spans = std::move(out);
}

Status split(const PreTokenizer& step, std::string_view text, Regex::Workspace& workspace,
             std::vector<std::string_view>& out) {
  using Behavior = PreTokenizer::Behavior;
  Spans spans(text, workspace);
  PENSEE_TRY(spans.find(step.pattern));
  if (step.invert) {
    for (Span& span : spans.list) span.match = !span.match;
  }
  if (step.behavior != Behavior::isolated && step.behavior != Behavior::removed) {
    merge_spans(spans.list, step.behavior);
  }
  for (const Span& span : spans.list) {
    const bool removed = step.behavior == Behavior::removed && span.match;
    if (span.end > span.begin && !removed) out.push_back(text.substr(span.begin, span.end - span.begin));
  }
  return Status();
}

Result<std::string> replace(const Normalizer& step, std::string_view text, Regex::Workspace& workspace) {
  Spans spans(text, workspace);
  PENSEE_TRY(spans.find(*step.pattern));
  std::string out;
  for (const Span& span : spans.list) {
    out.append(span.match ? std::string_view(step.content) : text.substr(span.begin, span.end - span.begin));
  }
  return out;
}

std::string_view strip(const Normalizer& step, std::string_view text) {
  const unicode::CodeSet& space = unicode::space_set();
  while (step.strip_left && !text.empty()) {
    size_t behind = 0;
    if (!space.contains(unicode::next(text, behind))) break;
    text.remove_prefix(behind);
  }
  while (step.strip_right && !text.empty()) {
    const size_t last = unicode::before(text, text.size());
    size_t behind = last;
    if (!space.contains(unicode::next(text, behind))) break;
    text = text.substr(0, last);
  }
  return text;
}

}  // namespace

Result<std::string_view> normalize(const std::vector<Normalizer>& steps, std::string_view text, TextStore& store,
                                   Regex::Workspace& workspace) {
  for (const Normalizer& step : steps) {
    switch (step.kind) {
      case Normalizer::Kind::nfc:
        if (!unicode::is_surely_nfc(text)) text = store.emplace_back(unicode::nfc(text));
        break;
      case Normalizer::Kind::prepend:
        if (!text.empty()) text = store.emplace_back(step.content + std::string(text));
        break;
      case Normalizer::Kind::replace: {
        PENSEE_ASSIGN(std::string replaced, replace(step, text, workspace));
        text = store.emplace_back(std::move(replaced));
        break;
      }
      case Normalizer::Kind::strip:
        text = strip(step, text);
        break;
    }
  }
  return text;
}

Status pre_tokenize(const std::vector<PreTokenizer>& steps, std::vector<std::string_view>& pieces, TextStore& store,
                    Regex::Workspace& workspace) {
  std::vector<std::string_view> cut;
  for (const PreTokenizer& step : steps) {
    cut.clear();
    for (const std::string_view piece : pieces) {
      if (step.kind == PreTokenizer::Kind::split) PENSEE_TRY(split(step, piece, workspace, cut));
      else if (piece.substr(0, 1) == " ") cut.push_back(piece);
      else cut.push_back(store.emplace_back(" " + std::string(piece)));
    }
    pieces.swap(cut);
  }
  return Status();
}

}  // namespace pensee
