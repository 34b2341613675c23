#include "problems.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <stdexcept>

#include "args.h"
#include "json_reader.h"
#include "settings.h"

namespace cli {
namespace {

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n\v\f");
  return begin == text.npos ? "" : text.substr(begin, text.find_last_not_of(" \t\r\n\v\f") - begin + 1);
}

// One space between words, none around them, no capitals (of ASCII).
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : trimmed(text)) {
    const bool space = std::strchr(" \t\r\n\v\f", c) && c;
    if (space && out.back() == ' ') continue;
    out += space ? ' ' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return out;
}

// Sums of products of whole numbers, by descent: sum = product (("+" | "-") product)*, product = factor ("*" factor)*,
// factor = "-" factor | "(" sum ")" | digits.
class Expression {
 public:
  explicit Expression(std::string_view text) : text_(text) {}

  // The value; nothing where the text is no such expression or a number on the way leaves 64 bits.
  std::optional<int64_t> value() {
    if (text_.size() > kMostLong) return std::nullopt;
    const int64_t found = sum();
    if (peek() != '\0') good_ = false;
    return good_ ? std::optional(found) : std::nullopt;
  }
  std::vector<int64_t> numbers;

 private:
  static constexpr size_t kMostLong = 100;

  char peek() {
    while (at_ < text_.size() && text_[at_] == ' ') at_++;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (peek() != c) return false;
    at_++;
    return true;
  }
  int64_t sum() {
    int64_t value = product();
    for (;;) {
      const bool plus = peek() == '+';
      if (!take('+') && !take('-')) return value;
      const int64_t other = product();
      if (plus ? __builtin_add_overflow(value, other, &value) : __builtin_sub_overflow(value, other, &value)) {
        good_ = false;
      }
    }
  }

  int64_t product() {
    int64_t value = factor();
    while (take('*')) {
      const int64_t other = factor();
      if (__builtin_mul_overflow(value, other, &value)) good_ = false;
    }
    return value;
  }

  int64_t factor() {
    if (take('-')) {
      int64_t value = 0;
      if (__builtin_sub_overflow(value, factor(), &value)) good_ = false;
      return value;
    }
    if (take('(')) {
      const int64_t value = sum();
      if (!take(')')) good_ = false;
      return value;
    }
    peek();
    int64_t value = 0;
    const size_t begin = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; at_++) {
      if (value > INT64_MAX / 10 - 1) {
        good_ = false;
        value = 0;
      }
      value = value * 10 + (text_[at_] - '0');
    }
    if (at_ == begin) good_ = false;
    numbers.push_back(value);
    return value;
  }

  std::string_view text_;
  size_t at_ = 0;
  bool good_ = true;
};

int64_t integer(const Json* value, const char* name) {
  if (!value || value->kind != Json::number) throw std::runtime_error(std::string("\"") + name + "\" is no number");
  return parse_integer(name, value->text, INT64_MIN + 1, INT64_MAX);
}

// A string, or a number as it is written; "" where it may be absent.
std::string text_of(const Json& object, const char* name, bool required) {
  const Json* value = object.find(name);
  if (!value && !required) return "";
  if (!value) throw std::runtime_error(std::string("\"") + name + "\" is missing");
  if (value->kind != Json::string && value->kind != Json::number) {
    throw std::runtime_error(std::string("\"") + name + "\" is no text");
  }
  return value->text;
}

void read_check(const Json& check, Problem& p) {
  if (check.kind == Json::string && check.text == "equal") return;
  const Json* countdown = check.find("countdown");
  if (!countdown) throw std::runtime_error("\"check\" is neither \"equal\" nor a countdown");
  p.check = Problem::countdown;
  const Json* numbers = countdown->find("numbers");
  if (!numbers || numbers->kind != Json::array) throw std::runtime_error("\"numbers\" is no list");
  for (const Json& number : numbers->items) p.numbers.push_back(integer(&number, "numbers"));
  p.target = integer(countdown->find("target"), "target");
}

Problem read_problem(std::string_view line) {
  const Json object = parse_json(line);
  if (object.kind != Json::object) throw std::runtime_error("no JSON object");
  Problem p;
  p.task = text_of(object, "task", false);
  p.level = text_of(object, "level", false);
  p.question = text_of(object, "question", true);
  if (const Json* check = object.find("check")) read_check(*check, p);
  p.answer = text_of(object, "answer", p.check == Problem::equal);
  return p;
}

}  // namespace

std::vector<Problem> read_problems(const std::string& path) {
  const std::string text = read_file(path);
  std::vector<Problem> problems;
  size_t number = 1;
  for (size_t begin = 0; begin < text.size(); number++) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = trimmed(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    if (line.empty()) continue;
    try {
      problems.push_back(read_problem(line));
    } catch (const std::exception& error) {
      throw Failure(PENSEE_OK, path + ", line " + std::to_string(number) + ": " + error.what());
    }
  }
  if (problems.empty()) throw Failure(PENSEE_OK, path + ": no problem in it");
  return problems;
}

bool is_right(const Problem& problem, std::string_view answer) {
  if (problem.check == Problem::equal) return plain(answer) == plain(problem.answer);
  Expression expression(trimmed(answer));
  if (expression.value() != std::optional(problem.target)) return false;
  std::vector<int64_t> used = expression.numbers, given = problem.numbers;
  std::sort(used.begin(), used.end());
  std::sort(given.begin(), given.end());
  return used == given;
}

}  // namespace cli
