// See bpe_tokenizer.h. A call keeps all its room in one Call on its own stack, so that threads share nothing; words
// that came before in the same call are copied from its own output.
#include "text/bpe_tokenizer.h"

#include <algorithm>
#include <cstring>

namespace pensee {
namespace {

constexpr size_t kTextMax = size_t{1} << 31;
// What the patterns may cost in one call: a published one needs about a hundredth of it.
constexpr uint64_t kStepsFree = 10000000;
constexpr uint64_t kStepsPerByte = 4096;
constexpr size_t kCacheFrom = 512;  // bytes of text from which the cache pays
constexpr size_t kCacheSlots = 4096;
constexpr size_t kCachedWordMax = 32;

struct CachedWord {
  std::string_view word;  // lives as long as the call
  uint32_t begin = 0;     // its ids in the output
  uint32_t count = 0;
};

uint32_t cache_slot(std::string_view word) {
  uint64_t h = word.size();
  for (size_t i = 0; i < word.size(); i += 8) {
    uint64_t v = 0;
    std::memcpy(&v, word.data() + i, std::min<size_t>(8, word.size() - i));
    h = (h ^ v) * 0x9E3779B97F4A7C15u;
    h ^= h >> 29;
  }
  return static_cast<uint32_t>(h >> 20) & (kCacheSlots - 1);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

struct BpeTokenizer::Call {
  EncodeOptions options;
  std::vector<TokenId> ids;
  TextStore store;
  Regex::Workspace regex;
  Bpe::Workspace bpe;
  std::vector<CachedWord> cache;
  std::vector<std::string_view> words;
  std::vector<AddedTokens::Piece> pieces;
};

Result<std::shared_ptr<const Tokenizer>> BpeTokenizer::make(Parts parts, std::string_view where) {
  std::shared_ptr<BpeTokenizer> tokenizer(new BpeTokenizer(std::move(parts)));
  const Status status = tokenizer->build();
  if (!status.ok()) return Status(status.code(), format("{}: {}", where, status.message()));
  return std::shared_ptr<const Tokenizer>(std::move(tokenizer));
}

Status BpeTokenizer::build() {
  Status failure;
  const auto normalized = [&](std::string_view content) {
    TextStore store;
    Regex::Workspace workspace;
    Result<std::string_view> result = normalize(parts_.normalizers, content, store, workspace);
    if (!result.ok()) failure = result.status();
    return result.ok() ? std::string(*result) : std::string();
  };
  added_.build(std::move(parts_.added), normalized);
  PENSEE_TRY(failure);
  parts_.added.clear();
  const Vocabulary& vocabulary = parts_.bpe.vocabulary;
  for (TokenId id = 0; id < vocabulary.end(); ++id) {
    if (!vocabulary.has(id)) continue;
    const std::string_view text = vocabulary.text(id);
    if (parts_.byte_level_decoder && vocabulary.find(text) == id) continue;
    other_decoded_.emplace(parts_.byte_level_decoder ? std::string(text) : decoded(text), id);
  }
  vocab_size_ = vocabulary.end();
  for (const AddedToken& token : added_.all()) vocab_size_ = std::max(vocab_size_, token.id + 1);
  const auto known = [&](TokenId id) { return vocabulary.has(id) || added_.by_id(id) != nullptr; };
  for (const std::vector<TokenId>* ids : {&parts_.prefix, &parts_.suffix}) {
    for (const TokenId id : *ids) {
      if (!known(id)) return Status::corrupt("the post-processor adds token {}, which has no text", id);
    }
  }
  for (TokenId* id : {&parts_.bos, &parts_.eos}) {
    if (*id != kNoToken && !known(*id)) return Status::corrupt("bos or eos is token {}, which has no text", *id);
  }
  return Status();
}

Result<std::vector<TokenId>> BpeTokenizer::encode(std::string_view text, EncodeOptions options) const {
  if (text.size() >= kTextMax) {
    return Status::format(Code::bad_argument, "a text of {} bytes is too long to tokenize at once", text.size());
  }
  size_t bad_byte = 0;
  if (!valid_utf8(text, &bad_byte)) {
    return Status::format(Code::bad_argument, "the text is not valid UTF-8 at byte {} of {}", bad_byte, text.size());
  }
  Call call;
  call.options = options;
  call.regex.budget = kStepsFree + kStepsPerByte * text.size();
  call.ids.reserve(text.size() / 4 + 8);
  if (text.size() >= kCacheFrom) call.cache.resize(kCacheSlots);
  if (options.add_special) call.ids = parts_.prefix;
  std::vector<AddedTokens::Piece> pieces;
  added_.split(text, false, options.parse_special, pieces);
  for (const AddedTokens::Piece& piece : pieces) {
    if (piece.token >= 0) call.ids.push_back(piece.token);
    else PENSEE_TRY(encode_plain(piece.text, call));
  }
  if (options.add_special) call.ids.insert(call.ids.end(), parts_.suffix.begin(), parts_.suffix.end());
  return std::move(call.ids);
}

// A stretch without unnormalized added tokens.
Status BpeTokenizer::encode_plain(std::string_view text, Call& call) const {
  PENSEE_ASSIGN(const std::string_view normal, normalize(parts_.normalizers, text, call.store, call.regex));
  call.pieces.clear();
  added_.split(normal, true, call.options.parse_special, call.pieces);
  for (const AddedTokens::Piece& piece : call.pieces) {
    if (piece.token >= 0) {
      call.ids.push_back(piece.token);
      continue;
    }
    call.words.assign(1, piece.text);
    PENSEE_TRY(pre_tokenize(parts_.pre_tokenizers, call.words, call.store, call.regex));
    for (const std::string_view word : call.words) encode_word(word, call);
  }
  return Status();
}

void BpeTokenizer::encode_word(std::string_view word, Call& call) const {
  if (call.cache.empty() || word.size() > kCachedWordMax) return parts_.bpe.encode(word, call.bpe, call.ids);
  CachedWord& cached = call.cache[cache_slot(word)];
  if (cached.word == word) {
    for (uint32_t i = 0; i < cached.count; ++i) call.ids.push_back(call.ids[cached.begin + i]);
    return;
  }
  const size_t begin = call.ids.size();
  parts_.bpe.encode(word, call.bpe, call.ids);
  cached = {word, static_cast<uint32_t>(begin), static_cast<uint32_t>(call.ids.size() - begin)};
}

// The bytes that a token of this text stands for in a decoded reply.
std::string BpeTokenizer::decoded(std::string_view token) const {
  std::string bytes;
  if (parts_.byte_level_decoder) return unprintable_bytes(token, bytes) ? bytes : std::string(token);
  if (parts_.decode_byte_fallback && token.size() == 6 && token.substr(0, 3) == "<0x" && token[5] == '>' &&
      hex_digit(token[3]) >= 0 && hex_digit(token[4]) >= 0) {
    return std::string(1, static_cast<char>(hex_digit(token[3]) * 16 + hex_digit(token[4])));
  }
  bytes = token;
  for (const auto& [from, to] : parts_.decoder_replacements) {
    for (size_t at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at + to.size())) {
      bytes.replace(at, from.size(), to);
    }
  }
  return bytes;
}

Status BpeTokenizer::decode_append(TokenId id, bool skip_special, std::string& out) const {
  if (const AddedToken* token = added_.by_id(id)) {
    if (!skip_special || !token->special) out += decoded(token->shown);
    return Status();
  }
  const Vocabulary& vocabulary = parts_.bpe.vocabulary;
  if (!vocabulary.has(id)) {
    return Status::format(Code::bad_argument, "token {} has no text (the vocabulary ends at {})", id, vocab_size_);
  }
  if (parts_.byte_level_decoder) out += vocabulary.text(id);
  else out += decoded(vocabulary.text(id));
  return Status();
}

bool BpeTokenizer::is_special(TokenId id) const {
  const AddedToken* token = added_.by_id(id);
  return token && token->special;
}

TokenId BpeTokenizer::find(std::string_view token) const {
  if (const AddedToken* added = added_.by_content(token)) return added->id;
  if (parts_.byte_level_decoder) {
    const TokenId id = parts_.bpe.vocabulary.find(token);
    if (id != kNoToken) return id;
  }
  const auto it = other_decoded_.find(std::string(token));
  return it == other_decoded_.end() ? kNoToken : it->second;
}

}  // namespace pensee
