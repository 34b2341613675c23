// `pensee tokenize`: the tokens of a text, or of the prompt that a question becomes. One token a line, its bytes
// quoted; a token may hold a part of a character.
#include <unistd.h>

#include <cstdio>

#include "commands.h"
#include "settings.h"

namespace cli {
namespace {

struct TokenizeSettings {
  ModelSettings model;
  bool ids = false;
  bool render = false;
  uint32_t flags = 0;
};

std::string render_prompt(const ModelHandle& model, const std::string& question) {
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  prompt.text = question.c_str();
  pensee_error error = PENSEE_ERROR_INIT;
  size_t length = 0;
  pensee_status status = pensee_render_prompt(model.get(), &prompt, nullptr, nullptr, 0, &length, &error);
  check(status, error);
  std::string text(length, '\0');
  status = pensee_render_prompt(model.get(), &prompt, nullptr, text.data(), text.size(), &length, &error);
  check(status, error);
  return text;
}

std::string token_text(const ModelHandle& model, int32_t id) {
  pensee_error error = PENSEE_ERROR_INIT;
  std::string text(64, '\0');
  for (;;) {
    size_t length = 0;
    const pensee_status status = pensee_detokenize(model.get(), &id, 1, 0, text.data(), text.size(), &length, &error);
    check(status, error);
    const bool complete = length <= text.size();
    text.resize(length);
    if (complete) return text;
  }
}

std::string quoted(const std::string& bytes) {
  std::string out = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    char text[8];
    const bool plain = byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
    std::snprintf(text, sizeof text, plain ? "%c" : "\\x%02x", byte);
    out += text;
  }
  return out + "\"";
}

}  // namespace

int tokenize_command(int argc, char** argv) {
  TokenizeSettings s;
  Flags flags = {
      {"ids", nullptr, "only the ids, separated by commas, as `run --prompt-ids` takes them",
       [&s](const char*) { s.ids = true; }},
      {"add-special", nullptr, "with what the model puts around a text (BOS)",
       [&s](const char*) { s.flags |= PENSEE_ADD_SPECIAL; }},
      {"plain", nullptr, "special tokens written in the text stay text",
       [&s](const char*) { s.flags |= PENSEE_PLAIN_TEXT; }},
      {"template", nullptr, "TEXT is a question: tokenize the prompt that it becomes",
       [&s](const char*) { s.render = true; }},
  };
  const Command command = {"tokenize", "[OPTION]... MODEL [TEXT]",
                           "Shows the tokens of TEXT, which is read from standard input where it is missing or -."};
  std::vector<std::string> positionals;
  if (!parse(command, flags, argc, argv, positionals)) return exit_ok;
  if (positionals.empty()) throw UsageError("no MODEL");
  if (positionals.size() > 2) throw UsageError("more than one TEXT: put it into quotes");
  std::string text = positionals.size() == 2 && positionals[1] != "-" ? positionals[1] : read_file("-");

  s.model.options.skip_weights = 1;
  const ModelHandle model = open_model(positionals[0].c_str(), s.model);
  if (s.render) text = render_prompt(model, text);
  pensee_error error = PENSEE_ERROR_INIT;
  size_t count = 0;
  std::vector<int32_t> ids(text.size() + 16);  // mostly enough: a token has a byte at least
  for (bool complete = false; !complete;) {
    const pensee_status status =
        pensee_tokenize(model.get(), text.data(), text.size(), s.flags, ids.data(), ids.size(), &count, &error);
    check(status, error);
    complete = count <= ids.size();
    ids.resize(count);
  }
  std::string out;
  for (size_t i = 0; i < count; i++) {
    if (s.ids) {
      out += (i > 0 ? "," : "") + std::to_string(ids[i]);
    } else {
      out += std::to_string(ids[i]) + "\t" + quoted(token_text(model, ids[i])) + "\n";
    }
  }
  write_output(s.ids ? out + "\n" : out);
  return exit_ok;
}

}  // namespace cli
