// A stream: one prompt, n samples of the reply, their events in one queue. A vote is a stream whose samples are counted
// by the answer that they come to.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "engine/engine.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "reasoning/vote.h"

namespace pensee {

class Stream {
 public:
  // Claims the session until sample 0 has ended. busy: it streams already, or too many generations wait. at_once: how
  // many samples are computed together at most; 0: all.
  static Result<std::unique_ptr<Stream>> open(const Engine& engine, std::shared_ptr<SessionState> session,
                                              std::vector<int32_t> prompt, GenerateOptions options, int32_t at_once);
  ~Stream();  // cancels what still runs, and waits for it
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Status next(int64_t timeout_ms, Event* event, bool* got) { return queue_->next(timeout_ms, event, got); }
  void cancel();
  void end_thought();
  const std::vector<std::shared_ptr<Request>>& requests() const { return requests_; }

 private:
  explicit Stream(const Engine& engine) : engine_(engine) {}
  const Engine& engine_;
  std::shared_ptr<EventQueue> queue_;
  std::vector<std::shared_ptr<Request>> requests_;
};

// Marks a session as used by one caller, if nobody uses it.
class Claim {
 public:
  explicit Claim(SessionState& session) : busy_(session.busy) {
    std::lock_guard lock(session.claiming);
    held_ = !busy_.exchange(true);
  }
  ~Claim() {
    if (held_) busy_ = false;
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  Status status() const {
    if (held_) return Status();
    return Status(Code::busy, "the session streams: wait for its END event or cancel it");
  }
  void pass_on() { held_ = false; }

 private:
  std::atomic<bool>& busy_;
  bool held_;
};

struct VoteOptions {
  int32_t n = 16;
  bool by_confidence = false;
  bool all = false;  // do not stop when the majority is certain
  int32_t at_once = 0;
};

struct CountedAnswer {
  std::string answer;  // as the first of them has it
  int32_t votes = 0;
  double share = 0;   // of all weight
  int32_t first = 0;  // the reply that came to it first
};

struct CountedVotes {
  std::vector<Reply> replies;
  std::vector<CountedAnswer> answers;  // winner first
};

// Reads a stream of vote_options.n samples to its end; fails only where every sample failed.
Result<CountedVotes> count_votes(Stream& stream, const VoteOptions& vote_options);

}  // namespace pensee
