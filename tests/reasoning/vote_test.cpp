// Final answers, their common form, and the count: certain() is checked against every way the open votes can fall.
#include "reasoning/vote.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <random>

using namespace pensee;

TEST_CASE("vote: the final answer of a reply") {
  CHECK(final_answer("So \\boxed{7}.") == "7");
  CHECK(final_answer("First \\boxed{3}, no: \\boxed{\\frac{1}{2}} it is.") == "\\frac{1}{2}");
  CHECK(final_answer("\\boxed{\\left\\{1, 2\\right\\}}") == "\\left\\{1, 2\\right\\}");
  CHECK(final_answer("\\boxed {x} and then \\boxed{never closed") == "x");
  CHECK(final_answer("\\boxed{a \\boxed{b}}") == "b");
  CHECK(final_answer("The answer is 42.\nI am sure.") == "42");
  CHECK(final_answer("**Answer:** 3.14") == "3.14");
  CHECK(final_answer("The final answer is: **Paris**.") == "Paris");
  CHECK(final_answer("Answer: no\nAnswer: yes") == "yes");
  CHECK(final_answer("ANSWER:\n\n  B \n") == "B");
  CHECK(final_answer("My answers: many\nIn the end 5") == "In the end 5");
  CHECK(final_answer("one\ntwo\n\n") == "two");
  CHECK(final_answer(" \n ").empty());
  CHECK(final_answer("\\boxed{}\n9") == "9");
}

TEST_CASE("vote: equal answers have one form") {
  const auto same = [](const char* a, const char* b) { return normal_answer(a) == normal_answer(b); };
  for (const char* seven :
       {"7", "7.0", " 7 ", "$7$", "7.", "+7", "07", "7.000", "**7**", "\\(7\\)", "0.7e1", "70e-1", "\\text{7}"}) {
    CAPTURE(std::string(seven));
    CHECK(normal_answer(seven) == "7");
  }
  CHECK(same("1,234,567.50", "1234567.5"));
  CHECK(same("1{,}000", "1000"));
  CHECK(same(".5", "0.5"));
  CHECK(same("-0", "0"));
  CHECK(
      same("\xe2\x88\x92"
           "3",
           "-3"));
  CHECK(same("123456789012345678901234567890", "123,456,789,012,345,678,901,234,567,890.0"));
  CHECK(same("Paris", "paris."));
  CHECK(same("x  =\n 3", "x = 3"));
  CHECK_FALSE(same("7", "7.1"));
  CHECK_FALSE(same("1,23", "123"));
  CHECK_FALSE(same("-3", "3"));
  CHECK_FALSE(same("123456789012345678901234567890", "123456789012345678901234567891"));
  for (const char* none : {"", "-", ".", "1.2.3", "1e", "e5", "1e999999999", "12,34,567", "abc"}) {
    CAPTURE(std::string(none));
    CHECK(normal_answer(normal_answer(none)) == normal_answer(none));
  }
}

TEST_CASE("vote: a number keeps its value in the common form") {
  std::mt19937 random(4);
  for (int round = 0; round < 5000; ++round) {
    const double value = static_cast<double>(static_cast<int>(random() % 2000001) - 1000000) / 1000;
    char plain[40], padded[40];
    snprintf(plain, sizeof plain, "%.3f", value);
    snprintf(padded, sizeof padded, "%+.6f", value);
    const std::string normal = normal_answer(plain);
    CHECK(normal == normal_answer(padded));
    CHECK(std::stod(normal) == std::stod(plain));
  }
}

TEST_CASE("vote: the most votes win, of equals the first seen, weights count") {
  Vote vote(5);
  CHECK(vote.winner() == nullptr);
  CHECK_FALSE(vote.certain());
  vote.add("Answer: 3");
  vote.add("Answer: 4.0");
  CHECK(vote.winner()->normal == "3");
  vote.add("so \\boxed{4}");
  CHECK(vote.winner()->normal == "4");
  CHECK(vote.winner()->answer == "4.0");
  CHECK(vote.winner()->votes == 2);
  vote.add(" ");
  CHECK(vote.given() == 4);
  CHECK_FALSE(vote.certain());  // 3 could draw level, and was first
  vote.add("3");
  CHECK(vote.winner()->normal == "3");
  CHECK(vote.certain());
  Vote weighted(3);
  weighted.add("1", 0.3);
  weighted.add("2", 0.9);
  CHECK(weighted.winner()->normal == "2");
  weighted.add("1", 0.5);
  CHECK(weighted.winner()->normal == "2");
  Vote odd(4, 1);
  odd.add("1", -5);
  odd.add("2", 1e300);
  odd.add("3", std::nan(""));
  CHECK(odd.winner()->weight == 1);
}

TEST_CASE("vote: certain means that no votes to come change the winner") {
  std::mt19937 random(6);
  size_t certain = 0;
  for (int round = 0; round < 3000; ++round) {
    const size_t expected = 1 + random() % 6, given = 1 + random() % expected;
    const bool weighted = random() % 2 == 0;
    Vote vote(expected);
    for (size_t i = 0; i < given; ++i) vote.add(std::to_string(random() % 3), weighted ? (random() % 5) / 4.0 : 1);
    const std::string winner = vote.winner()->normal;
    // The open votes fall for each of what there is and for a newcomer, with all their weight or none.
    bool changes = false;
    const std::function<void(Vote, size_t)> fall = [&](const Vote& so_far, size_t open) {
      if (open == 0) {
        changes |= so_far.winner()->normal != winner;
        return;
      }
      for (const char* answer : {"0", "1", "2", "3"}) {
        Vote next = so_far;
        next.add(answer, 1);
        fall(next, open - 1);
      }
    };
    fall(vote, expected - given);
    CHECK(vote.certain() == !changes);
    certain += vote.certain();
  }
  CHECK(certain > 500);
}
