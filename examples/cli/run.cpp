// `pensee run`: one question, one reply. The prompt is a question, a whole conversation, a raw text or token ids.
#include <unistd.h>

#include <cstdio>

#include "commands.h"
#include "generate.h"
#include "json_writer.h"
#include "reply_printer.h"
#include "settings.h"

namespace cli {
namespace {

struct RunSettings {
  ModelSettings model;
  GenerationSettings generation;
  bool json = false;
  bool raw = false;
  const char* messages_file = nullptr;
  std::vector<int32_t> ids;
};

Flags run_flags(RunSettings& s) {
  Flags flags = {
      {"json", nullptr, "each event as one line of JSON", [&s](const char*) { s.json = true; }},
      {"raw", nullptr, "continue the text as it stands: no chat template", [&s](const char*) { s.raw = true; }},
      {"prompt-ids", "IDS", "continue these token ids, as in 1,2,3",
       [&s](const char* v) { s.ids = parse_ids("--prompt-ids", v); }},
      {"messages", "FILE", "a whole conversation: a JSON array of messages",
       [&s](const char* v) { s.messages_file = v; }},
      {"quiet", nullptr, "no progress bar and no line of statistics",
       [&s](const char*) { s.model.quiet = s.generation.quiet = true; }},
  };
  add_generation_flags(flags, s.generation);
  add_model_flags(flags, s.model);
  return flags;
}

// The question, from the arguments or from standard input; "" where --prompt-ids or --messages take its place.
std::string read_question(const RunSettings& s, const std::vector<std::string>& positionals) {
  const bool elsewhere = !s.ids.empty() || s.messages_file;
  if (!s.ids.empty() && s.messages_file) throw UsageError("--prompt-ids and --messages: give one of them");
  if (elsewhere && s.raw) throw UsageError("--raw needs a text to continue");
  if ((elsewhere || s.raw) && s.generation.system) throw UsageError("--system belongs to a question");
  if (positionals.size() > 2) throw UsageError("more than one question: put it into quotes");
  if (positionals.size() == 2 && elsewhere) throw UsageError("a question beside --prompt-ids or --messages");
  if (elsewhere) return "";
  if (positionals.size() == 2 && positionals[1] != "-") return positionals[1];
  if (positionals.size() < 2 && is_terminal(STDIN_FILENO)) throw UsageError("no question");
  std::string text = read_file("-");
  if (!s.raw && !text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::vector<int32_t> tokenize_raw(const ModelHandle& model, const std::string& text) {
  pensee_error error = PENSEE_ERROR_INIT;
  size_t count = 0;
  pensee_status status =
      pensee_tokenize(model.get(), text.data(), text.size(), PENSEE_ADD_SPECIAL, nullptr, 0, &count, &error);
  check(status, error);
  std::vector<int32_t> ids(count);
  status = pensee_tokenize(model.get(), text.data(), text.size(), PENSEE_ADD_SPECIAL, ids.data(), ids.size(), &count,
                           &error);
  check(status, error);
  return ids;
}

}  // namespace

int run_command(int argc, char** argv) {
  RunSettings s;
  std::vector<std::string> positionals;
  const Command command = {"run", "[OPTION]... MODEL [QUESTION]",
                           "Asks a model. Without QUESTION, or with -, the question is read from standard input."};
  if (!parse(command, run_flags(s), argc, argv, positionals)) return exit_ok;
  if (positionals.empty()) throw UsageError("no MODEL");
  const std::string question = read_question(s, positionals);
  const std::string messages = s.messages_file ? read_file(s.messages_file) : "";

  const ModelHandle model = open_model(positionals[0], s.model);
  const pensee_model_info info = model_info(model);
  if (s.raw) s.ids = tokenize_raw(model, question);
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  if (s.messages_file) {
    prompt.messages_json = messages.c_str();
  } else if (s.raw || !s.ids.empty()) {
    prompt.ids = s.ids.data();
    prompt.num_ids = s.ids.size();
  } else {
    prompt.text = question.c_str();
    prompt.system = s.generation.system;
  }
  if (!s.generation.tools_json.empty()) prompt.tools_json = s.generation.tools_json.c_str();

  const SessionHandle session = new_session(model);
  std::string last_line;
  int32_t finish_reason = PENSEE_FINISH_NONE;
  {
    ReplyPrinter printer(s.generation);
    finish_reason = generate(session, prompt, s.generation.request(), [&](const pensee_event& event) {
      if (s.json) {
        write_output(event_json(event));
      } else {
        printer.print(event);
      }
      if (event.kind == PENSEE_EVENT_END && event.usage) {
        last_line = statistics(*event.usage, event.finish_reason, info);
      }
    });
  }
  if (!s.generation.quiet && !s.json) std::fprintf(stderr, "%s\n", last_line.c_str());
  return finish_reason == PENSEE_FINISH_CANCELLED ? exit_interrupted : exit_ok;
}

}  // namespace cli
