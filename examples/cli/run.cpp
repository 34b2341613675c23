// `pensee run`: one question, one reply (or several, or a vote). The prompt is a question, a whole conversation, a raw
// text or token ids.
#include <unistd.h>

#include <cstdio>

#include "commands.h"
#include "expert_load.h"
#include "generate.h"
#include "reply_printer.h"
#include "settings.h"
#include "vote.h"

namespace cli {
namespace {

struct RunSettings {
  ModelSettings model;
  GenerationSettings generation;
  bool json = false;
  bool raw = false;
  const char* messages_file = nullptr;
  const char* load_session = nullptr;
  const char* save_session = nullptr;
  VoteSettings vote;
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
      {"n", "N", "samples of the reply, which share the prompt (default 1)",
       [&s](const char* v) { s.generation.options.n = static_cast<int32_t>(parse_integer("--n", v, 1, 1024)); }},
      {"experts", nullptr, "draw how the load was spread over the experts; with --json: in each event",
       [&s](const char*) { s.generation.options.trace_experts = 1; }},
      {"load-session", "FILE", "begin with what --save-session kept: a prompt that begins alike is not computed again",
       [&s](const char* v) { s.load_session = v; }},
      {"save-session", "FILE", "keep what was computed", [&s](const char* v) { s.save_session = v; }},
      {"quiet", nullptr, "no progress bar and no line of statistics",
       [&s](const char*) { s.model.quiet = s.generation.quiet = true; }},
  };
  add_vote_flags(flags, s.vote);
  add_generation_flags(flags, s.generation);
  add_model_flags(flags, s.model);
  return flags;
}

struct Arguments {
  const char* model = nullptr;  // the default model
  const char* question = nullptr;
};

// [MODEL] [QUESTION]. One alone is a question unless it names a model or the prompt is given otherwise.
Arguments read_arguments(const RunSettings& s, const std::vector<std::string>& positionals) {
  if (positionals.size() > 2) throw UsageError("more than one question: put it into quotes");
  if (positionals.size() == 2) return {positionals[0].c_str(), positionals[1].c_str()};
  if (positionals.empty()) return {};
  const bool is_model = !s.ids.empty() || s.messages_file || names_model(positionals[0]);
  return is_model ? Arguments{positionals[0].c_str(), nullptr} : Arguments{nullptr, positionals[0].c_str()};
}

// The question, from the argument or from standard input; "" where --prompt-ids or --messages take its place.
std::string read_question(const RunSettings& s, const char* question) {
  const bool elsewhere = !s.ids.empty() || s.messages_file;
  if (!s.ids.empty() && s.messages_file) throw UsageError("--prompt-ids and --messages: give one of them");
  if (elsewhere && s.raw) throw UsageError("--raw needs a text to continue");
  if ((elsewhere || s.raw) && s.generation.system) throw UsageError("--system belongs to a question");
  if (question && elsewhere) throw UsageError("a question beside --prompt-ids or --messages");
  if (elsewhere) return "";
  if (question && std::string_view(question) != "-") return question;
  if (!question && is_terminal(STDIN_FILENO)) throw UsageError("no question");
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

SessionHandle open_session(const ModelHandle& model, const RunSettings& s) {
  if (!s.load_session) return new_session(model);
  pensee_session* session = nullptr;
  pensee_error error = PENSEE_ERROR_INIT;
  const pensee_status status = pensee_session_restore(model.get(), s.load_session, &session, &error);
  check(status, error);
  return SessionHandle(session);
}

void keep_session(const SessionHandle& session, const RunSettings& s) {
  if (!s.save_session) return;
  pensee_error error = PENSEE_ERROR_INIT;
  const pensee_status status = pensee_session_save(session.get(), s.save_session, &error);
  check(status, error);
}

// Prints the reply, or all samples of it, and returns the exit code.
int run_reply(const SessionHandle& session, const pensee_prompt& prompt, const pensee_model_info& info,
              const RunSettings& s) {
  std::string statistics_lines;
  int32_t finish_reason = PENSEE_FINISH_NONE;
  ExpertLoad load(info);
  {
    SamplesPrinter printer(s.generation, s.generation.options.n);
    finish_reason = generate(session, prompt, s.generation.request(), [&](const pensee_event& event) {
      load.add(event);
      if (s.json) {
        write_output(event_json(event, info));
      } else {
        printer.print(event);
      }
      if (event.kind == PENSEE_EVENT_END && event.usage) {
        statistics_lines += statistics(*event.usage, event.finish_reason, info) + "\n";
      }
    });
  }
  if (s.generation.options.trace_experts && !s.json) {
    write_output("\n" + load.draw(is_terminal(STDOUT_FILENO) && speaks_utf8()));
  }
  if (!s.generation.quiet && !s.json) std::fputs(statistics_lines.c_str(), stderr);
  return finish_reason == PENSEE_FINISH_CANCELLED ? exit_interrupted : exit_ok;
}

}  // namespace

int run_command(int argc, char** argv) {
  RunSettings s;
  std::vector<std::string> positionals;
  const Command command = {"run", "[OPTION]... [MODEL] [QUESTION]",
                           "Asks a model; without MODEL the default one, which comes with the library.\n"
                           "Without QUESTION, or with -, the question is read from standard input."};
  if (!parse(command, run_flags(s), argc, argv, positionals)) return exit_ok;
  const Arguments arguments = read_arguments(s, positionals);
  const std::string question = read_question(s, arguments.question);
  const std::string messages = s.messages_file ? read_file(s.messages_file) : "";
  if (s.vote.wanted && s.generation.options.n > 1) throw UsageError("--vote and --n: give one of them");

  const ModelHandle model = open_model(arguments.model, s.model);
  const ModelHandle draft = open_draft(s.generation, s.model);
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

  const SessionHandle session = open_session(model, s);
  const int code =
      s.vote.wanted ? run_vote(session, prompt, s.generation, s.vote, s.json) : run_reply(session, prompt, info, s);
  keep_session(session, s);
  return code;
}

}  // namespace cli
