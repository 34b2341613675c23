// Reads JSON strings, one a line, and prints for each {"ids": [...], "text": "..."}: its tokens and what they decode
// to. tests/python/test_tokenizers.py compares both with the `tokenizers` library on published tokenizers.
//   tokenize_tool [--add-special] [--plain] [--time] (tokenizer.json [tokenizer_config.json] | --gguf file.gguf)
// --plain reads no special tokens in the text; --time takes the whole input as one text and prints MB/s.
#include <chrono>
#include <iostream>
#include <iterator>

#include "base/file.h"
#include "base/json.h"
#include "formats/tensors.h"
#include "text/tokenizer.h"

namespace {

using namespace pensee;

Result<json::Value> load(const std::string& path) {
  PENSEE_ASSIGN(const auto file, open_file(path));
  PENSEE_ASSIGN(const std::string text, read_text(*file, uint64_t{1} << 30));
  return json::parse(text, path);
}

Result<std::string> answer(const Tokenizer& tokenizer, std::string_view line, Tokenizer::EncodeOptions options) {
  PENSEE_ASSIGN(const json::Value value, json::parse(line, "input"));
  if (!value.string()) return Status::format(Code::bad_argument, "a line is no string");
  PENSEE_ASSIGN(const auto ids, tokenizer.encode(*value.string(), options));
  json::Array list;
  std::string bytes;
  for (const TokenId id : ids) {
    list.emplace_back(static_cast<int64_t>(id));
    PENSEE_TRY(tokenizer.decode_append(id, false, bytes));
  }
  Utf8Joiner joiner;
  std::string text = joiner.push(bytes);
  text += joiner.flush();
  json::Value result;
  result.set("ids", std::move(list));
  result.set("text", std::move(text));
  return json::dump_compact(result);
}

int time_it(const Tokenizer& tokenizer, Tokenizer::EncodeOptions options) {
  const std::string text((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
  for (int round = 0; round < 3; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    const auto ids = tokenizer.encode(text, options);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (!ids.ok()) return std::cerr << ids.status().message() << "\n", 1;
    std::cout << static_cast<double>(text.size()) / seconds / 1e6 << " MB/s, " << (*ids).size() << " tokens\n";
  }
  return 0;
}

Result<std::shared_ptr<const Tokenizer>> open(const std::vector<std::string>& files, bool gguf) {
  if (files.empty()) return Status::format(Code::bad_argument, "no file is named");
  if (gguf) {
    PENSEE_ASSIGN(const auto file, open_file(files[0]));
    PENSEE_ASSIGN(const json::Value metadata, read_gguf_metadata(*file));
    return make_tokenizer_gguf(metadata, files[0]);
  }
  PENSEE_ASSIGN(const json::Value first, load(files[0]));
  json::Value config;
  if (files.size() > 1) {
    PENSEE_ASSIGN(config, load(files[1]));
  }
  return make_tokenizer(first, config);
}

}  // namespace

int main(int argc, char** argv) {
  Tokenizer::EncodeOptions options;
  std::vector<std::string> files;
  bool gguf = false, timing = false;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--add-special") options.add_special = true;
    else if (arg == "--plain") options.parse_special = false;
    else if (arg == "--gguf") gguf = true;
    else if (arg == "--time") timing = true;
    else files.push_back(arg);
  }
  const auto tokenizer = open(files, gguf);
  if (!tokenizer.ok()) return std::cerr << tokenizer.status().message() << "\n", 1;
  if (timing) return time_it(**tokenizer, options);
  for (std::string line; std::getline(std::cin, line);) {
    const Result<std::string> result = answer(**tokenizer, line, options);
    if (!result.ok()) return std::cerr << result.status().message() << "\n", 1;
    std::cout << *result << "\n";
  }
  return 0;
}
