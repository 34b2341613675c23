// Reads the "tokenizer.ggml.*" keys of a GGUF file. "gpt2" is byte-level BPE, its words told by "tokenizer.ggml.pre";
// "llama" is SentencePiece's BPE, whose merges follow from the scores as transformers derives them. The file keeps
// less than tokenizer.json (no lstrip, no normalized): added tokens are matched as they stand.
#include <algorithm>
#include <tuple>

#include "text/gguf_pre.h"
#include "text/tokenizer_parts.h"

namespace pensee {
namespace {

enum TokenType : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

class GgufReader {
 public:
  GgufReader(const json::Value& metadata, std::string_view name) : metadata_(metadata), name_(name) {}

  Result<std::shared_ptr<const Tokenizer>> read() {
    const json::Value* model = key("model");
    if (!model || !model->string()) return Status::corrupt("{}: tokenizer.ggml.model is missing", name_);
    if (*model->string() == "gpt2") PENSEE_TRY(read_gpt2());
    else if (*model->string() == "llama") PENSEE_TRY(read_llama());
    else return Status::unsupported("{}: tokenizer.ggml.model '{}' is not supported", name_, *model->string());
    PENSEE_TRY(read_ends());
    return BpeTokenizer::make(std::move(parts_), name_);
  }

 private:
  const json::Value* key(std::string_view last) const { return metadata_.find(format("tokenizer.ggml.{}", last)); }
  bool flag(std::string_view last, bool otherwise) const {
    const json::Value* value = key(last);
    return value && value->boolean() ? *value->boolean() : otherwise;
  }
  Result<const json::Array*> list(std::string_view last) const {
    const json::Value* value = key(last);
    if (!value || !value->array()) return Status::corrupt("{}: tokenizer.ggml.{} is no list", name_, last);
    return value->array();
  }
  Status read_gpt2();
  Status read_llama();
  Status read_tokens(TokenTexts& texts);
  Status read_token(TokenTexts& texts, const std::string& text, int64_t type, int64_t id);
  Status merges_from_scores(const json::Array& tokens);
  Status read_ends();
  Status read_end(std::string_view last, TokenId& id);

  const json::Value& metadata_;
  std::string_view name_;
  BpeTokenizer::Parts parts_;
  bool adds_bos_ = false;  // when the file does not say
};

Status GgufReader::read_token(TokenTexts& texts, const std::string& text, int64_t type, int64_t id) {
  if (type == kUnused) return texts.add_unused(id);
  const bool added = type == kControl || type == kUserDefined || type == kUnknown;
  if (!added) return texts.add(text, id);
  AddedToken token;
  token.content = text;
  token.special = type != kUserDefined;
  if (text.empty()) return texts.add_unused(id);
  if (!parts_.bpe.options.byte_level) PENSEE_TRY(texts.add(text, id));  // its scores and <unk> need it
  return add_added(parts_, std::move(token), id, name_, format("tokenizer.ggml.tokens[{}]", id));
}

Status GgufReader::read_tokens(TokenTexts& texts) {
  PENSEE_ASSIGN(const json::Array* tokens, list("tokens"));
  const json::Value* types = key("token_type");
  const json::Array* type_list = types ? types->array() : nullptr;
  if (types && (!type_list || type_list->size() != tokens->size())) {
    return Status::corrupt("{}: tokenizer.ggml.token_type does not have one entry for each of {} tokens", name_,
                           tokens->size());
  }
  PENSEE_TRY(texts.reserve(tokens->size()));
  for (size_t i = 0; i < tokens->size(); ++i) {
    const std::string* text = (*tokens)[i].string();
    if (!text) return Status::corrupt("{}: tokenizer.ggml.tokens[{}] is no string", name_, i);
    const int64_t* type = type_list ? (*type_list)[i].integer() : nullptr;
    if (type_list && !type) return Status::corrupt("{}: tokenizer.ggml.token_type[{}] is no integer", name_, i);
    PENSEE_TRY(read_token(texts, *text, type ? *type : kNormal, static_cast<int64_t>(i)));
  }
  return Status();
}

Status GgufReader::read_gpt2() {
  const json::Value* pre = key("pre");
  const std::string_view pre_name = pre && pre->string() ? std::string_view(*pre->string()) : "default";
  const GgufPre* row = find_gguf_pre(pre_name);
  if (!row) return Status::unsupported("{}: tokenizer.ggml.pre '{}' is not supported", name_, pre_name);
  adds_bos_ = row->adds_bos;
  parts_.bpe.options.ignore_merges = row->ignore_merges;
  if (row->nfc) parts_.normalizers.emplace_back();
  for (const char* pattern : row->patterns) {
    PENSEE_TRY(add_regex(parts_, pattern, format("tokenizer.ggml.pre '{}'", pre_name)));
  }
  PENSEE_TRY(add_byte_level(parts_, flag("add_space_prefix", false), false));
  TokenTexts texts(parts_.bpe, name_, "tokenizer.ggml.tokens");
  PENSEE_TRY(read_tokens(texts));
  if (!key("merges") && pre_name == "kimi-k2") {
    texts.merges_from_ids();
  } else {
    PENSEE_ASSIGN(const json::Array* merges, list("merges"));
    PENSEE_TRY(texts.add_merges(*merges, "tokenizer.ggml.merges"));
  }
  parts_.bpe.prepare();
  return Status();
}

Status GgufReader::merges_from_scores(const json::Array& tokens) {
  PENSEE_ASSIGN(const json::Array* scores, list("scores"));
  if (scores->size() != tokens.size()) {
    return Status::corrupt("{}: tokenizer.ggml.scores does not have one entry for each of {} tokens", name_,
                           tokens.size());
  }
  struct Merge {
    double score;
    size_t left_characters, right_characters;
    TokenId left, right, joined;
  };
  std::vector<Merge> found;
  const Vocabulary& vocabulary = parts_.bpe.vocabulary;
  constexpr size_t kTokenBytesMax = 1024;
  for (TokenId id = 0; id < vocabulary.end(); ++id) {
    if (!vocabulary.has(id) || vocabulary.text(id).size() > kTokenBytesMax) continue;
    const std::string_view text = vocabulary.text(id);
    std::vector<Merge> local;
    size_t characters = 0;
    for (size_t at = 0; at < text.size(); ++characters) {
      const TokenId left = at > 0 ? vocabulary.find(text.substr(0, at)) : kNoToken;
      const TokenId right = left != kNoToken ? vocabulary.find(text.substr(at)) : kNoToken;
      const double score = (*scores)[static_cast<size_t>(id)].number(0);
      if (right != kNoToken) local.push_back({score, characters, 0, left, right, id});
      unicode::next(text, at);
    }
    for (Merge& merge : local) merge.right_characters = characters - merge.left_characters;
    std::sort(local.begin(), local.end(),
              [](const Merge& a, const Merge& b) { return std::tie(a.left, a.right) < std::tie(b.left, b.right); });
    found.insert(found.end(), local.begin(), local.end());
  }
  std::stable_sort(found.begin(), found.end(), [](const Merge& a, const Merge& b) {
    return std::tie(a.score, a.left_characters, a.right_characters) >
           std::tie(b.score, b.left_characters, b.right_characters);
  });
  parts_.bpe.merges.reserve(found.size());
  for (size_t rank = 0; rank < found.size(); ++rank) {
    parts_.bpe.merges.set(found[rank].left, found[rank].right, static_cast<uint32_t>(rank), found[rank].joined);
  }
  return Status();
}

// What transformers makes of a Llama-2 or Mixtral vocabulary: U+2581 for spaces, one before the text, unknown
// characters as bytes.
Status GgufReader::read_llama() {
  const std::string space = "\xE2\x96\x81";
  Bpe::Options& options = parts_.bpe.options;
  options.byte_level = parts_.byte_level_decoder = false;
  options.byte_fallback = options.fuse_unk = parts_.decode_byte_fallback = true;
  adds_bos_ = true;
  parts_.decoder_replacements.emplace_back(space, " ");
  if (flag("add_space_prefix", true)) {
    Normalizer prepend;
    prepend.kind = Normalizer::Kind::prepend;
    prepend.content = space;
    parts_.normalizers.push_back(std::move(prepend));
  }
  Normalizer spaces;
  spaces.kind = Normalizer::Kind::replace;
  spaces.pattern = TextPattern{std::string(" ")};
  spaces.content = space;
  parts_.normalizers.push_back(std::move(spaces));
  TokenTexts texts(parts_.bpe, name_, "tokenizer.ggml.tokens");
  PENSEE_TRY(read_tokens(texts));
  PENSEE_ASSIGN(const json::Array* tokens, list("tokens"));
  PENSEE_TRY(merges_from_scores(*tokens));
  PENSEE_TRY(read_end("unknown_token_id", options.unk));
  parts_.bpe.prepare();
  return Status();
}

Status GgufReader::read_end(std::string_view last, TokenId& id) {
  const json::Value* value = key(last);
  if (!value) return Status();
  if (!value->integer() || *value->integer() < 0 || *value->integer() >= kTokenIdMax) {
    return Status::corrupt("{}: tokenizer.ggml.{} is no token", name_, last);
  }
  id = static_cast<TokenId>(*value->integer());
  return Status();
}

Status GgufReader::read_ends() {
  PENSEE_TRY(read_end("bos_token_id", parts_.bos));
  PENSEE_TRY(read_end("eos_token_id", parts_.eos));
  if (flag("add_bos_token", adds_bos_) && parts_.bos != kNoToken) parts_.prefix.push_back(parts_.bos);
  if (flag("add_eos_token", false) && parts_.eos != kNoToken) parts_.suffix.push_back(parts_.eos);
  return Status();
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> make_tokenizer_gguf(const json::Value& metadata, std::string_view name) {
  return GgufReader(metadata, name).read();
}

}  // namespace pensee
