// See tokenizer_parts.h.
#include "text/tokenizer_parts.h"

#include <algorithm>

namespace pensee {
namespace {

constexpr std::string_view kGpt2Words = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace

Status TokenTexts::reserve(size_t tokens) {
  if (tokens >= static_cast<size_t>(kTokenIdMax)) {
    return Status::corrupt("{}: {} has {} tokens, more than {}", file_, place_, tokens, kTokenIdMax);
  }
  // Holes are fine, but a few tokens must not claim room for millions.
  ids_max_ = std::min(static_cast<size_t>(kTokenIdMax), tokens * 4 + (size_t{1} << 20));
  bpe_.vocabulary.reserve(tokens, ids_max_);
  return Status();
}

Status TokenTexts::refuse(std::string_view printed, int64_t id) const {
  if (id < 0 || static_cast<uint64_t>(id) >= ids_max_) {
    return Status::corrupt("{}: {}: token '{}' has the id {}, outside of 0..{}", file_, place_, printed, id,
                           ids_max_ - 1);
  }
  if (bpe_.vocabulary.has(static_cast<TokenId>(id))) {
    return Status::corrupt("{}: {}: token '{}' has the id {}, which another token has", file_, place_, printed, id);
  }
  return Status::corrupt("{}: {}: token '{}' stands there twice", file_, place_, printed);
}

Status TokenTexts::add(std::string_view printed, int64_t id) {
  if (!valid_utf8(printed, nullptr)) {
    return Status::corrupt("{}: {}: the text of token {} is not valid UTF-8", file_, place_, id);
  }
  const bool bytes = bpe_.options.byte_level && unprintable_bytes(printed, bytes_);
  if (bpe_.options.byte_level && !bytes) return add_raw(printed, id);
  if (id < 0 || id >= kTokenIdMax ||
      !bpe_.vocabulary.add(bytes ? std::string_view(bytes_) : printed, static_cast<TokenId>(id), true)) {
    return refuse(printed, id);
  }
  return Status();
}

Status TokenTexts::add_raw(std::string_view content, int64_t id) {
  if (!valid_utf8(content, nullptr)) {
    return Status::corrupt("{}: {}: the text of token {} is not valid UTF-8", file_, place_, id);
  }
  if (id < 0 || id >= kTokenIdMax || raw_.contains(std::string(content)) ||
      !bpe_.vocabulary.add(content, static_cast<TokenId>(id), false)) {
    return refuse(content, id);
  }
  raw_.emplace(content, static_cast<TokenId>(id));
  return Status();
}

Status TokenTexts::add_unused(int64_t id) {
  if (id < 0 || id >= kTokenIdMax || !bpe_.vocabulary.add("", static_cast<TokenId>(id), false)) return refuse("", id);
  return Status();
}

TokenId TokenTexts::find(std::string_view printed) const {
  if (!bpe_.options.byte_level) return bpe_.vocabulary.find(printed);
  if (valid_utf8(printed, nullptr) && unprintable_bytes(printed, bytes_)) return bpe_.vocabulary.find(bytes_);
  const auto it = raw_.find(std::string(printed));
  return it == raw_.end() ? kNoToken : it->second;
}

Status TokenTexts::add_merges(const json::Array& merges, std::string_view place) {
  bpe_.merges.reserve(merges.size());
  std::string joint;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const json::Value& merge = merges[rank];
    std::string_view left, right;
    const json::Array* pair = merge.array();
    if (pair && pair->size() == 2 && (*pair)[0].string() && (*pair)[1].string()) {
      left = *(*pair)[0].string();
      right = *(*pair)[1].string();
    } else if (merge.string()) {
      const std::string_view line = *merge.string();
      const size_t space = line.find(' ');
      if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
        return Status::corrupt("{}: {}[{}] '{}' is not two tokens with a space between", file_, place, rank, line);
      }
      left = line.substr(0, space);
      right = line.substr(space + 1);
    } else {
      return Status::corrupt("{}: {}[{}] is neither a string nor a pair of strings", file_, place, rank);
    }
    const TokenId a = find(left), b = find(right);
    if (a == kNoToken || b == kNoToken) {
      return Status::corrupt("{}: {}[{}] joins '{}', which is not in the vocabulary", file_, place, rank,
                             a == kNoToken ? left : right);
    }
    joint.assign(left).append(right);
    const TokenId joined = find(joint);
    if (joined == kNoToken) {
      return Status::corrupt("{}: {}[{}] makes '{}', which is not in the vocabulary", file_, place, rank, joint);
    }
    bpe_.merges.set(a, b, static_cast<uint32_t>(rank), joined);
  }
  return Status();
}

void TokenTexts::merges_from_ids() {
  struct Merge {
    TokenId left, right, joined;
  };
  std::vector<Merge> found;
  const Vocabulary& vocabulary = bpe_.vocabulary;
  constexpr size_t kTokenBytesMax = 1024;  // longer ones are not made by joining; keeps a lying file from costing n^2
  for (TokenId id = 0; id < vocabulary.end(); ++id) {
    if (!vocabulary.has(id)) continue;
    const std::string_view text = vocabulary.text(id);
    if (text.size() > kTokenBytesMax || vocabulary.find(text) != id) continue;
    for (size_t cut = 1; cut < text.size(); ++cut) {
      const TokenId left = vocabulary.find(text.substr(0, cut));
      const TokenId right = left == kNoToken ? kNoToken : vocabulary.find(text.substr(cut));
      if (right != kNoToken) found.push_back({left, right, id});
    }
  }
  bpe_.merges.reserve(found.size());
  for (const Merge& merge : found) {
    bpe_.merges.set(merge.left, merge.right, static_cast<uint32_t>(merge.joined), merge.joined);
  }
}

Status add_added(BpeTokenizer::Parts& parts, AddedToken token, int64_t id, std::string_view file,
                 std::string_view place) {
  if (!valid_utf8(token.content, nullptr)) return Status::corrupt("{}: {} is not valid UTF-8", file, place);
  if (id < 0 || id >= kTokenIdMax) {
    return Status::corrupt("{}: {} '{}' has the id {}, outside of 0..{}", file, place, token.content, id,
                           kTokenIdMax - 1);
  }
  if (token.content.empty()) return Status();
  token.id = static_cast<TokenId>(id);
  const Vocabulary& vocabulary = parts.bpe.vocabulary;
  std::string bytes;
  const bool printed = !parts.bpe.options.byte_level || unprintable_bytes(token.content, bytes);
  if (!printed || !parts.bpe.options.byte_level) bytes = token.content;
  if (vocabulary.has(token.id) && vocabulary.text(token.id) != bytes && vocabulary.text(token.id) != token.content) {
    return Status::corrupt("{}: {} '{}' has the id {}, which another token has", file, place, token.content, id);
  }
  const TokenId known = printed ? vocabulary.find(bytes) : kNoToken;
  if (!vocabulary.has(token.id) && known != kNoToken) {
    return Status::corrupt("{}: {} '{}' has the id {}, but {} in the vocabulary", file, place, token.content, id,
                           known);
  }
  const auto [it, fresh] = parts.added_by_id.emplace(token.id, parts.added.size());
  if (!fresh) {
    if (parts.added[it->second].content == token.content) return Status();
    return Status::corrupt("{}: {} '{}' has the id {}, which '{}' has", file, place, token.content, id,
                           parts.added[it->second].content);
  }
  parts.added.push_back(std::move(token));
  return Status();
}

Status add_byte_level(BpeTokenizer::Parts& parts, bool prefix_space, bool use_regex) {
  if (prefix_space) {
    PreTokenizer step;
    step.kind = PreTokenizer::Kind::prefix_space;
    parts.pre_tokenizers.push_back(std::move(step));
  }
  if (use_regex) PENSEE_TRY(add_regex(parts, kGpt2Words, "ByteLevel"));
  parts.words_are_bytes = true;
  return Status();
}

Status add_regex(BpeTokenizer::Parts& parts, std::string_view pattern, std::string_view where) {
  PreTokenizer step;
  PENSEE_ASSIGN(Regex regex, Regex::compile(pattern, where));
  step.pattern.what = std::move(regex);
  parts.pre_tokenizers.push_back(std::move(step));
  return Status();
}

}  // namespace pensee
