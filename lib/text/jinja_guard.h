// Counts how deep the evaluator's calls are nested: a macro that calls itself ends in an error, not in a torn stack.
#pragma once

#include "text/jinja_eval.h"

namespace pensee::jinja {

struct Evaluator::Depth {
  explicit Depth(Evaluator& e) : evaluator(e) {
    if (++e.depth_ > kCallDepthMax) e.fail("the template calls itself too deeply");
  }
  ~Depth() { --evaluator.depth_; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;
  Evaluator& evaluator;
};

}  // namespace pensee::jinja
