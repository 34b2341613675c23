// Speculation: tokens guessed ahead are verified by one pass over all of them. The scheduler lets the generation choose
// each token from the verified logits, with the random numbers that it would have used without a guess, and keeps a
// guess only where the choice falls on it. So the text is the same bit for bit, under any sampler, and a guess is kept
// with its probability under the model: what rejection sampling (Leviathan et al. 2023) gives for a guess that is sure
// of itself. Here: who guesses, and how far ahead it pays.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "cache/cache.h"

namespace pensee {

class Engine;

// Seconds of a decoding pass by its rows, learnt from the passes themselves: for few rows what such passes took lately,
// else a line through all.
class PassCost {
 public:
  void observe(int64_t rows, double seconds);
  double seconds(int64_t rows) const;  // 0: nothing was observed yet
  // Whether to guess although it seems not to pay: what one more row costs is learnt in no other way. A few passes in a
  // row, since the first wakes threads; then again after more passes than before, or fewer when guesses do pay.
  bool curious();
  void pays() { patience_ = std::max(patience_ / 2, kPatience); }

 private:
  double on_line(int64_t rows) const;
  static constexpr double kForget = 0.97;
  static constexpr double kGuessedSlope = 0.35;  // of a one-row pass, for each further row, until more is known
  static constexpr int64_t kFew = 20;
  double weight_ = 0, rows_ = 0, rows_squared_ = 0, seconds_ = 0, rows_seconds_ = 0;
  double least_rows_ = 0, least_seconds_ = 0;  // the smallest pass that was seen lately
  double few_[kFew] = {};                      // by rows; 0: none was seen
  static constexpr int64_t kPatience = 4, kPatienceMax = 1024;
  static constexpr int kTrials = 3;
  int64_t plain_ = 0, patience_ = kPatience;  // passes of one row since the last trials, and how many to wait for
  int trials_left_ = 0;
};

// How often guesses of one generation come true, and so how far ahead it should guess.
class Pace {
 public:
  // Of `drafted` guesses the first `accepted` came true.
  void observe(int64_t drafted, int64_t accepted);
  // A pass without a guess: what was learnt fades, so that guessing is tried again.
  void rest();
  // How many guesses make the most tokens a second, of at most `most`; `rows`: of the pass without them.
  int32_t depth(int32_t most, int64_t rows, PassCost& cost, double seconds_a_guess) const;
  // For a generation that begins: what is known of others counts as little as one or two guesses.
  Pace of_another() const;

 private:
  static constexpr double kPrior = 0.5;  // probability of a guess before anything is known, counted as one trial
  static constexpr int64_t kPlaces = 8;
  // By its place among the guesses: one on top of a guess is worse. The last stands for those behind it.
  struct {
    double accepted = 0, tried = 0;
  } places_[kPlaces];
};

class Drafter {
 public:
  virtual ~Drafter() = default;
  // Appends at most `most` guesses of what follows `history` (the tokens of the conversation; it only grows).
  virtual void propose(std::span<const int32_t> history, int32_t most, std::vector<int32_t>& out) = 0;
  virtual double seconds_a_guess() const { return 0; }
  // The hidden states that the passes leave for kept positions, where a drafter wants them; catch_up after each pass.
  virtual bool wants_hidden() const { return false; }
  virtual void learn(int64_t /*first_position*/, std::span<const float> /*hidden*/) {}
  virtual void catch_up(std::span<const int32_t> /*history*/) {}
};

// What followed the last tokens when they came before (prompt look-up).
class NgramDrafter final : public Drafter {
 public:
  void propose(std::span<const int32_t> history, int32_t most, std::vector<int32_t>& out) override;

 private:
  static constexpr size_t kGram = 3;
  std::unordered_map<uint64_t, uint32_t> after_;  // hash of a gram -> index of the token that followed it last
  size_t indexed_ = 0;                            // tokens of the history whose grams are in after_
};

// A small model with the same tokens, decoded greedily.
class ModelDrafter final : public Drafter {
 public:
  explicit ModelDrafter(std::shared_ptr<const Engine> engine);
  ~ModelDrafter() override;
  void propose(std::span<const int32_t> history, int32_t most, std::vector<int32_t>& out) override;
  double seconds_a_guess() const override { return seconds_; }

 private:
  bool feed(std::span<const int32_t> ids);  // false: it cannot go on (memory, context)
  std::shared_ptr<const Engine> engine_;
  std::vector<int32_t> tokens_;  // that the cache holds
  CacheSequence cache_;
  std::vector<float> logits_;
  double seconds_ = 0;
};

}  // namespace pensee
