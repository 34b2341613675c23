#include "reasoning/messages.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "reasoning/calls.h"

namespace pensee {
namespace {

using json::Array;
using json::Object;
using json::Value;

constexpr std::string_view kToolsHead =
    "You can call these tools. Each line describes one in JSON:\n"
    "<tools>\n";
constexpr std::string_view kToolsTail =
    "</tools>\n\n"
    "To call a tool, write a JSON object with its name and its arguments between tool_call tags, in this form:\n"
    "<tool_call>\n{\"name\": \"NAME\", \"arguments\": {\"PARAMETER\": \"VALUE\"}}\n</tool_call>\n"
    "For several calls write several such blocks. After the last one end your turn: what the tools answer comes back "
    "to you between tool_response tags.";

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

const std::string* text_member(const Value& object, std::string_view name) {
  const Value* value = object.find(name);
  return value ? value->string() : nullptr;
}

bool has_role(const Value& message, std::string_view role) { return *text_member(message, "role") == role; }

bool has_calls(const Value& message) {
  const Value* calls = message.find("tool_calls");
  return calls && calls->array() && !calls->array()->empty();
}

void erase(Value& object, std::string_view name) {
  std::erase_if(*object.object(), [&](const json::Member& member) { return member.first == name; });
}

// Content as text: null is "", a list of text parts is joined.
Result<std::string> plain(const Value& message, size_t index) {
  const Value* content = message.find("content");
  if (!content || content->is_null()) return std::string();
  if (content->string()) return *content->string();
  std::string text;
  if (!content->array()) {
    return Status::format(Code::bad_argument, "message {}: \"content\" is {}, not a text", index, content->kind());
  }
  for (const Value& part : *content->array()) {
    const std::string* words = part.string() ? part.string() : text_member(part, "text");
    if (!words) {
      return Status::format(Code::bad_argument,
                            "message {}: a part of \"content\" is no text; this model reads only text", index);
    }
    text += *words;
  }
  return text;
}

Status check_call(const Value& call, size_t message, size_t index) {
  const Value* function = call.find("function");
  const std::string* name = function ? text_member(*function, "name") : nullptr;
  if (!name || name->empty()) {
    return Status::format(Code::bad_argument, "message {}: tool call {} has no function.name", message, index);
  }
  const Value* arguments = function->find("arguments");
  if (!arguments || arguments->object() || arguments->is_null()) return Status();
  if (arguments->string()) {
    const auto parsed = json::parse(arguments->string()->empty() ? "{}" : *arguments->string(), "arguments");
    if (parsed.ok() && parsed->object()) return Status();
  }
  return Status::format(Code::bad_argument,
                        "message {}: the arguments of tool call {} ({}) are neither a JSON object nor the text of one",
                        message, index, *name);
}

// Checks a message and brings what is equal into one form: content a text, calls complete.
Result<Value> read_message(const Value& message, size_t index) {
  if (!message.object()) {
    return Status::format(Code::bad_argument, "message {} is {}, not an object", index, message.kind());
  }
  const std::string* role = text_member(message, "role");
  if (!role) return Status::format(Code::bad_argument, "message {} has no \"role\"", index);
  constexpr std::string_view roles[] = {"system", "developer", "user", "assistant", "tool", "function"};
  if (std::find(std::begin(roles), std::end(roles), *role) == std::end(roles)) {
    return Status::format(Code::bad_argument,
                          "message {} has the role \"{}\"; known are system, developer, user, assistant and tool",
                          index, *role);
  }
  Value fitted = message;
  if (*role == "function") fitted.set("role", "tool");
  const Value* calls = message.find("tool_calls");
  if (calls && (!calls->array() || calls->array()->empty())) {
    if (!calls->array() && !calls->is_null()) {
      return Status::format(Code::bad_argument, "message {}: \"tool_calls\" is {}, not a list", index, calls->kind());
    }
    erase(fitted, "tool_calls");
    calls = nullptr;
  }
  for (size_t i = 0; calls && i < calls->array()->size(); ++i) {
    PENSEE_TRY(check_call((*calls->array())[i], index, i));
  }
  if (!message.find("content") && !calls) {
    return Status::format(Code::bad_argument, "message {} has no \"content\"", index);
  }
  PENSEE_ASSIGN(std::string text, plain(message, index));
  fitted.set("content", std::move(text));
  return fitted;
}

// The arguments as an object, which check_call has seen to be possible.
Value arguments_of(const Value& call) {
  const Value* arguments = call.find("function")->find("arguments");
  if (arguments && arguments->object()) return *arguments;
  if (arguments && arguments->string()) {
    auto parsed = json::parse(*arguments->string(), "arguments");
    if (parsed.ok() && parsed->object()) return *std::move(parsed);
  }
  return Object{};
}

// The same call, as the shape wants it; `id` replaces its own unless empty.
Value shaped_call(const TemplateShape& shape, const Value& call, std::string id) {
  const Value& function = *call.find("function");
  const Value* given = function.find("arguments");
  Value fitted = call, inner = function;
  // Text that is text already keeps its spaces.
  using Arguments = TemplateShape::Arguments;
  const bool is_text = given && given->string() && !given->string()->empty(), is_object = given && given->object();
  const bool keep =
      (is_text && shape.arguments != Arguments::object) || (is_object && shape.arguments != Arguments::text);
  if (!keep) {
    Value arguments = arguments_of(call);
    const bool as_text = shape.arguments == Arguments::text;
    inner.set("arguments", as_text ? Value(json::dump(arguments)) : std::move(arguments));
  }
  if (!id.empty()) fitted.set("id", std::move(id));
  if (!call.find("type")) fitted.set("type", "function");
  fitted.set("function", std::move(inner));
  return fitted;
}

std::string hermes_call(const Value& call) {
  const Value object = Object{{"name", *call.find("function")->find("name")}, {"arguments", arguments_of(call)}};
  return "<tool_call>\n" + json::dump(object) + "\n</tool_call>";
}

class Fitting {
 public:
  explicit Fitting(const TemplateShape& shape) : shape_(shape) {}

  Status read(const Value& messages) {
    if (!messages.array() || messages.array()->empty()) {
      return Status(Code::bad_argument, "messages must be a JSON array of at least one message");
    }
    for (size_t i = 0; i < messages.array()->size(); ++i) {
      const Value& given = (*messages.array())[i];
      PENSEE_ASSIGN(Value message, read_message(given, i));
      const Value* content = given.find("content");
      null_.push_back(content && content->is_null());
      in_.push_back(std::move(message));
    }
    return Status();
  }

  Array write(const std::string& tools_text) {
    describe(tools_text);
    for (size_t i = 0; i < in_.size();) {
      if (has_role(in_[i], "assistant") && has_calls(in_[i])) {
        i = turn(i);
      } else {
        message(in_[i++]);
      }
    }
    return std::move(out_);
  }

 private:
  // Puts a text before all messages: into the system message, a new one, or the first user's where none is taken.
  void describe(const std::string& text) {
    for (Value& message : in_) {
      if (has_role(message, "developer") && !shape_.developer_role) message.set("role", "system");
    }
    const bool has_system = !in_.empty() && (has_role(in_[0], "system") || has_role(in_[0], "developer"));
    if (!text.empty() && has_system) {
      in_[0].set("content", *text_member(in_[0], "content") + "\n\n" + text);
    } else if (!text.empty()) {
      in_.insert(in_.begin(), Value(Object{{"role", "system"}, {"content", text}}));
      null_.insert(null_.begin(), false);
    }
    if (shape_.system_role || in_.empty() || !has_role(in_[0], "system")) return;
    const std::string system = *text_member(in_[0], "content");
    const auto user = std::find_if(in_.begin(), in_.end(), [](const Value& m) { return has_role(m, "user"); });
    if (user == in_.end()) {
      in_[0].set("role", "user");
      return;
    }
    user->set("content", system + "\n\n" + *text_member(*user, "content"));
    in_.erase(in_.begin());
    null_.erase(null_.begin());
  }

  void message(Value message) {
    if (has_role(message, "tool")) return result(std::move(message));
    if (const std::string* thought = text_member(message, "reasoning_content");
        thought && shape_.thinking_field && !message.find("thinking")) {
      // gpt-oss' template takes the content beside calls for the thought, and refuses both.
      const bool taken = has_calls(message) && !text_member(message, "content")->empty();
      if (!taken) message.set("thinking", *thought);
    }
    out_.push_back(std::move(message));
  }

  // A tool's answer; for a template that has no such role a user's turn, one for all answers in a row.
  void result(Value message) {
    if (shape_.tool_role && shape_.calls) {
      if (const std::string* id = text_member(message, "tool_call_id")) message.set("tool_call_id", id_of(*id));
      out_.push_back(std::move(message));
      return;
    }
    std::string text = "<tool_response>\n" + *text_member(message, "content") + "\n</tool_response>";
    if (!out_.empty() && results_ == out_.size()) {
      out_.back().set("content", *text_member(out_.back(), "content") + "\n" + text);
      return;
    }
    out_.emplace_back(Object{{"role", "user"}, {"content", std::move(text)}});
    results_ = out_.size();
  }

  // An assistant's message with calls and the answers that follow it. Returns where the next begins.
  size_t turn(size_t at) {
    const Value head = in_[at];
    const Array& calls = *head.find("tool_calls")->array();
    size_t end = at + 1;
    while (end < in_.size() && has_role(in_[end], "tool")) ++end;
    if (!shape_.calls) {
      Value text = head;
      std::string content = *text_member(head, "content");
      for (const Value& call : calls) content += (content.empty() ? "" : "\n") + hermes_call(call);
      text.set("content", std::move(content));
      erase(text, "tool_calls");
      message(std::move(text));
      for (size_t i = at + 1; i < end; ++i) message(in_[i]);
      return end;
    }
    Value first = head;
    if (shape_.content_apart && !text_member(head, "content")->empty()) {
      Value words = head;
      erase(words, "tool_calls");
      message(std::move(words));
      first = Object{{"role", "assistant"}, {"content", ""}};
    }
    if (!shape_.single_calls || calls.size() == 1) {
      message(with_calls(std::move(first), calls, null_[at]));
      for (size_t i = at + 1; i < end; ++i) message(in_[i]);
      return end;
    }
    separate(at, end, std::move(first), calls);
    return end;
  }

  // One message a call, each with its answer behind it.
  void separate(size_t at, size_t end, Value first, const Array& calls) {
    std::vector<bool> used(end - at - 1);
    for (size_t c = 0; c < calls.size(); ++c) {
      Value one = c == 0 ? std::move(first) : Value(Object{{"role", "assistant"}, {"content", ""}});
      message(with_calls(std::move(one), Array{calls[c]}, null_[at]));
      const std::string* id = text_member(calls[c], "id");
      for (size_t i = 0; i < used.size(); ++i) {
        const std::string* of = text_member(in_[at + 1 + i], "tool_call_id");
        if (used[i] || (id && of ? *id != *of : i != c)) continue;
        used[i] = true;
        message(in_[at + 1 + i]);
      }
    }
    for (size_t i = 0; i < used.size(); ++i) {
      if (!used[i]) message(in_[at + 1 + i]);
    }
  }

  // `was_null`: the caller gave null for the content.
  Value with_calls(Value message, const Array& calls, bool was_null) {
    Array shaped;
    for (const Value& call : calls) {
      const std::string* id = text_member(call, "id");
      shaped.push_back(shaped_call(shape_, call, id_of(id ? *id : "call_" + std::to_string(count_++))));
    }
    message.set("tool_calls", std::move(shaped));
    const bool null =
        shape_.empty == TemplateShape::Empty::null || (shape_.empty == TemplateShape::Empty::as_given && was_null);
    if (null && text_member(message, "content")->empty()) message.set("content", nullptr);
    return message;
  }

  // The id that the template sees for the caller's.
  std::string id_of(const std::string& id) {
    const auto letter = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    };
    if (!shape_.short_ids || (id.size() == 9 && std::all_of(id.begin(), id.end(), letter))) return id;
    size_t at = 0;
    while (at < ids_.size() && ids_[at] != id) ++at;
    if (at == ids_.size()) ids_.push_back(id);
    const std::string number = std::to_string(at % 100000);
    return "call" + std::string(5 - number.size(), '0') + number;
  }

  const TemplateShape& shape_;
  std::vector<Value> in_;
  std::vector<bool> null_;  // of in_: the content was null
  Array out_;
  std::vector<std::string> ids_;
  size_t results_ = 0;  // out_.size() right after a user's turn of tool answers
  size_t count_ = 0;
};

Result<Value> read_tools(const Value& tools) {
  if (!tools.array()) return Status::format(Code::bad_argument, "tools is {}, not a JSON array", tools.kind());
  Array fitted;
  for (size_t i = 0; i < tools.array()->size(); ++i) {
    const Value& tool = (*tools.array())[i];
    const Value* function = tool.find("function");
    const std::string* name = text_member(function ? *function : tool, "name");
    if (!name || !valid_tool_name(*name)) {
      return Status::format(Code::bad_argument, "tool {} has no usable name (letters, digits and _-.:/)", i);
    }
    fitted.push_back(function ? tool : Value(Object{{"type", "function"}, {"function", tool}}));
  }
  return Value(std::move(fitted));
}

// --- probing

constexpr const char* kName = "penseeprobename";
constexpr const char* kKey = "penseeprobekey";
constexpr const char* kWords = "penseeprobewords";

Value say(const char* role, const char* text) { return Object{{"role", role}, {"content", text}}; }

struct Probe {
  bool text = false, empty = false;  // arguments as text, "" as content
  int calls = 1;
  const char* id = "probe0000";
  bool answered = true;  // a tool's answer follows
  bool content = false;  // words beside the calls
};

Array conversation(const Probe& probe) {
  Array calls;
  std::string id = probe.id;
  for (int i = 0; i < probe.calls; ++i) {
    const std::string key = kKey + std::to_string(i);
    Value arguments = Object{{key, "value"}};
    if (probe.text) arguments = json::dump(arguments);
    id.back() = static_cast<char>('0' + i);
    calls.emplace_back(Object{
        {"id", id}, {"type", "function"}, {"function", Object{{"name", kName}, {"arguments", std::move(arguments)}}}});
  }
  Array messages = {say("user", "Hi")};
  const Value content = probe.content ? Value("Well.") : probe.empty ? Value("") : Value();
  messages.push_back(Object{{"role", "assistant"}, {"content", content}, {"tool_calls", std::move(calls)}});
  if (probe.answered) {
    id.back() = '0';
    messages.push_back(Object{{"role", "tool"}, {"content", kWords}, {"tool_call_id", id}, {"name", kName}});
  }
  return messages;
}

// How well a template wrote a call: 0 not at all, 1 as Python or as a quoted text, 2 as it should be.
int quality(const Result<std::string>& rendered) {
  if (!rendered.ok() || !contains(*rendered, kKey) || !contains(*rendered, kName)) return 0;
  const std::string key = kKey;
  return contains(*rendered, "'" + key) || contains(*rendered, "\\\"" + key) ? 1 : 2;
}

// The forms of arguments and of no content that a template writes best; both of equals. Returns one of the best ways.
template <class TryOut>
Probe find_forms(const TryOut& try_out, TemplateShape& shape) {
  int most = 0, found[2][2] = {};  // by text, by empty
  Probe best;
  for (const bool answered : {true, false}) {
    if (most > 0) break;
    best.answered = answered;
    for (const bool text : {false, true}) {
      for (const bool empty : {true, false}) {
        most = std::max(most, found[text][empty] = quality(try_out(conversation({text, empty, 1, best.id, answered}))));
      }
    }
  }
  shape.calls = most > 0;
  const auto good = [&](bool text, bool empty) { return found[text][empty] == most; };
  const bool as_object = good(false, true) || good(false, false), as_text = good(true, true) || good(true, false);
  if (!as_object) shape.arguments = TemplateShape::Arguments::text;
  if (!as_text) shape.arguments = TemplateShape::Arguments::object;
  const auto always = [&](bool empty) { return (!as_object || good(false, empty)) && (!as_text || good(true, empty)); };
  if (!always(true)) shape.empty = TemplateShape::Empty::null;
  if (!always(false)) shape.empty = TemplateShape::Empty::text;
  best.text = !as_object;
  best.empty = always(true);
  return best;
}

}  // namespace

TemplateShape probe_template(std::string_view source, const RenderMessages& render) {
  TemplateShape shape;
  const Value tools = Array{
      Object{{"type", "function"},
             {"function",
              Object{{"name", kName},
                     {"description", "probe"},
                     {"parameters", Object{{"type", "object"}, {"properties", Object{}}, {"required", Array{}}}}}}}};
  // Some templates cannot do without tools, some raise where they get them.
  const auto try_out = [&](const Array& messages) {
    auto rendered = render(messages, &tools);
    return rendered.ok() ? rendered : render(messages, nullptr);
  };
  const auto writes = [&](const Array& messages) {
    const auto rendered = try_out(messages);
    return rendered.ok() && contains(*rendered, kWords);
  };
  const auto offered = render(Array{say("user", "Hi")}, &tools);
  shape.tools = offered.ok() && contains(*offered, kName);
  shape.system_role = writes({say("system", kWords), say("user", "Hi")});
  shape.developer_role = contains(source, "developer") && writes({say("developer", kWords), say("user", "Hi")});
  shape.thinking_field = !contains(source, "reasoning_content") &&
                         (contains(source, "message.thinking") || contains(source, "message['thinking']"));
  Probe best = find_forms(try_out, shape);
  shape.tool_role = shape.calls && best.answered && writes(conversation(best));
  if (!shape.calls) return shape;
  Probe other = best;
  other.id = "call_0";
  shape.short_ids = quality(try_out(conversation(other))) == 0;
  other = best;
  other.content = true;
  shape.content_apart = quality(try_out(conversation(other))) == 0;
  other = best;
  other.calls = 2;
  const auto both = try_out(conversation(other));
  shape.single_calls =
      !both.ok() || !contains(*both, std::string(kKey) + "0") || !contains(*both, std::string(kKey) + "1");
  return shape;
}

Result<Conversation> fit_conversation(const TemplateShape& shape, const Value& messages, const Value* tools) {
  Conversation fitted;
  std::string description;
  if (tools && !tools->is_null()) {
    PENSEE_ASSIGN(Value list, read_tools(*tools));
    if (shape.tools && !list.array()->empty()) {
      fitted.tools = std::move(list);
    } else if (!list.array()->empty()) {
      description = kToolsHead;
      for (const Value& tool : *list.array()) description += json::dump(tool) + "\n";
      description += kToolsTail;
    }
  }
  Fitting fitting(shape);
  PENSEE_TRY(fitting.read(messages));
  fitted.messages = fitting.write(description);
  return fitted;
}

}  // namespace pensee
