#include "reasoning/json_scan.h"

#include <string_view>

namespace pensee {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_scalar(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' || c == 'E';
}

}  // namespace

JsonScanner::State JsonScanner::string_byte(char c) {
  if (static_cast<unsigned char>(c) < 0x20) return State::broken;
  if (string_ == String::hex) {
    if (!is_hex(c)) return State::broken;
    if (--hex_ == 0) string_ = String::text;
    return State::more;
  }
  if (string_ == String::escape) {
    if (std::string_view("\"\\/bfnrtu").find(c) == std::string_view::npos) return State::broken;
    string_ = c == 'u' ? String::hex : String::text;
    hex_ = 4;
    return State::more;
  }
  if (c == '\\') string_ = String::escape;
  if (c != '"') return State::more;
  string_ = String::none;
  if (!key_) return after_value();
  want_ = Want::colon;
  return State::more;
}

JsonScanner::State JsonScanner::after_value() {
  want_ = open_.empty() ? Want::nothing : Want::comma_or_end;
  return open_.empty() ? State::done : State::more;
}

JsonScanner::State JsonScanner::close(char c) {
  if (open_.empty() || open_.back() != (c == '}' ? '{' : '[')) return State::broken;
  open_.pop_back();
  return after_value();
}

JsonScanner::State JsonScanner::value(char c) {
  if (c == '"') {
    string_ = String::text;
    key_ = false;
    return State::more;
  }
  if (c == '{' || c == '[') {
    if (open_.size() == kMaxDepth) return State::broken;
    open_ += c;
    want_ = c == '{' ? Want::key_or_end : Want::value_or_end;
    return State::more;
  }
  if (!is_scalar(c) || open_.empty()) return State::broken;
  want_ = Want::scalar;
  return State::more;
}

JsonScanner::State JsonScanner::push(char c) {
  if (string_ != String::none) return string_byte(c);
  if (want_ == Want::scalar) {
    if (is_scalar(c)) return State::more;
    want_ = Want::comma_or_end;
  }
  if (is_space(c)) return State::more;
  switch (want_) {
    case Want::value_or_end:
      if (c == ']') return close(c);
      return value(c);
    case Want::value:
      return value(c);
    case Want::key_or_end:
      if (c == '}') return close(c);
      [[fallthrough]];
    case Want::key:
      if (c != '"') return State::broken;
      string_ = String::text;
      key_ = true;
      return State::more;
    case Want::colon:
      if (c != ':') return State::broken;
      want_ = Want::value;
      return State::more;
    case Want::comma_or_end:
      if (c == '}' || c == ']') return close(c);
      if (c != ',') return State::broken;
      want_ = open_.back() == '{' ? Want::key : Want::value;
      return State::more;
    case Want::scalar:
    case Want::nothing:
      break;
  }
  return State::broken;
}

}  // namespace pensee
