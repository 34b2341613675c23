// One generation, seen from its tokens: what to feed next, which events a token makes, when it ends. Knows sampling,
// budgets, prefixes, loops, tags, tool calls, constraints and stop strings; knows nothing of batches, caches and
// threads.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/reply.h"
#include "engine/types.h"
#include "reasoning/loop.h"
#include "reasoning/splitter.h"

namespace pensee {

class Generation {
 public:
  // Checks what can only be known with the model at hand: constraints, biases, prefixes. `options` with all
  // recommendations settled (settle_options); `prompt` tells whether a thought is open already.
  static Result<std::unique_ptr<Generation>> create(const Engine& engine, GenerateOptions options,
                                                    std::span<const int32_t> prompt);

  // Chooses the token at `position` from its logits and appends its events. Returns the token to feed next, or -1 at
  // the end; finish() says why then. `end_thought`: close the thought now.
  int32_t step(std::span<const float> logits, int64_t position, bool end_thought, std::vector<Event>& out);
  // What is still held back, as events without a token. Call once, at the end, whatever ended it.
  void flush(std::vector<Event>& out);

  // Tokens that will come whatever the logits say: as good as a guess can be.
  std::span<const int32_t> certain() const { return forced_; }
  // Prompt and reply.
  std::span<const int32_t> history() const { return history_; }
  // Tokens that may still come, as far as options tell.
  int64_t tokens_left() const;

  Finish finish() const { return finish_; }
  const Status& status() const { return status_; }  // of Finish::error
  int64_t thought_tokens() const { return thought_tokens_; }
  int64_t answer_tokens() const { return answer_tokens_; }
  const GenerateOptions& options() const { return options_; }

 private:
  Generation(const Engine& engine, GenerateOptions options, std::span<const int32_t> prompt, Splitter splitter);
  Status prepare();
  Status prepare_tools();
  Status force_text(std::string_view text);

  // Choosing.
  int32_t choose(std::span<const float> logits, bool end_thought);
  void watch_thought(bool end_thought);
  void close_thought(Finish why);
  int32_t choose_in_thought(std::span<const float> logits);
  int32_t choose_answer(std::span<const float> logits);
  int32_t draw(std::span<const float> logits);
  bool opens_thought(int32_t token) const;
  bool closes_thought(int32_t token) const;
  void begin_answer();
  bool steers_answer() const;
  void follow_tool_call();
  void end_held_call();

  // Making events.
  void text_events(std::string_view text, bool mark, Event token_event, std::vector<Event>& out);
  void pass_on(std::vector<Piece> pieces, Event token_event, std::vector<Event>& out);
  bool stop_in(std::string& text);  // cuts an answer's text at a stop string, holds back what may begin one
  void count(Channel before);
  Finish natural_finish() const;

  const Engine& engine_;
  GenerateOptions options_;
  Sampler sampler_;
  Splitter splitter_;
  Utf8Joiner joiner_;
  LoopGuard loop_guard_;
  bool looping_ = false;  // the thought
  std::vector<int32_t> history_;
  std::vector<int32_t> forced_;  // the first comes next
  bool took_forced_ = false;     // the last token was one of them
  std::vector<float> room_;      // for log_sum_exp
  std::vector<uint32_t> mask_;

  // The thought.
  Finish closed_by_ = Finish::none;  // why we closed it
  bool closing_ = false;

  // The answer.
  bool answer_settled_ = false;  // it has begun: its settings, prefix and constraint hold
  std::shared_ptr<const CompiledConstraint> answer_constraint_;
  std::optional<ConstraintMatcher> matcher_;
  bool skip_space_ = false;  // before a constrained answer: what stands between it and the thought
  std::string held_answer_;  // may begin a stop string
  bool stopped_ = false;

  // Tool calls, and what they are held to if anything.
  std::shared_ptr<const CompiledConstraint> call_constraint_;  // the whole call
  std::map<std::string, std::shared_ptr<const CompiledConstraint>> argument_constraints_;
  bool in_call_ = false, call_held_ = false;
  size_t calls_ = 0;

  Finish finish_ = Finish::none;
  Status status_;
  int64_t thought_tokens_ = 0;
  int64_t answer_tokens_ = 0;
};

// The bytes of a token as a splitter wants them: control tokens of the dialect are marks and keep their text, other
// special tokens have none.
std::string bytes_of(const Engine& engine, int32_t token, bool* mark);
// A text that was generated elsewhere, split as a generation would. `in_thought`: its prompt had opened the thought.
Result<Reply> parse_reply(const Engine& engine, std::string_view text, bool in_thought);

// Fills what the caller left open by the model's recommendation, else R1's (0.6, 0.95); draws a seed for seed 0.
GenerateOptions settle_options(const Engine& engine, GenerateOptions options);

}  // namespace pensee
