// Reads tokenizer.json (and what tokenizer_config.json adds to it) into a BpeTokenizer. Every part that we do not do
// exactly as the `tokenizers` library is an UNSUPPORTED error that names it; every part that contradicts itself a
// FILE_CORRUPT one that names the place.
#include <algorithm>

#include "text/bpe_tokenizer.h"
#include "text/tokenizer_parts.h"

namespace pensee {
namespace {

constexpr std::string_view kFile = "tokenizer.json";
constexpr int kDepthMax = 16;

std::string_view type_of(const json::Value& part) {
  const json::Value* type = part.find("type");
  return type && type->string() ? std::string_view(*type->string()) : std::string_view();
}

bool flag(const json::Value& part, std::string_view name, bool otherwise) {
  const json::Value* value = part.find(name);
  return value && value->boolean() ? *value->boolean() : otherwise;
}

std::string_view text(const json::Value& part, std::string_view name) {
  const json::Value* value = part.find(name);
  return value && value->string() ? std::string_view(*value->string()) : std::string_view();
}

Status unknown_part(std::string_view place, std::string_view what) {
  return Status::unsupported("{}: {} '{}' is not supported", kFile, place, what);
}

class Reader {
 public:
  Reader(const json::Value& tokenizer, const json::Value& config) : root_(tokenizer), config_(config) {}

  Result<std::shared_ptr<const Tokenizer>> read() {
    if (!root_.object()) return Status::corrupt("{}: the file holds no object", kFile);
    PENSEE_TRY(read_model());
    PENSEE_TRY(read_added());
    if (const json::Value* part = root_.find("normalizer")) PENSEE_TRY(read_normalizer(*part, 0));
    if (const json::Value* part = root_.find("pre_tokenizer")) PENSEE_TRY(read_pre_tokenizer(*part, 0));
    if (const json::Value* part = root_.find("decoder")) PENSEE_TRY(read_decoder(*part, 0));
    if (byte_level_ != parts_.byte_level_decoder) {
      return Status::unsupported("{}: ByteLevel stands only in one of pre_tokenizer and decoder", kFile);
    }
    if (const json::Value* part = root_.find("post_processor")) PENSEE_TRY(read_post_processor(*part, 0));
    PENSEE_TRY(read_config());
    return BpeTokenizer::make(std::move(parts_), kFile);
  }

 private:
  Status read_model();
  Status read_added();
  Status read_normalizer(const json::Value& part, int depth);
  Status read_pre_tokenizer(const json::Value& part, int depth);
  Status read_split(const json::Value& part);
  Status read_decoder(const json::Value& part, int depth);
  Status read_post_processor(const json::Value& part, int depth);
  Status read_template(const json::Value& part);
  Status read_config();
  Result<TextPattern> read_pattern(const json::Value& part, std::string_view place);
  // Runs `one` over the members of a Sequence.
  template <class F>
  Status each(const json::Value& part, std::string_view list, std::string_view place, F&& one) {
    const json::Value* members = part.find(list);
    if (!members || !members->array()) return Status::corrupt("{}: {}: '{}' is no list", kFile, place, list);
    for (const json::Value& member : *members->array()) PENSEE_TRY(one(member));
    return Status();
  }
  TokenId token(std::string_view content) const {
    for (const AddedToken& added : parts_.added) {
      if (added.content == content) return added.id;
    }
    return parts_.bpe.vocabulary.find(content);
  }
  TokenId config_token(std::string_view name) const;

  const json::Value& root_;
  const json::Value& config_;
  BpeTokenizer::Parts parts_;
  bool byte_level_ = false;  // the pre-tokenizer ends in ByteLevel
};

// Whether words will be bytes, which decides how the vocabulary is kept, before the parts are read in earnest.
bool has_byte_level(const json::Value* part, int depth) {
  if (!part || depth > kDepthMax) return false;
  if (type_of(*part) == "ByteLevel") return true;
  const json::Value* list = part->find("pretokenizers");
  if (!list || !list->array()) return false;
  return std::any_of(list->array()->begin(), list->array()->end(),
                     [depth](const json::Value& one) { return has_byte_level(&one, depth + 1); });
}

Status Reader::read_model() {
  const json::Value* model = root_.find("model");
  if (!model || !model->object()) return Status::corrupt("{}: 'model' is missing", kFile);
  const std::string_view type = type_of(*model);
  if (type != "BPE" && !(type.empty() && model->find("merges"))) return unknown_part("model", type);
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!text(*model, name).empty()) return unknown_part(format("model.{}", name), text(*model, name));
  }
  const json::Value* dropout = model->find("dropout");
  if (dropout && dropout->number(0) != 0) return Status::unsupported("{}: model.dropout is not supported", kFile);
  byte_level_ = has_byte_level(root_.find("pre_tokenizer"), 0);
  Bpe& bpe = parts_.bpe;
  bpe.options.byte_level = byte_level_;
  bpe.options.ignore_merges = flag(*model, "ignore_merges", false);
  bpe.options.byte_fallback = flag(*model, "byte_fallback", false);
  bpe.options.fuse_unk = flag(*model, "fuse_unk", false);
  if (bpe.options.byte_fallback && byte_level_) {
    return Status::unsupported("{}: model.byte_fallback together with ByteLevel is not supported", kFile);
  }
  const json::Value* vocab = model->find("vocab");
  const json::Value* merges = model->find("merges");
  if (!vocab || !vocab->object()) return Status::corrupt("{}: model.vocab is no object", kFile);
  if (!merges || !merges->array()) return Status::corrupt("{}: model.merges is no list", kFile);
  TokenTexts texts(bpe, kFile, "model.vocab");
  PENSEE_TRY(texts.reserve(vocab->object()->size()));
  for (const auto& [token, id] : *vocab->object()) {
    if (!id.integer()) return Status::corrupt("{}: model.vocab: the id of '{}' is no integer", kFile, token);
    PENSEE_TRY(texts.add(token, *id.integer()));
  }
  if (const std::string_view unk = text(*model, "unk_token"); !unk.empty()) {
    bpe.options.unk = texts.find(unk);
    if (bpe.options.unk == kNoToken) {
      return Status::corrupt("{}: model.unk_token '{}' is not in the vocabulary", kFile, unk);
    }
  }
  PENSEE_TRY(texts.add_merges(*merges->array(), "model.merges"));
  bpe.prepare();
  return Status();
}

Status Reader::read_added() {
  const json::Value* list = root_.find("added_tokens");
  if (!list || list->is_null()) return Status();
  if (!list->array()) return Status::corrupt("{}: added_tokens is no list", kFile);
  for (size_t i = 0; i < list->array()->size(); ++i) {
    const json::Value& one = (*list->array())[i];
    const json::Value* id = one.find("id");
    const json::Value* content = one.find("content");
    if (!id || !id->integer() || !content || !content->string()) {
      return Status::corrupt("{}: added_tokens[{}] has no integer 'id' or no string 'content'", kFile, i);
    }
    AddedToken token;
    token.content = *content->string();
    token.single_word = flag(one, "single_word", false);
    token.lstrip = flag(one, "lstrip", false);
    token.rstrip = flag(one, "rstrip", false);
    token.special = flag(one, "special", false);
    token.normalized = flag(one, "normalized", !token.special);
    PENSEE_TRY(add_added(parts_, std::move(token), *id->integer(), kFile, format("added_tokens[{}]", i)));
  }
  return Status();
}

Result<TextPattern> Reader::read_pattern(const json::Value& part, std::string_view place) {
  const json::Value* pattern = part.find("pattern");
  const json::Value* literal = pattern ? pattern->find("String") : nullptr;
  const json::Value* regex = pattern ? pattern->find("Regex") : nullptr;
  if (literal && literal->string()) {
    if (valid_utf8(*literal->string(), nullptr)) return TextPattern{*literal->string()};
    return Status::corrupt("{}: {}: a pattern is not valid UTF-8", kFile, place);
  }
  if (!regex || !regex->string()) return Status::corrupt("{}: {}: 'pattern' is neither String nor Regex", kFile, place);
  PENSEE_ASSIGN(Regex compiled, Regex::compile(*regex->string(), format("{}: {}", kFile, place)));
  return TextPattern{std::move(compiled)};
}

Status Reader::read_normalizer(const json::Value& part, int depth) {
  if (part.is_null()) return Status();
  const std::string_view type = type_of(part);
  if (depth > kDepthMax) return unknown_part("normalizer", "nested too deep");
  if (type == "Sequence") {
    return each(part, "normalizers", "normalizer",
                [&](const json::Value& one) { return read_normalizer(one, depth + 1); });
  }
  Normalizer step;
  if (type == "NFC") {
    step.kind = Normalizer::Kind::nfc;
  } else if (type == "Prepend") {
    step.kind = Normalizer::Kind::prepend;
    step.content = text(part, "prepend");
  } else if (type == "Replace") {
    step.kind = Normalizer::Kind::replace;
    step.content = text(part, "content");
    PENSEE_ASSIGN(step.pattern, read_pattern(part, "normalizer"));
  } else if (type == "Strip") {
    step.kind = Normalizer::Kind::strip;
    step.strip_left = flag(part, "strip_left", true);
    step.strip_right = flag(part, "strip_right", true);
  } else {
    return unknown_part("normalizer", type);
  }
  if (!valid_utf8(step.content, nullptr)) return Status::corrupt("{}: normalizer: a text is not valid UTF-8", kFile);
  parts_.normalizers.push_back(std::move(step));
  return Status();
}

Status Reader::read_split(const json::Value& part) {
  using Behavior = PreTokenizer::Behavior;
  static constexpr std::pair<std::string_view, Behavior> kBehaviors[] = {
      {"Isolated", Behavior::isolated},
      {"Removed", Behavior::removed},
      {"MergedWithPrevious", Behavior::merged_with_previous},
      {"MergedWithNext", Behavior::merged_with_next},
      {"Contiguous", Behavior::contiguous}};
  PreTokenizer step;
  const std::string_view wanted = text(part, "behavior");
  const auto* known = std::find_if(std::begin(kBehaviors), std::end(kBehaviors),
                                   [&](const auto& row) { return row.first == wanted; });
  if (known == std::end(kBehaviors)) return unknown_part("pre_tokenizer: behavior", wanted);
  step.behavior = known->second;
  step.invert = flag(part, "invert", false);
  if (type_of(part) == "Punctuation") {
    unicode::CodeSet set;
    unicode::add_property("p", set);
    for (const char* range : {"!/", ":@", "[`", "{~"}) {
      unicode::CodeSet ascii;
      ascii.add(static_cast<unicode::CodePoint>(range[0]), static_cast<unicode::CodePoint>(range[1]));
      set.add(ascii);
    }
    set.freeze();
    step.pattern.what = std::move(set);
  } else {
    PENSEE_ASSIGN(step.pattern, read_pattern(part, "pre_tokenizer"));
  }
  parts_.pre_tokenizers.push_back(std::move(step));
  return Status();
}

Status Reader::read_pre_tokenizer(const json::Value& part, int depth) {
  if (part.is_null()) return Status();
  const std::string_view type = type_of(part);
  if (depth > kDepthMax) return unknown_part("pre_tokenizer", "nested too deep");
  if (parts_.words_are_bytes) return unknown_part("pre_tokenizer: behind ByteLevel,", type);
  if (type == "Sequence") {
    return each(part, "pretokenizers", "pre_tokenizer",
                [&](const json::Value& one) { return read_pre_tokenizer(one, depth + 1); });
  }
  if (type == "Split" || type == "Punctuation") return read_split(part);
  if (type == "ByteLevel") {
    return add_byte_level(parts_, flag(part, "add_prefix_space", true), flag(part, "use_regex", true));
  }
  PreTokenizer step;
  unicode::CodeSet set;
  if (type == "Digits") {
    unicode::add_property("n", set);
    step.behavior = flag(part, "individual_digits", false) ? PreTokenizer::Behavior::isolated
                                                           : PreTokenizer::Behavior::contiguous;
  } else if (type == "WhitespaceSplit") {
    unicode::add_space(set);
    step.behavior = PreTokenizer::Behavior::removed;
  } else {
    return unknown_part("pre_tokenizer", type);
  }
  set.freeze();
  step.pattern.what = std::move(set);
  parts_.pre_tokenizers.push_back(std::move(step));
  return Status();
}

// Beside ByteLevel, the steps of SentencePiece-like decoders that work on one token at a time. Strip would take the
// space before the first word of a reply; here the reply's first token keeps it, because a stream has no "first".
Status Reader::read_decoder(const json::Value& part, int depth) {
  if (depth == 0) parts_.byte_level_decoder = false;
  if (part.is_null()) return Status();
  const std::string_view type = type_of(part);
  if (depth > kDepthMax) return unknown_part("decoder", "nested too deep");
  if (type == "Sequence") {
    return each(part, "decoders", "decoder", [&](const json::Value& one) { return read_decoder(one, depth + 1); });
  }
  if (type == "ByteLevel") {
    parts_.byte_level_decoder = true;
  } else if (type == "ByteFallback") {
    parts_.decode_byte_fallback = true;
  } else if (type == "Replace") {
    const json::Value* pattern = part.find("pattern");
    const std::string_view from = pattern ? text(*pattern, "String") : std::string_view();
    if (from.empty()) return unknown_part("decoder", "Replace with a Regex");
    parts_.decoder_replacements.emplace_back(from, text(part, "content"));
  } else if (type != "Fuse" && type != "Strip") {
    return unknown_part("decoder", type);
  }
  return Status();
}

Status Reader::read_template(const json::Value& part) {
  const json::Value* ids = part.find("special_tokens");
  bool behind = false;
  return each(part, "single", "post_processor", [&](const json::Value& piece) -> Status {
    if (piece.find("Sequence")) {
      if (behind) return unknown_part("post_processor", "a template with two texts");
      behind = true;
      return Status();
    }
    const json::Value* special = piece.find("SpecialToken");
    const std::string_view name = special ? text(*special, "id") : std::string_view();
    const json::Value* entry = ids ? ids->find(name) : nullptr;
    const json::Value* list = entry ? entry->find("ids") : nullptr;
    if (!list || !list->array()) {
      return Status::corrupt("{}: post_processor: special token '{}' has no ids", kFile, name);
    }
    for (const json::Value& id : *list->array()) {
      if (!id.integer() || *id.integer() < 0 || *id.integer() >= kTokenIdMax) {
        return Status::corrupt("{}: post_processor: special token '{}' has a bad id", kFile, name);
      }
      (behind ? parts_.suffix : parts_.prefix).push_back(static_cast<TokenId>(*id.integer()));
    }
    return Status();
  });
}

Status Reader::read_post_processor(const json::Value& part, int depth) {
  if (part.is_null()) return Status();
  const std::string_view type = type_of(part);
  if (depth > kDepthMax) return unknown_part("post_processor", "nested too deep");
  if (type == "Sequence") {
    return each(part, "processors", "post_processor",
                [&](const json::Value& one) { return read_post_processor(one, depth + 1); });
  }
  if (type == "ByteLevel") return Status();  // moves offsets alone
  if (type != "TemplateProcessing") return unknown_part("post_processor", type);
  if (!parts_.prefix.empty() || !parts_.suffix.empty()) return unknown_part("post_processor", "a second template");
  return read_template(part);
}

// "<s>" or {"content": "<s>", ...}.
TokenId Reader::config_token(std::string_view name) const {
  const json::Value* value = config_.find(name);
  if (value && value->object()) value = value->find("content");
  return value && value->string() ? token(*value->string()) : kNoToken;
}

// The LlamaTokenizer classes of transformers 4 add BOS by their config, whatever tokenizer.json says; DeepSeek-V3 was
// published for them.
Status Reader::read_config() {
  parts_.bos = config_token("bos_token");
  parts_.eos = config_token("eos_token");
  if (config_.is_null() && !parts_.prefix.empty()) parts_.bos = parts_.prefix[0];
  if (text(config_, "tokenizer_class").substr(0, 14) != "LlamaTokenizer") return Status();
  if (parts_.prefix.empty() && parts_.bos != kNoToken && flag(config_, "add_bos_token", false)) {
    parts_.prefix.push_back(parts_.bos);
  }
  if (parts_.suffix.empty() && parts_.eos != kNoToken && flag(config_, "add_eos_token", false)) {
    parts_.suffix.push_back(parts_.eos);
  }
  return Status();
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> make_tokenizer(const json::Value& tokenizer, const json::Value& config) {
  return Reader(tokenizer, config).read();
}

}  // namespace pensee
