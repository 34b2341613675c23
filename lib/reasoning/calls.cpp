#include "reasoning/calls.h"

#include <algorithm>

#include "reasoning/python_calls.h"

namespace pensee {
namespace {

constexpr size_t kRawMax = size_t{4} << 20;  // bytes of one call

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_name(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || u >= 0x80 ||
         std::string_view("_-.:/").find(c) != std::string_view::npos;
}

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  return begin == text.npos ? std::string_view() : text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

bool is_object(const std::string& text) {
  const auto parsed = json::parse(text, "arguments");
  return parsed.ok() && parsed->object();
}

// The text of a JSON string; empty when it is none.
std::string unquoted(const std::string& text) {
  auto parsed = json::parse(text, "string");
  return parsed.ok() && parsed->string() ? *std::move(parsed->string()) : std::string();
}

// What a form that writes texts without quotes means by `text`.
std::string value_of(std::string_view text, ToolTypes::Type type) {
  if (type == ToolTypes::Type::text) return json::dump(json::Value(text));
  const std::string_view bare = trim(text);
  const auto parsed = json::parse(bare, "value");
  if (parsed.ok() && !parsed->string()) return std::string(bare);
  if (bare == "True" || bare == "False") return bare == "True" ? "true" : "false";  // as templates in Python write them
  if (bare == "None") return "null";
  if (type == ToolTypes::Type::value && (bare.starts_with('[') || bare.starts_with('{'))) {
    if (std::string read = json_of_python(bare); !read.empty()) return read;
  }
  return json::dump(json::Value(text));
}

}  // namespace

bool valid_tool_name(std::string_view name) {
  return !name.empty() && name.size() <= 256 && std::all_of(name.begin(), name.end(), is_name);
}

const json::Value* ToolTypes::find(std::string_view tool) const {
  if (!tools_.array()) return nullptr;
  for (const json::Value& entry : *tools_.array()) {
    const json::Value* function = entry.find("function");
    if (!function) function = &entry;
    const json::Value* name = function->find("name");
    if (name && name->string() && *name->string() == tool) return function;
  }
  return nullptr;
}

ToolTypes::Type ToolTypes::parameter(std::string_view tool, std::string_view name) const {
  const json::Value* at = find(tool);
  for (const std::string_view step :
       {std::string_view("parameters"), std::string_view("properties"), name, std::string_view("type")}) {
    if (at) at = at->find(step);
  }
  if (!at || !at->string()) return Type::unknown;
  return *at->string() == "string" ? Type::text : Type::value;
}

JsonScanner::State ArgumentReader::push(char c, std::string& fresh) {
  using State = JsonScanner::State;
  if (!begun_) {
    if (is_space(c)) return State::more;
    if (c != '{' && c != '"') return State::broken;
    begun_ = true;
    object_ = c == '{';
  }
  const State state = scan_.push(c);
  if (state == State::broken) return state;
  text_ += c;
  if (object_) fresh += c;
  if (state == State::more) return state;
  if (!object_) {
    text_ = trim(unquoted(text_));
    if (text_.empty()) text_ = "{}";
    fresh += text_;
  }
  return is_object(text_) ? State::done : State::broken;
}

CallReader::CallReader(const CallSyntax& syntax, std::string_view begun, bool bare, const ToolTypes* types)
    : syntax_(syntax), types_(types), bare_(bare), raw_(begun) {}

bool CallReader::reads_arguments() const {
  return stage_ == Stage::arguments || (stage_ == Stage::object && in_value_ && field_ == Field::arguments);
}

bool CallReader::reads_name() const {
  return stage_ == Stage::name || stage_ == Stage::name_line ||
         (stage_ == Stage::object && in_value_ && field_ == Field::name);
}

std::string_view CallReader::name() const {
  if (!reads_name()) return call_.name;
  const std::string_view part = part_;
  return stage_ == Stage::name || part.empty() ? part : part.substr(1);  // without the quote or the line break
}

const std::string& CallReader::arguments() const {
  return syntax_.body == CallBody::parameters && stage_ != Stage::object ? call_.arguments : reader_.text();
}

CallReader::Step CallReader::push(char c, std::string& fresh) {
  raw_ += c;
  const Step result = raw_.size() > kRawMax ? Step::broken : step(c, fresh);
  if (result == Step::broken || result == Step::left) {
    unread_ = tail_.empty() ? std::string(1, c) : tail_;
    raw_.resize(raw_.size() - std::min(unread_.size(), raw_.size()));
  }
  return result == Step::broken && complete_ && trim(raw_).empty() ? Step::left : result;
}

CallReader::Step CallReader::step(char c, std::string& fresh) {
  switch (stage_) {
    case Stage::begin:
      return begin(c, fresh);
    case Stage::object:
      return object(c, fresh);
    case Stage::between:
      return between(c, fresh);
    case Stage::name:
      return name(c, fresh);
    case Stage::name_line:
      return name_line(c, fresh);
    case Stage::arguments:
      return arguments(c, fresh);
    case Stage::keys:
      return keys(c, fresh);
    case Stage::key:
      if (!until(c, syntax_.key_end)) return part_.size() > 1024 ? Step::broken : Step::more;
      key_ = std::exchange(part_, {});
      stage_ = syntax_.value_begin.empty() ? Stage::value : Stage::before_value;
      return Step::more;
    case Stage::before_value:
      return before_value(c);
    case Stage::python:
      return python(c, fresh);
    case Stage::value:
      return value(c, fresh);
  }
  return Step::broken;
}

bool CallReader::until(char c, std::string_view tag) {
  part_ += c;
  if (!std::string_view(part_).ends_with(tag)) return false;
  part_.resize(part_.size() - tag.size());
  return true;
}

CallReader::Match CallReader::match(char c, std::string_view first, std::string_view second) {
  tail_ += c;
  if (!first.empty() && (tail_ == first || first.starts_with(tail_))) {
    if (tail_ != first) return Match::part;
    tail_.clear();
    return Match::first;
  }
  if (second.empty() || !second.starts_with(tail_)) return Match::none;
  if (tail_ != second) return Match::part;
  tail_.clear();
  return Match::second;
}

CallReader::Step CallReader::begin(char c, std::string& fresh) {
  if (tail_.empty()) {
    if (is_space(c)) return Step::more;
    if (c == '[' && !list_) {
      list_ = true;
      if (syntax_.body == CallBody::python) stage_ = Stage::python;
      return Step::more;
    }
    if (c == '{') {
      stage_ = Stage::object;
      return object(c, fresh);
    }
  }
  if (syntax_.body == CallBody::python) {
    stage_ = Stage::python;
    return python(c, fresh);
  }
  if (list_ || syntax_.body == CallBody::objects) return Step::broken;
  if (syntax_.name_begin.empty()) {
    stage_ = Stage::name;
    return name(c, fresh);
  }
  const Match found = match(c, syntax_.name_begin, {});
  if (found == Match::first) stage_ = Stage::name;
  return found == Match::none ? Step::broken : Step::more;
}

// After a call: what may stand between it and the next, and the tag that ends them.
CallReader::Step CallReader::between(char c, std::string& fresh) {
  const bool objects = syntax_.body == CallBody::objects || list_;
  if (tail_.empty()) {
    if (is_space(c) || (c == '`' && syntax_.body == CallBody::named)) return Step::more;
    if (objects && (c == ',' || c == ';')) return Step::more;
    if (c == ']' && list_) {
      list_ = false;
      over_ = syntax_.end.empty();
      return over_ ? Step::ended : Step::more;
    }
    if (objects && c == '{') {
      stage_ = Stage::object;
      scan_ = {};
      reader_ = {};
      has_name_ = has_arguments_ = in_value_ = false;
      return object(c, fresh);
    }
  }
  switch (match(c, syntax_.end, {})) {
    case Match::part:
      return Step::more;
    case Match::first:
      return Step::ended;
    default:
      return Step::left;
  }
}

CallReader::Step CallReader::finish(std::string arguments) {
  if (!valid_tool_name(call_.name) || !is_object(arguments)) return Step::broken;
  if (bare_ && types_ && !types_->empty() && !types_->known(call_.name)) return Step::broken;
  call_.arguments = std::move(arguments);
  stage_ = Stage::between;
  complete_ = true;
  raw_.clear();
  part_.clear();
  return Step::call;
}

// One byte of an object of calls; members of the first level are what counts.
CallReader::Step CallReader::object(char c, std::string& fresh) {
  const bool top = scan_.depth() == 1, was_key = scan_.in_key(), was_string = scan_.in_string();
  const bool was_scalar = scan_.in_scalar(), starts = top && scan_.wants_value() && !is_space(c);
  const int depth = scan_.depth();
  const auto state = scan_.push(c);
  if (state == JsonScanner::State::broken) return Step::broken;
  if (starts) {
    in_value_ = true;
    part_.clear();
  }
  if (top && !was_key && scan_.in_key()) part_.clear();
  const bool ends_before = in_value_ && top && was_scalar && !scan_.in_scalar();
  if (in_value_ && !ends_before) {
    if (field_ == Field::arguments && (reader_.text().empty() ? c == '{' || c == '"' : true)) {
      if (reader_.push(c, fresh) == JsonScanner::State::broken) return Step::broken;
    } else {
      part_ += c;
    }
  } else if (top && (was_key || scan_.in_key())) {
    part_ += c;
    if (was_key && !scan_.in_key() && !key_is(unquoted(part_))) return Step::broken;
  }
  const bool ends = in_value_ && scan_.depth() == 1 && !scan_.in_scalar() &&
                    (ends_before || depth == 2 || (top && was_string && !scan_.in_string()));
  if (ends || ends_before) {
    in_value_ = false;
    if (!member()) return Step::broken;
  }
  if (state == JsonScanner::State::more) return Step::more;
  if (!has_name_ || (bare_ && !has_arguments_)) return Step::broken;
  if (!has_arguments_) fresh += "{}";
  return finish(has_arguments_ ? reader_.text() : "{}");
}

// Whether an object of a call may have this key (again).
bool CallReader::key_is(std::string_view key) {
  field_ = Field::skipped;
  if (key == "name" || key == "tool_name") field_ = Field::name;
  if (key == "arguments" || key == "parameters") field_ = Field::arguments;
  if (key == "id" || key == "tool_call_id") field_ = Field::id;
  if (field_ == Field::name) return !std::exchange(has_name_, true);
  if (field_ == Field::arguments) return !has_arguments_;
  return field_ == Field::id || !bare_ || key == "type";
}

// A member's value is complete.
bool CallReader::member() {
  if (field_ == Field::name) {
    call_.name = unquoted(part_);
    return valid_tool_name(call_.name);
  }
  if (field_ == Field::id && !part_.empty() && part_[0] == '"') call_.id = unquoted(part_);
  if (field_ != Field::arguments) return true;
  has_arguments_ = !reader_.text().empty();
  return has_arguments_ || part_ == "null";
}

CallReader::Step CallReader::name(char c, std::string& fresh) {
  if (part_.size() > 256) return Step::broken;
  if (tail_.empty() && is_name(c)) {
    part_ += c;
    return Step::more;
  }
  if (syntax_.name_end == "\n") {  // ends with whatever is no letter of a name
    if (!settle_name()) return Step::broken;
    stage_ = Stage::keys;
    return keys(c, fresh);
  }
  const Match found = match(c, syntax_.name_end, key_.empty() ? syntax_.id_begin : std::string_view());
  if (found == Match::none) return Step::broken;
  if (found == Match::second) key_ = std::exchange(part_, {});  // an id stands between the name and its end
  if (found != Match::first) return Step::more;
  if (!key_.empty()) call_.id = std::exchange(part_, std::exchange(key_, {}));
  if (syntax_.body == CallBody::parameters) {
    stage_ = Stage::keys;
    return settle_name() ? Step::more : Step::broken;
  }
  stage_ = Stage::name_line;
  return Step::more;
}

// What the part says about name and id ("functions.NAME:7" is both).
bool CallReader::settle_name() {
  std::string_view head = trim(part_);
  if (head.starts_with("functions.")) {
    call_.id = head;
    head.remove_prefix(10);
    const size_t colon = head.rfind(':');
    if (colon != head.npos) head = head.substr(0, colon);
  }
  call_.name = head;
  part_.clear();
  return valid_tool_name(call_.name);
}

// After the name's end: the arguments, or a line with the name proper (what came before was a type) and a fence.
CallReader::Step CallReader::name_line(char c, std::string& fresh) {
  if (c == '{' || c == '"') {
    if (!line_done_ && !settle_name()) return Step::broken;
    stage_ = Stage::arguments;
    reader_ = {};
    return arguments(c, fresh);
  }
  if (line_done_)
    return is_space(c) || std::string_view("`json").find(c) != std::string_view::npos ? Step::more : Step::broken;
  if (!is_name(c) && c != '\n') return is_space(c) ? Step::more : Step::broken;
  const bool begun = part_.starts_with('\n');
  if (c != '\n') {
    if (!begun) part_ = "\n";  // the type goes
    part_ += c;
    return part_.size() > 257 ? Step::broken : Step::more;
  }
  if (!begun) return Step::more;
  line_done_ = true;
  return settle_name() ? Step::more : Step::broken;
}

CallReader::Step CallReader::arguments(char c, std::string& fresh) {
  switch (reader_.push(c, fresh)) {
    case JsonScanner::State::more:
      return Step::more;
    case JsonScanner::State::broken:
      return Step::broken;
    case JsonScanner::State::done:
      break;
  }
  over_ = syntax_.end.empty();
  return finish(reader_.text());
}

CallReader::Step CallReader::keys(char c, std::string& fresh) {
  if (tail_.empty() && is_space(c)) return Step::more;
  const bool body = !syntax_.body_end.empty();
  switch (match(c, syntax_.key_begin, body ? syntax_.body_end : syntax_.end)) {
    case Match::first:
      stage_ = Stage::key;
      part_.clear();
      return Step::more;
    case Match::second:
      break;
    case Match::part:
      return Step::more;
    case Match::none:
      return Step::broken;
  }
  const std::string last = call_.arguments.empty() ? "{}" : "}";
  fresh += last;
  over_ = !body;
  return finish(call_.arguments + last);
}

// One byte of NAME(KEY=VALUE, ..), or of what stands around it.
CallReader::Step CallReader::python(char c, std::string& fresh) {
  if (part_.empty()) {
    if (is_space(c) || (c == ',' && complete_)) return Step::more;
    if (c == ']' && list_) {
      list_ = false;
      stage_ = Stage::between;
      return Step::more;
    }
  }
  if (depth_ == 0 && c != '(' && !is_name(c)) return Step::broken;
  part_ += c;
  if (quote_) {
    if (!escaped_ && c == quote_) quote_ = 0;
    escaped_ = !escaped_ && c == '\\';
    return Step::more;
  }
  if (c == '"' || c == '\'') quote_ = c;
  if (c == '(' || c == '[' || c == '{') ++depth_;
  if ((c != ')' && c != ']' && c != '}') || --depth_ > 0) return Step::more;
  std::string read;
  if (!read_python_call(part_, call_.name, read)) return Step::broken;
  const Step result = finish(read);
  if (result == Step::call) fresh += read;
  stage_ = list_ ? Stage::python : Stage::between;
  return result;
}

CallReader::Step CallReader::before_value(char c) {
  if (tail_.empty() && is_space(c)) return Step::more;
  const Match found = match(c, syntax_.value_begin, {});
  if (found == Match::first) stage_ = Stage::value;
  return found == Match::none ? Step::broken : Step::more;
}

CallReader::Step CallReader::value(char c, std::string& fresh) {
  if (!until(c, syntax_.value_end)) return Step::more;
  std::string_view text = part_;
  std::string_view key = key_;
  ToolTypes::Type type = types_ ? types_->parameter(call_.name, trim(key)) : ToolTypes::Type::unknown;
  if (const size_t quote = key.find('"'); quote != key.npos) {  // DSML: city" string="true"
    type = key.find("string=\"true") != key.npos ? ToolTypes::Type::text : ToolTypes::Type::value;
    key = key.substr(0, quote);
  } else if (!syntax_.body_end.empty() && text.size() > 1 && text.front() == '\n' && text.back() == '\n') {
    text = text.substr(1, text.size() - 2);  // the line breaks belong to the form
  }
  const std::string pair =
      (call_.arguments.empty() ? "{" : ", ") + json::dump(json::Value(trim(key))) + ": " + value_of(text, type);
  call_.arguments += pair;
  fresh += pair;
  part_.clear();
  stage_ = Stage::keys;
  return Step::more;
}

}  // namespace pensee
