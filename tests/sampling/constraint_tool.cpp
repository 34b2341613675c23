// Reads requests as JSON, one a line, and answers each on a line: what constraint.h allows. constraint_oracle.py holds
// it against jsonschema and re.
//   constraint_tool (tokenizer.json [tokenizer_config.json] | --gguf file.gguf)
// {"kind": "json_schema", "text": "...", "walks": 3, "seed": 1, "texts": ["..."]} gives {"walks": [text or null ...],
// "accepted": [bool ...], times} or {"error": "...", "code": 10}. A walk takes random tokens out of the mask until an
// EOS; null: it did not end within 600 tokens. "texts" are encoded and offered token by token.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <random>

#include "base/file.h"
#include "base/json.h"
#include "formats/tensors.h"
#include "sampling/constraint.h"

namespace {

using namespace pensee;
using Clock = std::chrono::steady_clock;

double us_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

struct Times {
  double sum = 0, most = 0;
  int64_t count = 0;
};

struct Tool {
  std::shared_ptr<const Tokenizer> tokenizer;
  TokenId eos = 0;
  std::unique_ptr<ConstraintCompiler> compiler;
  std::vector<std::string> words;

  Status mask(ConstraintMatcher& matcher, std::vector<uint32_t>& words_out, Times& times) const {
    const auto begin = Clock::now();
    PENSEE_TRY(matcher.fill_mask(words_out));
    const double us = us_since(begin);
    times.sum += us;
    times.most = std::max(times.most, us);
    ++times.count;
    return Status();
  }

  // Uniform choice would never close a string: tokens that begin with a closing character are preferred by half.
  TokenId choose(const std::vector<uint32_t>& mask, std::mt19937& random) const {
    std::vector<TokenId> all, closing;
    for (size_t i = 0; i < words.size(); ++i) {
      if (!(mask[i / 32] >> (i % 32) & 1)) continue;
      if (static_cast<TokenId>(i) == eos) {
        if (random() % 2) return eos;
        continue;
      }
      all.push_back(static_cast<TokenId>(i));
      if (!words[i].empty() && std::string_view("\"}],").find(words[i][0]) != std::string_view::npos) {
        closing.push_back(static_cast<TokenId>(i));
      }
    }
    if (all.empty()) return eos;
    const auto& from = !closing.empty() && random() % 2 ? closing : all;
    return from[random() % from.size()];
  }

  Result<json::Value> walk(const std::shared_ptr<const CompiledConstraint>& compiled, uint32_t seed,
                           Times& times) const {
    std::mt19937 random(seed);
    ConstraintMatcher matcher(compiled);
    std::vector<uint32_t> bits(matcher.mask_words());
    std::string text;
    for (int i = 0; i < 600; ++i) {
      PENSEE_TRY(mask(matcher, bits, times));
      for (size_t id = words.size(); id < bits.size() * 32; ++id) {
        if (bits[id / 32] >> (id % 32) & 1) return Status(Code::internal, "a padded token is allowed");
      }
      const bool may_end = matcher.may_end(), eos_bit = bits[static_cast<size_t>(eos) / 32] >> (eos % 32) & 1;
      if (may_end != eos_bit) return Status(Code::internal, "EOS and may_end() disagree");
      const TokenId id = choose(bits, random);
      if (!matcher.accept_token(id)) return Status::format(Code::internal, "masked in, refused: token {}", id);
      if (id == eos) return json::Value(text);
      text += words[static_cast<size_t>(id)];
    }
    return json::Value();
  }

  Result<bool> accepts(const std::shared_ptr<const CompiledConstraint>& compiled, std::string_view text,
                       Times& times) const {
    PENSEE_ASSIGN(const auto ids, tokenizer->encode(text, {false, false}));
    ConstraintMatcher matcher(compiled), by_text(compiled);
    std::vector<uint32_t> bits(matcher.mask_words());
    bool taken = true;
    for (size_t i = 0; i < ids.size() && taken; ++i) {
      auto filled = mask(matcher, bits, times);
      if (!filled.ok()) return filled;
      const bool bit = bits[static_cast<size_t>(ids[i]) / 32] >> (ids[i] % 32) & 1;
      taken = matcher.accept_token(ids[i]);
      if (taken != bit) return Status::format(Code::internal, "mask and accept_token() disagree at token {}", i);
    }
    taken = taken && matcher.may_end();
    if ((by_text.accept_text(text) && by_text.may_end()) != taken) {
      return Status(Code::internal, "accept_text() and accept_token() disagree");
    }
    return taken;
  }

  Result<json::Value> answer(std::string_view line) const {
    PENSEE_ASSIGN(const json::Value request, json::parse(line, "request"));
    const std::string kind = *request.find("kind")->string();
    const auto which = kind == "json_schema" ? ConstraintKind::json_schema
                       : kind == "regex"     ? ConstraintKind::regex
                       : kind == "grammar"   ? ConstraintKind::grammar
                                             : ConstraintKind::json_object;
    const auto begin = Clock::now();
    PENSEE_ASSIGN(const auto compiled, compiler->compile(which, *request.find("text")->string()));
    json::Value out;
    out.set("compile_us", us_since(begin));
    Times times;
    json::Array walks, accepted;
    const json::Value* count = request.find("walks");
    const json::Value* seed = request.find("seed");
    for (int64_t i = 0; count && i < *count->integer(); ++i) {
      PENSEE_ASSIGN(json::Value text, walk(compiled, static_cast<uint32_t>((seed ? *seed->integer() : 0) + i), times));
      walks.push_back(std::move(text));
    }
    if (const json::Value* texts = request.find("texts")) {
      for (const json::Value& text : *texts->array()) {
        PENSEE_ASSIGN(const bool yes, accepts(compiled, *text.string(), times));
        accepted.emplace_back(yes);
      }
    }
    out.set("walks", std::move(walks));
    out.set("accepted", std::move(accepted));
    out.set("mask_us", times.count ? times.sum / static_cast<double>(times.count) : 0.0);
    out.set("mask_us_max", times.most);
    out.set("masks", times.count);
    return out;
  }
};

Result<json::Value> load(const std::string& path) {
  PENSEE_ASSIGN(const auto file, open_file(path));
  PENSEE_ASSIGN(const std::string text, read_text(*file, uint64_t{1} << 30));
  return json::parse(text, path);
}

Result<std::shared_ptr<const Tokenizer>> open(const std::vector<std::string>& args) {
  if (args.empty()) return Status(Code::bad_argument, "no file is named");
  if (args[0] == "--gguf" && args.size() > 1) {
    PENSEE_ASSIGN(const auto file, open_file(args[1]));
    PENSEE_ASSIGN(const json::Value metadata, read_gguf_metadata(*file));
    return make_tokenizer_gguf(metadata, args[1]);
  }
  PENSEE_ASSIGN(const json::Value first, load(args[0]));
  json::Value config;
  if (args.size() > 1) {
    PENSEE_ASSIGN(config, load(args[1]));
  }
  return make_tokenizer(first, config);
}

}  // namespace

int main(int argc, char** argv) {
  auto tokenizer = open(std::vector<std::string>(argv + 1, argv + argc));
  if (!tokenizer.ok()) return std::cerr << tokenizer.status().message() << "\n", 1;
  Tool tool;
  tool.tokenizer = *tokenizer;
  tool.eos = tool.tokenizer->eos() >= 0 ? tool.tokenizer->eos() : 0;
  tool.compiler = ConstraintCompiler::create(*tokenizer, (*tokenizer)->vocab_size() + 64, {tool.eos});
  tool.words.resize(static_cast<size_t>((*tokenizer)->vocab_size()));
  for (size_t i = 0; i < tool.words.size(); ++i) {
    if (!(*tokenizer)->decode_append(static_cast<TokenId>(i), false, tool.words[i]).ok()) tool.words[i].clear();
  }
  for (std::string line; std::getline(std::cin, line);) {
    auto result = tool.answer(line);
    json::Value out;
    if (result.ok()) {
      out = *std::move(result);
    } else {
      out.set("error", result.status().message());
      out.set("code", static_cast<int64_t>(result.status().code()));
    }
    std::cout << json::dump_compact(out) << std::endl;
  }
  return 0;
}
