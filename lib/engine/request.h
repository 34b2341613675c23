// One generation on its way through the scheduler: what it has been fed, what it was guessed, where its events go.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "engine/event_queue.h"
#include "engine/generation.h"
#include "engine/session_state.h"
#include "engine/speculation.h"

namespace pensee {

struct Request {
  using Clock = std::chrono::steady_clock;

  // `options` are settled. Sample 0 works on the caller's session, the others on one of their own.
  static Result<std::shared_ptr<Request>> create(const Engine& engine, std::shared_ptr<SessionState> session,
                                                 std::vector<int32_t> prompt, GenerateOptions options,
                                                 std::shared_ptr<EventQueue> queue, int32_t sample);

  // Rows of to_feed that are not computed yet; logits are wanted from the last one that is no guess on.
  size_t left() const { return to_feed.size() - fed; }
  const GenerateOptions& options() const { return generation->options(); }

  std::shared_ptr<SessionState> session;
  std::shared_ptr<EventQueue> queue;
  int32_t sample = 0;
  int32_t at_once = 0;              // samples of its stream that may be under way together; 0: all
  std::shared_ptr<Request> leader;  // its prompt is ours: wait for it, then share its pages; null: none, or done
  std::unique_ptr<Generation> generation;
  std::vector<int32_t> prompt;

  std::vector<int32_t> to_feed;  // tokens to compute, of which `fed` are done
  size_t fed = 0;
  size_t guesses = 0;  // the last ones of to_feed
  bool guesses_are_certain = false;
  bool in_prompt = true;
  bool done = false;

  std::unique_ptr<Drafter> drafter;  // null: no speculation
  Pace pace;

  Usage usage;
  Clock::time_point asked, begun, first_token;
  std::atomic<bool> cancelled{false};
  std::atomic<bool> end_thought{false};
};

}  // namespace pensee
