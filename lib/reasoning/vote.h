// Self-consistency: the answers that several samples came to are extracted, made comparable and counted. Pure text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pensee {

// The final answer in a reply's answer text: the last \boxed{...} with balanced braces, else what follows the last
// "answer is" or "answer:" in its line, else the last line that is not empty. Trimmed, else as it stands.
std::string final_answer(std::string_view text);

// A form that equal answers share: without space around, $, \( \), bold stars, \text{} and the full stop at the end,
// spaces in a row as one; a number without thousands separators and in its shortest form (7.0 and +7 are 7, 1,234.50 is
// 1234.5, .5 is 0.5), whatever its length; words in lower case.
std::string normal_answer(std::string_view answer);

struct Candidate {
  std::string answer;  // as first given
  std::string normal;
  double weight = 0;  // sum of its votes'
  size_t votes = 0;
  size_t first = 0;  // index of the first vote for it, which decides ties
};

class Vote {
 public:
  // `expected`: votes in all. Weights are finite and not below zero; with `weight_max` > 0 none is above that.
  explicit Vote(size_t expected, double weight_max = 1) : expected_(expected), weight_max_(weight_max) {}

  // A sample's answer text; its place among the candidates. A sample without any answer (blank) counts as given and
  // votes for nobody.
  void add(std::string_view text, double weight = 1);
  size_t given() const { return given_; }
  const std::vector<Candidate>& candidates() const { return candidates_; }  // in order of their first vote

  // The leading candidate; of equals the one that was seen first. Null before any vote.
  const Candidate* winner() const;
  // The votes still to come cannot change the winner, whatever they are.
  bool certain() const;

 private:
  size_t expected_, given_ = 0;
  double weight_max_;
  std::vector<Candidate> candidates_;
};

}  // namespace pensee
