// Problems with known answers, one JSON object a line, and what counts as right.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

// {"task": "sum", "level": 2, "question": "...", "answer": "42", "check": "equal"}
//   "equal" (the default)     the answer is "answer", upper and lower case and the amount of white space apart
//   {"countdown": {"numbers": [3, 5, 7], "target": 22}}
//                             the answer is an expression of + - * ( ) over the numbers, each used once, of that value
struct Problem {
  enum Check { equal, countdown };
  std::string task, level, question, answer;
  Check check = equal;
  std::vector<int64_t> numbers;
  int64_t target = 0;
};

// Throws Failure naming the line.
std::vector<Problem> read_problems(const std::string& path);

bool is_right(const Problem& problem, std::string_view answer);

}  // namespace cli
