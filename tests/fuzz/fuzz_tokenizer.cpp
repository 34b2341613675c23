// Three targets by the first byte: a pattern with a text, a tokenizer.json or GGUF metadata with a text, and a text for
// a fixed byte tokenizer, which must come back as it went in.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/json.h"
#include "text/regex.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace {

using namespace pensee;

void check(bool holds) {
  if (!holds) __builtin_trap();
}

void fuzz_pattern(std::string_view pattern, std::string_view text) {
  const auto regex = Regex::compile(pattern, "fuzz");
  if (!regex.ok() || !valid_utf8(text, nullptr)) return;
  Regex::Workspace workspace;
  Regex::Match match;
  const auto found = (*regex).find(text, 0, workspace, match);
  if (found.ok() && *found) check(match.begin <= match.end && match.end <= text.size());
}

void fuzz_file(std::string_view file, std::string_view text, bool gguf) {
  const auto value = json::parse(file, "fuzz");
  if (!value.ok()) return;
  const auto tokenizer = gguf ? make_tokenizer_gguf(*value, "fuzz") : make_tokenizer(*value, nullptr);
  if (!tokenizer.ok()) return;
  const auto ids = (*tokenizer)->encode(text, {.add_special = true});
  if (!ids.ok()) return;
  std::string out;
  for (const TokenId id : *ids) check((*tokenizer)->decode_append(id, false, out).ok());
}

// All bytes as tokens, their printable names given as escapes, and a few merges.
const Tokenizer& byte_tokenizer() {
  static const auto tokenizer = [] {
    json::Value vocab, model, root, pre;
    int id = 0, other = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool itself = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      std::string name;
      unicode::append_utf8(static_cast<unicode::CodePoint>(itself ? byte : other++), name);
      vocab.set(name, id++);
    }
    for (const char* token : {"th", "the", "ab", "abab"}) vocab.set(token, id++);
    model.set("type", "BPE");
    model.set("vocab", std::move(vocab));
    model.set("merges", json::Array{json::Value("t h"), json::Value("th e"), json::Value("a b"), json::Value("ab ab")});
    pre.set("type", "ByteLevel");
    pre.set("add_prefix_space", false);
    root.set("model", std::move(model));
    root.set("pre_tokenizer", pre);
    root.set("decoder", std::move(pre));
    return make_tokenizer(root, nullptr);
  }();
  check(tokenizer.ok());
  return **tokenizer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  const std::string_view rest = input.substr(1);
  const size_t cut = std::min(rest.find('\0'), rest.size());
  const std::string_view head = rest.substr(0, cut);
  const std::string_view tail = cut < rest.size() ? rest.substr(cut + 1) : std::string_view("ab 12\n");
  if (input[0] % 4 == 0) {
    fuzz_pattern(head, tail);
  } else if (input[0] % 4 == 3) {
    const auto ids = byte_tokenizer().encode(rest, {});
    check(ids.ok() == valid_utf8(rest, nullptr));
    std::string out;
    if (ids.ok()) {
      for (const TokenId id : *ids) check(byte_tokenizer().decode_append(id, false, out).ok());
      check(out == rest);
    }
  } else {
    fuzz_file(head, tail, input[0] % 4 == 2);
  }
  return 0;
}
