#include "engine/mtp_drafter.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "engine/engine.h"
#include "engine/scheduler.h"

namespace pensee {

size_t MtpDrafter::width() const { return static_cast<size_t>(engine_.content.model->config.hidden_size); }

void MtpDrafter::learn(int64_t first_position, std::span<const float> hidden) {
  const auto expected = first_waiting_ + static_cast<int64_t>(waiting_.size() / width());
  if (waiting_.empty() || first_position != expected) {
    waiting_.clear();
    first_waiting_ = first_position;
  }
  waiting_.insert(waiting_.end(), hidden.begin(), hidden.end());
}

void MtpDrafter::catch_up(std::span<const int32_t> history) {
  constexpr size_t worth_a_pass = 64, kept_bytes = 1 << 20;  // who never guesses again should not pay for it
  if (waiting_.size() / width() >= worth_a_pass && waiting_.size() * sizeof(float) >= kept_bytes) {
    run_waiting(history, false);
  }
}

bool MtpDrafter::run(std::span<const int32_t> tokens, int64_t first_position, std::span<const float> hidden,
                     bool logits) {
  const auto rows = static_cast<int32_t>(tokens.size());
  const auto first = static_cast<int32_t>(first_position);
  const int64_t vocab = engine_.content.model->config.vocab_size;
  const auto columns = static_cast<int64_t>(width());
  std::vector<int32_t> positions(tokens.size());
  std::iota(positions.begin(), positions.end(), first);
  const Run run = {&cache_, 0, rows, first};
  const int32_t last = rows - 1;
  DraftBatch draft;
  draft.batch.runs = std::span(&run, 1);
  draft.batch.token_ids = tokens;
  draft.batch.positions = positions;
  if (logits) draft.batch.rows_with_logits = std::span(&last, 1);
  draft.hidden = View(hidden.data(), rows, columns);
  logits_.resize(static_cast<size_t>(vocab));
  std::vector<float> hidden_out(width());
  const int64_t wanted = logits ? 1 : 0;
  const bool ran = engine_.scheduler()
                       .run_draft(draft, first + rows, MutableView(logits_.data(), wanted, vocab),
                                  MutableView(hidden_out.data(), wanted, columns))
                       .ok();
  next_hidden_ = std::move(hidden_out);
  return ran;
}

// A page that others share is not written: they may be reading it. Its rows stay zeros.
bool MtpDrafter::run_waiting(std::span<const int32_t> history, bool logits) {
  const size_t n = width();
  auto rows = static_cast<int64_t>(waiting_.size() / n);
  rows = std::min(rows, static_cast<int64_t>(history.size()) - 1 - first_waiting_);
  bool done = false;
  for (int64_t at = 0; at < rows;) {
    const int64_t position = first_waiting_ + at, page = position / kPagePositions;
    int64_t count = std::min(rows - at, (page + 1) * kPagePositions - position);
    const bool last = at + count == rows;
    if (!cache_.share(page).shared()) {
      const auto tokens = history.subspan(static_cast<size_t>(position) + 1, static_cast<size_t>(count));
      const auto hidden =
          std::span<const float>(waiting_).subspan(static_cast<size_t>(at) * n, static_cast<size_t>(count) * n);
      done = run(tokens, position, hidden, logits && last);
      if (!done) break;
    } else {
      done = false;
    }
    at += count;
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(std::max<int64_t>(rows, 0)) *
                                                          static_cast<std::ptrdiff_t>(n));
  first_waiting_ += std::max<int64_t>(rows, 0);
  return done;
}

void MtpDrafter::propose(std::span<const int32_t> history, int32_t most, std::vector<int32_t>& out) {
  const auto length = static_cast<int64_t>(history.size());
  if (most <= 0 || !cache_.reserve(length - 1 + most).ok()) return;
  const auto begin = std::chrono::steady_clock::now();
  const auto rows = static_cast<int64_t>(waiting_.size() / width());
  const bool fresh = first_waiting_ + rows == length - 1;
  if (!run_waiting(history, true) || !fresh) return;
  for (int32_t i = 0; i < most; ++i) {
    const auto best =
        static_cast<int32_t>(engine_.kernels.argmax(logits_.data(), static_cast<int64_t>(logits_.size())));
    out.push_back(best);
    const std::vector<float> hidden = next_hidden_;
    if (i + 1 < most && !run(std::span(&best, 1), length - 1 + i, hidden, true)) break;
  }
  constexpr int64_t usual = 8;
  if (rows > usual) return;  // what a prompt left behind is not the price of a guess
  const double each = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / most;
  seconds_ = seconds_ == 0 ? each : seconds_ + 0.2 * (each - seconds_);
}

}  // namespace pensee
