// How far ahead guessing goes: the pace against costs and fortunes that are known.
#include "engine/speculation.h"

#include <doctest/doctest.h>

using namespace pensee;

namespace {

// Decodes `passes` times with a model whose pass over r rows takes seconds_of(r), and whose first guess comes true
// with every `wrong_every`-th exception (0: always). Returns how many passes had a guess.
template <class Seconds>
int guessed(Pace& pace, PassCost& cost, int passes, int wrong_every, Seconds&& seconds_of) {
  int with_guess = 0;
  for (int i = 0; i < passes; ++i) {
    const int32_t depth = pace.depth(1, 1, cost, 10e-6);
    cost.observe(1 + depth, seconds_of(1 + depth));
    with_guess += depth;
    if (depth == 0) pace.rest();
    if (depth > 0) pace.observe(1, wrong_every > 0 && i % wrong_every == 0 ? 0 : 1);
  }
  return with_guess;
}

double quick(int64_t rows) { return rows == 1 ? 50e-6 : 60e-6; }
double slow(int64_t rows) { return rows == 1 ? 50e-6 : 120e-6; }

}  // namespace

TEST_CASE("pace: a first guess that met cold caches is no reason to give up") {
  Pace pace;
  PassCost cost;
  guessed(pace, cost, 5, 0, [](int64_t) { return 400e-6; });
  CHECK(guessed(pace, cost, 100, 0, quick) >= 90);
}

TEST_CASE("pace: a pass that lost its core in the middle does not end the guessing") {
  Pace pace;
  PassCost cost;
  guessed(pace, cost, 50, 0, quick);
  guessed(pace, cost, 1, 0, [](int64_t) { return 10e-3; });
  CHECK(guessed(pace, cost, 50, 0, quick) >= 45);
}

TEST_CASE("pace: what never pays is tried seldom") {
  Pace pace;
  PassCost cost;
  guessed(pace, cost, 100, 0, slow);
  CHECK(guessed(pace, cost, 1000, 0, slow) <= 20);
  Pace unlucky;
  PassCost known;
  guessed(unlucky, known, 100, 1, quick);
  CHECK(guessed(unlucky, known, 1000, 1, quick) <= 60);
}
