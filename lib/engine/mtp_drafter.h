// Guesses by the model's own layer of multi-token prediction (DeepSeek-V3 report, 2.2): from the hidden state of a
// position and the token after it, the token after that one; from its own hidden state then the next. It keeps the
// hidden states that passes have left until their next token is known, and writes its rows of the session's cache.
#pragma once

#include <vector>

#include "engine/speculation.h"

namespace pensee {

class MtpDrafter final : public Drafter {
 public:
  MtpDrafter(const Engine& engine, CacheSequence& cache) : engine_(engine), cache_(cache) {}

  void propose(std::span<const int32_t> history, int32_t most, std::vector<int32_t>& out) override;
  double seconds_a_guess() const override { return seconds_; }
  bool wants_hidden() const override { return true; }
  void learn(int64_t first_position, std::span<const float> hidden) override;
  void catch_up(std::span<const int32_t> history) override;

 private:
  // Runs what waits. With logits, those of the last row are kept in logits_, its hidden state in next_hidden_.
  bool run_waiting(std::span<const int32_t> history, bool logits);
  bool run(std::span<const int32_t> tokens, int64_t first_position, std::span<const float> hidden, bool logits);
  size_t width() const;

  const Engine& engine_;
  CacheSequence& cache_;
  int64_t first_waiting_ = 0;   // position of the first hidden state that waits
  std::vector<float> waiting_;  // [positions, hidden_size]
  std::vector<float> logits_, next_hidden_;
  double seconds_ = 0;
};

}  // namespace pensee
