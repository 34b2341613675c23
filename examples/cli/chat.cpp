// `pensee chat`: a conversation. The whole of it, without the thoughts, goes to the session at each turn; the session
// computes what is new, and the line below a reply tells what it kept. Where the model calls a tool, its result is
// asked for. Ctrl-C ends a reply, and the program where none is being written. A turn that failed is forgotten.
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

struct ToolCall {
  std::string id, name, arguments;
};

struct Message {
  std::string role;
  std::string content;
  std::vector<ToolCall> calls;  // of the assistant
  std::string tool_call_id;     // of a tool
};

void write_calls(JsonWriter& json, const std::vector<ToolCall>& calls) {
  json.key("tool_calls").begin_array();
  for (const ToolCall& call : calls) {
    json.begin_object().member("id", call.id).member("type", "function").key("function");
    json.begin_object().member("name", call.name).member("arguments", call.arguments).end_object().end_object();
  }
  json.end_array();
}

std::string messages_json(const std::vector<Message>& messages) {
  JsonWriter json;
  json.begin_array();
  for (const Message& message : messages) {
    json.begin_object().member("role", message.role).member("content", message.content);
    if (!message.calls.empty()) write_calls(json, message.calls);
    if (!message.tool_call_id.empty()) json.member("tool_call_id", message.tool_call_id);
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
  Message reply{"assistant", "", {}, ""};
  std::string last_line;
  {
    ReplyPrinter printer(settings);
    generate(session, prompt, settings.request(), [&](const pensee_event& event) {
      printer.print(event);
      if (event.text && event.kind == PENSEE_EVENT_ANSWER) reply.content.append(event.text, event.text_length);
      if (event.tool_name) {
        reply.calls.push_back({event.tool_call_id ? event.tool_call_id : "", event.tool_name,
                               event.tool_arguments_json ? event.tool_arguments_json : "{}"});
      }
      if (event.usage) last_line = statistics(*event.usage, event.finish_reason, info);
    });
  }
  if (!settings.quiet) std::fprintf(stderr, "%s\n", last_line.c_str());
  reply.content.erase(0, reply.content.find_first_not_of(" \t\r\n"));
  messages.push_back(std::move(reply));
}

// A line of the user, or false where the talk ends.
bool read_line(const char* prompt, bool interactive, std::string& line) {
  if (interactive) write_output(prompt);
  return std::getline(std::cin, line) && line != "/exit";
}

// Asks for the results of the last reply's tool calls; false where the talk ends.
bool read_results(bool interactive, std::vector<Message>& messages) {
  const std::vector<ToolCall> calls = messages.back().calls;
  for (const ToolCall& call : calls) {
    std::string line;
    if (!read_line(("result of " + without_controls(call.name) + "> ").c_str(), interactive, line)) return false;
    messages.push_back({"tool", line, {}, call.id});
  }
  return true;
}

// A user's line and all that the model says and asks until the next; false where the talk ends.
bool take_turns(const SessionHandle& session, const GenerationSettings& settings, const pensee_model_info& info,
                bool interactive, std::vector<Message>& messages) {
  const size_t before = messages.size() - 1;
  try {
    take_turn(session, settings, info, messages);
    while (!messages.back().calls.empty()) {
      if (!read_results(interactive, messages)) return false;
      take_turn(session, settings, info, messages);
    }
  } catch (const Failure& error) {
    messages.resize(before);
    std::fprintf(stderr, "pensee: %s: %s\n", pensee_status_name(error.status), error.what());
  }
  return true;
}

}  // namespace

int chat_command(int argc, char** argv) {
  ModelSettings model_settings;
  GenerationSettings settings;
  Flags flags;
  add_generation_flags(flags, settings);
  add_model_flags(flags, model_settings);
  const Command command = {
      "chat", "[OPTION]... [MODEL]",
      "Talks with a model, a line at a time. /new forgets the conversation, /exit or Ctrl-D ends,\n"
      "Ctrl-C stops a reply."};
  std::vector<std::string> positionals;
  if (!parse(command, flags, argc, argv, positionals)) return exit_ok;

  const ModelHandle model = open_model(only_model(positionals), model_settings);
  const ModelHandle draft = open_draft(settings, model_settings);
  const pensee_model_info info = model_info(model);
  const SessionHandle session = new_session(model);
  std::vector<Message> messages;
  const bool interactive = is_terminal(STDIN_FILENO);
  for (std::string line;;) {
    if (messages.empty() && settings.system) messages.push_back({"system", settings.system, {}, ""});
    if (!read_line("> ", interactive, line)) break;
    if (line == "/new") messages.clear();
    if (line.empty() || line == "/new") continue;
    messages.push_back({"user", line, {}, ""});
    if (!take_turns(session, settings, info, interactive, messages)) break;
  }
  if (interactive) write_output("\n");
  return exit_ok;
}

}  // namespace cli
