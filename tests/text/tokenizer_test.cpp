// The tokenizers' cases of make_tokenizer_cases.py: small vocabularies in every family's shape, with the ids that the
// `tokenizers` library gives; then what a lying file or a bad text must say.
#include "text/tokenizer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <thread>

#include "text_cases.h"

using namespace pensee;
using namespace pensee::test;

namespace {

std::vector<int64_t> ids_in(const json::Value* list) {
  std::vector<int64_t> ids;
  for (const json::Value& id : *list->array()) ids.push_back(*id.integer());
  return ids;
}

std::vector<int64_t> encode(const Tokenizer& tokenizer, std::string_view text, bool add_special = false,
                            bool parse_special = true) {
  const auto ids = tokenizer.encode(text, {.add_special = add_special, .parse_special = parse_special});
  REQUIRE(ids.ok());
  return std::vector<int64_t>((*ids).begin(), (*ids).end());
}

std::string decode(const Tokenizer& tokenizer, const std::vector<int64_t>& ids, bool skip_special = false) {
  Utf8Joiner joiner;
  std::string text;
  for (const int64_t id : ids) {
    std::string bytes;
    REQUIRE(tokenizer.decode_append(static_cast<TokenId>(id), skip_special, bytes).ok());
    text += joiner.push(bytes);
  }
  return text + joiner.flush();
}

void check_results(const Tokenizer& tokenizer, const json::Value& results, const json::Value& texts) {
  REQUIRE(results.array()->size() == texts.array()->size());
  for (size_t i = 0; i < results.array()->size(); ++i) {
    const json::Value& result = (*results.array())[i];
    const std::string& text = *(*texts.array())[i].string();
    CAPTURE(text);
    const std::vector<int64_t> wanted = ids_in(result.find("ids"));
    CHECK(encode(tokenizer, text) == wanted);
    const json::Value* special = result.find("with_special");
    CHECK(encode(tokenizer, text, true) == (special ? ids_in(special) : wanted));
    const json::Value* decoded = result.find("decoded");
    CHECK(decode(tokenizer, wanted) == (decoded ? *decoded->string() : text));
  }
}

// tokenizer.json of a case: the shared model under the case's own parts.
json::Value tokenizer_of(const json::Value& data, const json::Value& one) {
  json::Value model = *data.find("model");
  model.set("ignore_merges", *one.find("ignore_merges"));
  if (*one.find("string_merges")->boolean()) {
    json::Array lines;
    for (const json::Value& pair : *model.find("merges")->array()) {
      lines.emplace_back(*(*pair.array())[0].string() + " " + *(*pair.array())[1].string());
    }
    model.set("merges", std::move(lines));
  }
  json::Value tokenizer;
  tokenizer.set("model", std::move(model));
  for (const char* part : {"added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder"}) {
    tokenizer.set(part, *one.find(part));
  }
  return tokenizer;
}

const json::Value& shared_data() {
  static const json::Value data = read_cases("tokenizers.json");
  return data;
}

json::Value first_tokenizer() { return tokenizer_of(shared_data(), (*shared_data().find("cases")->array())[0]); }

// The message of the refusal; fails when there is none.
std::string refusal(const json::Value& tokenizer, Code code = Code::file_corrupt) {
  const auto result = make_tokenizer(tokenizer, nullptr);
  REQUIRE_FALSE(result.ok());
  CHECK(result.status().code() == code);
  return result.status().message();
}

json::Value with_model(std::string name, json::Value value) {
  json::Value tokenizer = first_tokenizer();
  json::Value model = *tokenizer.find("model");
  model.set(std::move(name), std::move(value));
  tokenizer.set("model", std::move(model));
  return tokenizer;
}

json::Value with(std::string name, std::string_view part) {
  json::Value tokenizer = first_tokenizer();
  auto parsed = json::parse(part, "part");
  REQUIRE(parsed.ok());
  tokenizer.set(std::move(name), *std::move(parsed));
  return tokenizer;
}

bool has(const std::string& message, std::string_view part) { return message.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("tokenizers: every family's shape gives the library's ids and texts") {
  for (const json::Value& one : *shared_data().find("cases")->array()) {
    CAPTURE(*one.find("name")->string());
    const auto tokenizer = make_tokenizer(tokenizer_of(shared_data(), one), nullptr);
    REQUIRE_MESSAGE(tokenizer.ok(), tokenizer.status().message());
    check_results(**tokenizer, *one.find("results"), *shared_data().find("texts"));
  }
}

TEST_CASE("tokenizers: a vocabulary on characters with byte fallback, from tokenizer.json and from GGUF scores") {
  const json::Value data = read_cases("characters.json");
  const json::Value& spec = *data.find("tokenizer");
  const auto tokenizer = make_tokenizer(spec, nullptr);
  REQUIRE_MESSAGE(tokenizer.ok(), tokenizer.status().message());
  check_results(**tokenizer, *data.find("results"), *data.find("texts"));

  json::Value metadata;
  json::Array tokens(spec.find("model")->find("vocab")->object()->size()), types;
  for (const auto& [text, id] : *spec.find("model")->find("vocab")->object()) {
    tokens[static_cast<size_t>(*id.integer())] = text;
  }
  for (size_t i = 0; i < tokens.size(); ++i) types.emplace_back(i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1);
  metadata.set("tokenizer.ggml.model", "llama");
  metadata.set("tokenizer.ggml.tokens", std::move(tokens));
  metadata.set("tokenizer.ggml.token_type", std::move(types));
  metadata.set("tokenizer.ggml.scores", *data.find("scores"));
  metadata.set("tokenizer.ggml.unknown_token_id", 0);
  metadata.set("tokenizer.ggml.bos_token_id", 1);
  const auto from_gguf = make_tokenizer_gguf(metadata, "a.gguf");
  REQUIRE_MESSAGE(from_gguf.ok(), from_gguf.status().message());
  CHECK((*from_gguf)->adds_bos());
  check_results(**from_gguf, *data.find("results"), *data.find("texts"));
}

TEST_CASE("GGUF: each pre-tokenizer name cuts as its published patterns do") {
  const json::Value data = read_cases("gguf.json");
  json::Value metadata;
  metadata.set("tokenizer.ggml.model", "gpt2");
  for (const char* key : {"tokens", "token_type", "merges"}) {
    metadata.set(std::string("tokenizer.ggml.") + key, *data.find(key));
  }
  const json::Array& texts = *data.find("texts")->array();
  for (const json::Value& one : *data.find("cases")->array()) {
    const std::string& pre = *one.find("pre")->string();
    CAPTURE(pre);
    metadata.set("tokenizer.ggml.pre", pre);
    const auto tokenizer = make_tokenizer_gguf(metadata, "a.gguf");
    REQUIRE_MESSAGE(tokenizer.ok(), tokenizer.status().message());
    for (size_t i = 0; i < texts.size(); ++i) {
      CAPTURE(*texts[i].string());
      CHECK(encode(**tokenizer, *texts[i].string()) == ids_in(&(*one.find("ids")->array())[i]));
    }
  }
  metadata.set("tokenizer.ggml.pre", "no-such-family");
  const auto unknown = make_tokenizer_gguf(metadata, "a.gguf");
  REQUIRE_FALSE(unknown.ok());
  CHECK(unknown.status().code() == Code::unsupported);
  CHECK(has(unknown.status().message(), "a.gguf: tokenizer.ggml.pre 'no-such-family'"));
}

TEST_CASE("GGUF: a rank file without merges merges by id, as the same merges in a list do") {
  const json::Value data = read_cases("gguf.json");
  json::Value metadata;
  metadata.set("tokenizer.ggml.model", "gpt2");
  metadata.set("tokenizer.ggml.pre", "kimi-k2");
  for (const char* key : {"tokens", "token_type"}) metadata.set(std::string("tokenizer.ggml.") + key, *data.find(key));
  const auto by_rank = make_tokenizer_gguf(metadata, "a.gguf");
  metadata.set("tokenizer.ggml.merges", *data.find("merges"));
  const auto by_list = make_tokenizer_gguf(metadata, "a.gguf");
  REQUIRE(by_rank.ok());
  REQUIRE(by_list.ok());
  for (const json::Value& text : *data.find("texts")->array()) {
    CHECK(encode(**by_rank, *text.string()) == encode(**by_list, *text.string()));
  }
}

TEST_CASE("tokenizers: user text cannot forge control tokens when parse_special is off") {
  const auto tokenizer = make_tokenizer(first_tokenizer(), nullptr);
  REQUIRE(tokenizer.ok());
  const TokenId start = (*tokenizer)->find("<|im_start|>"), think = (*tokenizer)->find("<think>");
  CHECK((*tokenizer)->is_special(start));
  CHECK_FALSE((*tokenizer)->is_special(think));
  CHECK(encode(**tokenizer, "<|im_start|><think>") == std::vector<int64_t>{start, think});
  const std::vector<int64_t> plain = encode(**tokenizer, "<|im_start|><think>", false, false);
  CHECK(std::count(plain.begin(), plain.end(), start) + std::count(plain.begin(), plain.end(), think) == 0);
  CHECK(decode(**tokenizer, plain) == "<|im_start|><think>");
  CHECK(decode(**tokenizer, {start, think}, true) == "<think>");
}

TEST_CASE("tokenizers: DeepSeek's config adds BOS though its tokenizer.json does not") {
  json::Value config;
  config.set("tokenizer_class", "LlamaTokenizerFast");
  config.set("add_bos_token", true);
  json::Value bos;
  bos.set("content", "<|bos|>");
  config.set("bos_token", std::move(bos));
  config.set("eos_token", "<|im_start|>");
  const auto tokenizer = make_tokenizer(first_tokenizer(), config);
  REQUIRE(tokenizer.ok());
  CHECK((*tokenizer)->adds_bos());
  CHECK((*tokenizer)->bos() == (*tokenizer)->find("<|bos|>"));
  CHECK((*tokenizer)->eos() == (*tokenizer)->find("<|im_start|>"));
  CHECK(encode(**tokenizer, "", true) == std::vector<int64_t>{(*tokenizer)->bos()});
}

TEST_CASE("tokenizers: a bad text or id is an error that names the place") {
  const auto tokenizer = make_tokenizer(first_tokenizer(), nullptr);
  REQUIRE(tokenizer.ok());
  const auto bad = (*tokenizer)->encode("abc\xC3(", {});
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.status().code() == Code::bad_argument);
  CHECK(has(bad.status().message(), "byte 3 of 5"));
  std::string out;
  CHECK((*tokenizer)->decode_append(-1, false, out).code() == Code::bad_argument);
  CHECK((*tokenizer)->decode_append((*tokenizer)->vocab_size(), false, out).code() == Code::bad_argument);
  CHECK(out.empty());
}

TEST_CASE("tokenizers: threads share one tokenizer") {
  const auto tokenizer = make_tokenizer(first_tokenizer(), nullptr);
  REQUIRE(tokenizer.ok());
  std::string text;
  for (const json::Value& one : *shared_data().find("texts")->array()) text += *one.string() + "\n";
  const std::vector<int64_t> wanted = encode(**tokenizer, text);
  std::vector<std::thread> threads;
  std::vector<int> same(4, 0);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const auto ids = (*tokenizer)->encode(text, {});
      same[static_cast<size_t>(t)] = ids.ok() && std::equal((*ids).begin(), (*ids).end(), wanted.begin(), wanted.end());
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(same == std::vector<int>(4, 1));
}

TEST_CASE("tokenizers: a megabyte without a space is merged in no time and comes back whole") {
  const auto tokenizer = make_tokenizer(first_tokenizer(), nullptr);
  REQUIRE(tokenizer.ok());
  std::string text;
  while (text.size() < 1000000) text += "thequickbrownfox";
  CHECK(decode(**tokenizer, encode(**tokenizer, text)) == text);
}

TEST_CASE("tokenizer.json: a model that contradicts itself is refused with its place") {
  const auto model_part = [](std::string_view text) { return *json::parse(text, "part"); };
  CHECK(has(refusal(with_model("vocab", model_part(R"({"a": 0, "b": 0})"))), "vocab: token 'b' has the id 0, which"));
  CHECK(has(refusal(with_model("vocab", model_part(R"({"a": 0, "a": 1})"))), "token 'a' stands there twice"));
  CHECK(has(refusal(with_model("vocab", model_part(R"({"a": -1})"))), "has the id -1"));
  CHECK(has(refusal(with_model("vocab", model_part(R"({"a": 16777216})"))), "has the id 16777216"));
  CHECK(has(refusal(with_model("vocab", model_part(R"({"a": 9000000})"))), "has the id 9000000"));
  CHECK(has(refusal(with_model("vocab", model_part(R"({"a": "0"})"))), "the id of 'a' is no integer"));
  CHECK(has(refusal(with_model("vocab", model_part("[]"))), "model.vocab is no object"));
  CHECK(has(refusal(with_model("merges", model_part(R"(["a qqq"])"))), "model.merges[0] joins 'qqq'"));
  CHECK(has(refusal(with_model("merges", model_part(R"(["a", "b c"])"))), "model.merges[0] 'a' is not two tokens"));
  CHECK(has(refusal(with_model("merges", model_part(R"([["~", "~"]])"))), "model.merges[0] makes '~~'"));
  CHECK(has(refusal(with_model("merges", model_part("[7]"))), "model.merges[0] is neither"));
  CHECK(has(refusal(with_model("unk_token", "<unk>")), "model.unk_token '<unk>'"));
  CHECK(has(refusal(with("added_tokens", R"([{"id": 5, "content": "<x>"}])")), "added_tokens[0] '<x>' has the id 5"));
  CHECK(has(refusal(with("added_tokens", R"([{"id": 900, "content": "a"}])")), "added_tokens[0] 'a' has the id 900"));
  CHECK(has(refusal(with("added_tokens", R"([{"id": 20000000, "content": "x"}])")), "has the id 20000000"));
  CHECK(has(refusal(with("added_tokens", R"([{"content": "x"}])")), "added_tokens[0] has no integer 'id'"));
  CHECK(has(refusal(with("pre_tokenizer", R"({"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "(a"}})")),
            "is malformed at byte 2"));
}

TEST_CASE("tokenizer.json: what is not supported is named") {
  const auto unsupported = [](const json::Value& tokenizer) { return refusal(tokenizer, Code::unsupported); };
  CHECK(has(unsupported(with_model("type", "Unigram")), "model 'Unigram'"));
  CHECK(has(unsupported(with_model("dropout", 0.5)), "model.dropout"));
  CHECK(has(unsupported(with_model("end_of_word_suffix", "</w>")), "model.end_of_word_suffix '</w>'"));
  CHECK(has(unsupported(with("normalizer", R"({"type": "NFKC"})")), "normalizer 'NFKC'"));
  CHECK(has(unsupported(with("pre_tokenizer", R"({"type": "BertPreTokenizer"})")), "pre_tokenizer 'BertPreTokenizer'"));
  CHECK(has(unsupported(with("decoder", R"({"type": "WordPiece"})")), "decoder 'WordPiece'"));
  CHECK(has(unsupported(with("post_processor", R"({"type": "BertProcessing"})")), "post_processor 'BertProcessing'"));
  CHECK(has(unsupported(with("pre_tokenizer", R"({"type": "Sequence", "pretokenizers": [
      {"type": "ByteLevel"}, {"type": "Digits"}]})")), "behind ByteLevel, 'Digits'"));
}

TEST_CASE("GGUF: metadata that contradicts itself is refused with its place") {
  const auto refused = [](std::string_view text) {
    const auto result = make_tokenizer_gguf(*json::parse(text, "metadata"), "a.gguf");
    REQUIRE_FALSE(result.ok());
    return result.status().message();
  };
  CHECK(has(refused("{}"), "a.gguf: tokenizer.ggml.model is missing"));
  CHECK(has(refused(R"({"tokenizer.ggml.model": "t5"})"), "model 't5' is not supported"));
  CHECK(has(refused(R"({"tokenizer.ggml.model": "gpt2"})"), "tokenizer.ggml.tokens is no list"));
  const std::string head = R"({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.merges": [], "tokenizer.ggml.tokens": )";
  CHECK(has(refused(head + "[1]}"), "tokenizer.ggml.tokens[0] is no string"));
  CHECK(has(refused(head + R"(["a", "a"]})"), "token 'a' stands there twice"));
  CHECK(has(refused(head + R"(["a"], "tokenizer.ggml.token_type": [1, 1]})"), "one entry for each of 1 tokens"));
  CHECK(has(refused(head + R"(["a"], "tokenizer.ggml.bos_token_id": 5})"), "bos or eos is token 5, which has no text"));
  CHECK(has(refused(head + R"(["a"], "tokenizer.ggml.eos_token_id": -5})"), "tokenizer.ggml.eos_token_id is no token"));
  json::Value bad_text;
  bad_text.set("tokenizer.ggml.model", "gpt2");
  bad_text.set("tokenizer.ggml.tokens", json::Array{json::Value("\xFF")});
  bad_text.set("tokenizer.ggml.merges", json::Array{});
  const auto result = make_tokenizer_gguf(bad_text, "a.gguf");
  REQUIRE_FALSE(result.ok());
  CHECK(has(result.status().message(), "the text of token 0 is not valid UTF-8"));
}
