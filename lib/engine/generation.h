// One generation, seen from its tokens: what to feed next, which events a token makes, when it ends. Knows sampling,
// budgets, tags and stop strings; knows nothing of batches, caches and threads.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/types.h"

namespace pensee {

class Generation {
 public:
  // `options` with all recommendations settled (settle_options). The prompt tells whether a thought is open already.
  Generation(const Engine& engine, GenerateOptions options, std::span<const int32_t> prompt);

  // Chooses the token at `position` from its logits and appends its events. Returns the token to feed next, or -1 at
  // the end; finish() says why then. `end_thought`: close the thought now.
  int32_t step(std::span<const float> logits, int64_t position, bool end_thought, std::vector<Event>& out);
  // What is still held back, as events without a token. Call once, at the end, whatever ended it.
  void flush(std::vector<Event>& out);

  Finish finish() const { return finish_; }
  int64_t thought_tokens() const { return thought_tokens_; }
  int64_t answer_tokens() const { return answer_tokens_; }
  const GenerateOptions& options() const { return options_; }

 private:
  int32_t choose(std::span<const float> logits, bool end_thought);
  bool budget_is_spent() const;
  void force_close();
  void text_events(std::string_view text, Event token_event, std::vector<Event>& out);
  bool stop_in(std::string& text);  // cuts an answer's text at a stop string, holds back what may begin one
  void count(Channel before);

  const Engine& engine_;
  GenerateOptions options_;
  Sampler sampler_;
  Splitter splitter_;
  Utf8Joiner joiner_;
  std::vector<float> room_;     // for log_sum_exp
  std::deque<int32_t> forced_;  // tokens that close the thought
  bool closing_ = false;        // the thought was closed by us
  bool closed_by_budget_ = false;
  std::string held_answer_;  // may begin a stop string
  bool stopped_ = false;
  Finish finish_ = Finish::none;
  int64_t thought_tokens_ = 0;
  int64_t answer_tokens_ = 0;
};

// Fills what the caller left open by the model's recommendation, else R1's (0.6, 0.95); draws a seed for seed 0.
GenerateOptions settle_options(const Engine& engine, GenerateOptions options);

}  // namespace pensee
