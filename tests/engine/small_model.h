// A small model with all that a real folder holds: the golden checkpoint deepseek_v3 (random weights) with a tokenizer
// whose every token is plain text, tags of thought, and a chat template in R1's manner. The rows of the tags and of the
// end token are zero in its head, so that greedy decoding never picks one and goes on until it is told to stop.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/json.h"

namespace pensee::test {

inline constexpr int32_t kThink = 317, kEndThink = 318, kEnd = 319;
inline const std::string kGolden = PENSEE_TEST_DATA "/goldens/data/deepseek_v3";

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.good());
  return std::string(std::istreambuf_iterator<char>(file), {});
}
inline void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// ids 0..94 are the printable ASCII characters, 95 is the line feed, then come pairs of letters.
inline std::string text_of(int32_t id) {
  if (id < 95) return std::string(1, static_cast<char>(' ' + id));
  if (id == 95) return "\n";
  if (id >= kThink) return id == kThink ? "<think>" : id == kEndThink ? "</think>" : "<end>";
  return {static_cast<char>('a' + (id - 96) / 20), static_cast<char>('f' + (id - 96) % 20)};
}

// As byte-level BPE spells it.
inline std::string spelling_of(int32_t id) {
  if (id == 0) return "\xc4\xa0";
  if (id == 95) return "\xc4\x8a";
  return text_of(id);
}

inline json::Value tokenizer_of(int32_t end_think_id) {
  json::Object vocab;
  for (int32_t id = 0; id < kThink; ++id) vocab.push_back({spelling_of(id), id});
  json::Array added;
  for (const int32_t id : {kThink, kEndThink, kEnd}) {
    json::Value token;
    token.set("id", id == kEndThink ? end_think_id : id);
    token.set("content", text_of(id));
    for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized"}) token.set(flag, false);
    token.set("special", id == kEnd);
    added.push_back(token);
  }
  json::Value byte_level, model, tokenizer;
  byte_level.set("type", "ByteLevel");
  byte_level.set("add_prefix_space", false);
  byte_level.set("trim_offsets", false);
  byte_level.set("use_regex", true);
  model.set("type", "BPE");
  model.set("vocab", vocab);
  model.set("merges", json::Array());
  tokenizer.set("version", "1.0");
  tokenizer.set("added_tokens", added);
  tokenizer.set("pre_tokenizer", byte_level);
  tokenizer.set("decoder", byte_level);
  tokenizer.set("model", model);
  return tokenizer;
}

// The golden weights with zeros in the head's last three rows.
inline std::string weights() {
  std::string file = read_file(kGolden + "/model.safetensors");
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), sizeof header_bytes);
  auto header = json::parse(std::string_view(file).substr(8, header_bytes), "header");
  REQUIRE(header.ok());
  const json::Array& at = *header->find("lm_head.weight")->find("data_offsets")->array();
  const auto begin = static_cast<size_t>(*at[0].integer()), end = static_cast<size_t>(*at[1].integer());
  const size_t row = (end - begin) / 320;
  std::memset(file.data() + 8 + header_bytes + end - 3 * row, 0, 3 * row);
  return file;
}

inline constexpr const char* kTemplate =
    "{% for message in messages %}{% if message['role'] == 'user' %}User: {{ message['content'] }}\n"
    "{% else %}{{ message['role'] }}: {{ message['content'] }}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}Assistant: <think>\n{% endif %}";

// The folder lives as long as this does.
class SmallModel {
 public:
  explicit SmallModel(int32_t end_think_id = kEndThink) {
    char pattern[] = "/tmp/pensee-small-XXXXXX";
    REQUIRE(::mkdtemp(pattern) != nullptr);
    path_ = pattern;
    std::string config = read_file(kGolden + "/config.json");
    const std::string eos = "\"eos_token_id\": 1";
    const size_t at = config.find(eos);
    REQUIRE(at != config.npos);
    config.replace(at, eos.size(), "\"eos_token_id\": 319");
    json::Value tokenizer_config;
    tokenizer_config.set("eos_token", "<end>");
    tokenizer_config.set("chat_template", kTemplate);
    write_file(path_ + "/config.json", config);
    write_file(path_ + "/model.safetensors", weights());
    write_file(path_ + "/tokenizer.json", json::dump(tokenizer_of(end_think_id)));
    write_file(path_ + "/tokenizer_config.json", json::dump(tokenizer_config));
  }
  ~SmallModel() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  SmallModel(const SmallModel&) = delete;
  SmallModel& operator=(const SmallModel&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace pensee::test
