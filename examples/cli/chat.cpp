// `pensee chat`: a conversation. The whole of it goes to the session at each turn; the session computes what is new.
// Ctrl-C ends a reply, and the program where none is being written. A turn that failed is forgotten.
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "commands.h"
#include "generate.h"
#include "json_writer.h"
#include "reply_printer.h"
#include "settings.h"

namespace cli {
namespace {

struct Message {
  std::string role;
  std::string content;
  std::string thought;
};

std::string messages_json(const std::vector<Message>& messages) {
  JsonWriter json;
  json.begin_array();
  for (const Message& message : messages) {
    json.begin_object().member("role", message.role).member("content", message.content);
    if (!message.thought.empty()) json.member("reasoning_content", message.thought);
    json.end_object();
  }
  return json.end_array().text();
}

// Asks with all messages and appends the reply to them.
void take_turn(const SessionHandle& session, const GenerationSettings& settings, const pensee_model_info& info,
               std::vector<Message>& messages) {
  const std::string conversation = messages_json(messages);
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  prompt.messages_json = conversation.c_str();
  if (!settings.tools_json.empty()) prompt.tools_json = settings.tools_json.c_str();
  Message reply{"assistant", "", ""};
  std::string last_line;
  {
    ReplyPrinter printer(settings);
    generate(session, prompt, settings.request(), [&](const pensee_event& event) {
      printer.print(event);
      if (event.text && event.kind == PENSEE_EVENT_THOUGHT) reply.thought.append(event.text, event.text_length);
      if (event.text && event.kind == PENSEE_EVENT_ANSWER) reply.content.append(event.text, event.text_length);
      if (event.usage) last_line = statistics(*event.usage, event.finish_reason, info);
    });
  }
  if (!settings.quiet) std::fprintf(stderr, "%s\n", last_line.c_str());
  messages.push_back(std::move(reply));
}

}  // namespace

int chat_command(int argc, char** argv) {
  ModelSettings model_settings;
  GenerationSettings settings;
  Flags flags;
  add_generation_flags(flags, settings);
  add_model_flags(flags, model_settings);
  const Command command = {
      "chat", "[OPTION]... MODEL",
      "Talks with a model, a line at a time. /new forgets the conversation, /exit or Ctrl-D ends,\n"
      "Ctrl-C stops a reply."};
  std::vector<std::string> positionals;
  if (!parse(command, flags, argc, argv, positionals)) return exit_ok;
  if (positionals.size() != 1) throw UsageError(positionals.empty() ? "no MODEL" : "more than one MODEL");

  const ModelHandle model = open_model(positionals[0], model_settings);
  const pensee_model_info info = model_info(model);
  const SessionHandle session = new_session(model);
  std::vector<Message> messages;
  const bool interactive = is_terminal(STDIN_FILENO);
  for (std::string line;;) {
    if (messages.empty() && settings.system) messages.push_back({"system", settings.system, ""});
    if (interactive) write_output("> ");
    if (!std::getline(std::cin, line) || line == "/exit") break;
    if (line == "/new") messages.clear();
    if (line.empty() || line == "/new") continue;
    messages.push_back({"user", line, ""});
    try {
      take_turn(session, settings, info, messages);
    } catch (const Failure& error) {
      messages.pop_back();
      std::fprintf(stderr, "pensee: %s: %s\n", pensee_status_name(error.status), error.what());
    }
  }
  if (interactive) write_output("\n");
  return exit_ok;
}

}  // namespace cli
