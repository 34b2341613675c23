// Reads one family's tool calls byte by byte, from after the tag that begins them. What is certain of the arguments
// comes out as it is read, as JSON whatever the family writes; a call is a call only when its name is one and its
// arguments are a JSON object (base/json). The splitter owns the text around calls and what to do with broken ones.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "reasoning/dialect.h"
#include "reasoning/json_scan.h"

namespace pensee {

struct ToolCall {
  std::string id;  // as the model wrote it, else call_0, call_1 ...
  std::string name;
  std::string arguments;  // text of a JSON object
  bool operator==(const ToolCall&) const = default;
};

// Which tools were offered: tells a parameter that is a text from one that is a number in the forms that write both
// without quotes. Without it, what reads as JSON is JSON.
class ToolTypes {
 public:
  enum class Type : unsigned char { unknown, text, value };
  ToolTypes() = default;
  explicit ToolTypes(json::Value tools) : tools_(std::move(tools)) {}  // OpenAI-shaped, or null
  Type parameter(std::string_view tool, std::string_view name) const;
  bool known(std::string_view tool) const { return find(tool) != nullptr; }
  bool empty() const { return tools_.is_null(); }

 private:
  const json::Value* find(std::string_view tool) const;
  json::Value tools_;
};

// One JSON value that must be an object, or a string that holds one, or null for {}.
class ArgumentReader {
 public:
  // Appends to `fresh` what is now certain.
  JsonScanner::State push(char c, std::string& fresh);
  const std::string& text() const { return text_; }

 private:
  JsonScanner::State finish(std::string& fresh);
  JsonScanner scan_;
  std::string text_;
  bool object_ = false, begun_ = false;
};

class CallReader {
 public:
  // `begun`: the tag that was read. `bare`: none was, the call's "{" comes next.
  CallReader(const CallSyntax& syntax, std::string_view begun, bool bare, const ToolTypes* types);

  enum class Step : unsigned char {
    more,
    call,    // take() has a call; more may follow
    ended,   // the byte was the last of the markup
    left,    // unread() is no markup any more
    broken,  // raw() is no call, and unread() comes after it
  };
  Step push(char c, std::string& fresh);
  ToolCall take() { return std::exchange(call_, {}); }  // its id is empty unless the model wrote one
  bool over() const { return over_; }                   // after a call: no more markup is to come

  const std::string& raw() const { return raw_; }  // since the begin or the last call
  const std::string& unread() const { return unread_; }
  bool is_json() const {
    return (syntax_.body != CallBody::parameters && syntax_.body != CallBody::python) || stage_ == Stage::object;
  }
  bool reads_arguments() const;
  bool reads_name() const;
  std::string_view name() const;         // as far as it is read
  const std::string& arguments() const;  // as far as they are read

 private:
  enum class Stage : unsigned char {
    begin,
    object,
    between,
    name,
    name_line,
    arguments,
    keys,
    key,
    before_value,
    python,
    value
  };
  enum class Field : unsigned char { skipped, name, arguments, id };
  enum class Match : unsigned char { none, part, first, second };
  Step step(char c, std::string& fresh);
  Step begin(char c, std::string& fresh);
  Step between(char c, std::string& fresh);
  Step object(char c, std::string& fresh);
  bool member();
  Step name(char c, std::string& fresh);
  Step name_line(char c, std::string& fresh);
  Step arguments(char c, std::string& fresh);
  Step keys(char c, std::string& fresh);
  Step python(char c, std::string& fresh);
  Step before_value(char c);
  Step value(char c, std::string& fresh);
  Step finish(std::string arguments);
  bool settle_name();
  bool key_is(std::string_view key);
  bool until(char c, std::string_view tag);  // collects into part_; true when `tag` came, which is cut off
  Match match(char c, std::string_view first, std::string_view second);

  const CallSyntax& syntax_;
  const ToolTypes* types_;
  Stage stage_ = Stage::begin;
  ToolCall call_;
  bool bare_, list_ = false, over_ = false, complete_ = false;
  std::string raw_, unread_;
  std::string part_;  // the name, key or value that is being read
  std::string tail_;  // may become a tag
  std::string key_;
  JsonScanner scan_;
  ArgumentReader reader_;
  Field field_ = Field::skipped;
  int depth_ = 0;  // python: open brackets
  char quote_ = 0;
  bool escaped_ = false;
  bool in_value_ = false, has_name_ = false, has_arguments_ = false, line_done_ = false;
};

bool valid_tool_name(std::string_view name);

}  // namespace pensee
