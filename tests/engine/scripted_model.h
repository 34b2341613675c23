// A model that says what a test wants it to say: each token has one successor, written into the weights of a Llama of
// one layer that adds nothing (the embedding is one-hot, the head a permutation). Every piece of a script is a token
// with just that text, so texts of pieces must differ. What the library forces on the model goes on from its last
// token, if that has a successor, else to the end token.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/small_model.h"

namespace pensee::test {

class ScriptedModel {
 public:
  // The reply to any prompt: `script`, then the end. Pieces of `tags` are control tokens where they stand in it.
  // `loop`: the index of the piece that follows the last one; -1: the end token. `closing` says what follows "\n\n",
  // the end of what the library writes to close a thought.
  struct Settings {
    std::vector<std::string> script;
    std::vector<std::string> tags = {"<think>", "</think>", "<tool_call>", "</tool_call>"};
    int loop = -1;
    std::vector<std::string> closing;
    std::string chat_template =
        "{% for m in messages %}{% if m.role == 'tool' %}<tool_response>{{ m.content }}</tool_response>"
        "{% else %}{{ m.role }}: {{ m.content }}\n{% endif %}{% endfor %}"
        "{% if tools %}{{ tools | tojson }}<tool_call>{% endif %}{% if add_generation_prompt %}<go>{% endif %}"
        "{# <think> </think> #}";
  };

  explicit ScriptedModel(const Settings& settings) {
    char pattern[] = "/tmp/pensee-script-XXXXXX";
    REQUIRE(::mkdtemp(pattern) != nullptr);
    path_ = pattern;
    for (int c = 0; c < 96; ++c) add(c == 95 ? "\n" : std::string(1, static_cast<char>(' ' + c)));
    add("<end>");
    add("<go>");
    add("\n\n");
    for (const std::string& tag : settings.tags) add(tag);
    for (const std::string& piece : settings.script) add(piece);
    for (const std::string& piece : settings.closing) add(piece);
    chain("<go>", settings.script);
    if (settings.loop >= 0) {
      succeed(settings.script.back(), settings.script[static_cast<size_t>(settings.loop)]);
    }
    chain("\n\n", settings.closing);
    write(settings);
  }
  ~ScriptedModel() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScriptedModel(const ScriptedModel&) = delete;
  ScriptedModel& operator=(const ScriptedModel&) = delete;
  const std::string& path() const { return path_; }

 private:
  void add(const std::string& text) {
    if (ids_.emplace(text, static_cast<int32_t>(texts_.size())).second) texts_.push_back(text);
  }
  void succeed(const std::string& from, const std::string& to) { next_[ids_.at(from)] = ids_.at(to); }
  void chain(const std::string& from, const std::vector<std::string>& pieces) {
    std::string last = from;
    for (const std::string& piece : pieces) {
      REQUIRE(next_.count(ids_.at(last)) == 0);
      succeed(last, piece);
      last = piece;
    }
  }

  void write(const Settings& settings) const {
    json::Value config;
    config.set("model_type", "llama");
    const auto vocab = static_cast<int64_t>(texts_.size());
    const int64_t hidden = (vocab + 63) / 64 * 64;
    for (const auto& [name, value] : std::map<std::string, int64_t>{{"hidden_size", hidden},
                                                                    {"vocab_size", vocab},
                                                                    {"intermediate_size", 32},
                                                                    {"num_hidden_layers", 1},
                                                                    {"num_attention_heads", 1},
                                                                    {"head_dim", 32},
                                                                    {"num_key_value_heads", 1},
                                                                    {"max_position_embeddings", 4096},
                                                                    {"eos_token_id", ids_.at("<end>")}}) {
      config.set(name, value);
    }
    config.set("rms_norm_eps", 1e-6);
    config.set("tie_word_embeddings", false);
    config.set("rope_theta", 10000.0);
    write_file(path_ + "/config.json", json::dump(config));
    write_weights(vocab, hidden);
    write_tokenizer(settings);
  }

  void write_weights(int64_t vocab, int64_t hidden) const {
    std::vector<std::pair<std::string, std::vector<float>>> tensors;
    std::map<std::string, json::Array> shapes;
    const auto tensor = [&](const std::string& name, int64_t rows, int64_t cols, float fill) -> std::vector<float>& {
      shapes[name] = rows > 0 ? json::Array{rows, cols} : json::Array{cols};
      tensors.emplace_back(name, std::vector<float>(static_cast<size_t>((rows > 0 ? rows : 1) * cols), fill));
      return tensors.back().second;
    };
    const auto at = [&](int64_t row, int64_t col) { return static_cast<size_t>(row * hidden + col); };
    auto& embedding = tensor("model.embed_tokens.weight", vocab, hidden, 0);
    for (int64_t id = 0; id < vocab; ++id) embedding[at(id, id)] = 1;
    auto& head = tensor("lm_head.weight", vocab, hidden, 0);
    for (int32_t id = 0; id < vocab; ++id) {
      const auto next = next_.find(id);
      head[at(next == next_.end() ? ids_.at("<end>") : next->second, id)] = 10;
    }
    tensor("model.norm.weight", 0, hidden, 1);
    const std::string layer = "model.layers.0.";
    tensor(layer + "input_layernorm.weight", 0, hidden, 1);
    tensor(layer + "post_attention_layernorm.weight", 0, hidden, 1);
    for (const char* name : {"q", "k", "v"}) tensor(layer + "self_attn." + name + "_proj.weight", 32, hidden, 0);
    tensor(layer + "self_attn.o_proj.weight", hidden, 32, 0);
    for (const char* name : {"gate", "up"}) tensor(layer + "mlp." + name + "_proj.weight", 32, hidden, 0);
    tensor(layer + "mlp.down_proj.weight", hidden, 32, 0);
    json::Value header;
    std::string data;
    for (const auto& [name, numbers] : tensors) {
      json::Value entry;
      entry.set("dtype", "F32");
      entry.set("shape", shapes[name]);
      const auto begin = static_cast<int64_t>(data.size());
      data.append(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float));
      entry.set("data_offsets", json::Array{begin, static_cast<int64_t>(data.size())});
      header.set(name, entry);
    }
    const std::string text = json::dump_compact(header);
    const uint64_t size = text.size();
    write_file(path_ + "/model.safetensors",
               std::string(reinterpret_cast<const char*>(&size), sizeof size) + text + data);
  }

  void write_tokenizer(const Settings& settings) const {
    json::Object vocab;
    json::Array added;
    for (int32_t id = 0; id < static_cast<int32_t>(texts_.size()); ++id) {
      const std::string& text = texts_[static_cast<size_t>(id)];
      if (text.size() == 1) {
        vocab.push_back({text == " " ? "\xc4\xa0" : text == "\n" ? "\xc4\x8a" : text, id});
        continue;
      }
      json::Value token;
      token.set("id", id);
      token.set("content", text);
      for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized"}) token.set(flag, false);
      token.set("special", text == "<end>" || text == "<go>");
      added.push_back(token);
    }
    json::Value byte_level, model, tokenizer, tokenizer_config;
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
    tokenizer_config.set("eos_token", "<end>");
    tokenizer_config.set("chat_template", settings.chat_template);
    write_file(path_ + "/tokenizer.json", json::dump(tokenizer));
    write_file(path_ + "/tokenizer_config.json", json::dump(tokenizer_config));
  }

  std::string path_;
  std::vector<std::string> texts_;
  std::map<std::string, int32_t> ids_;
  std::map<int32_t, int32_t> next_;
};

}  // namespace pensee::test
