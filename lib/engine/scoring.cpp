// Scoring: the logits after each of the given tokens, in chunks, so that those of all positions never lie in memory
// together. The same passes as generation, so the same bits.
#include <algorithm>
#include <numeric>
#include <shared_mutex>

#include "engine/engine.h"
#include "engine/scheduler.h"

namespace pensee {

Status Engine::check_replay_of(std::span<const int32_t> ids, std::span<const int32_t> replay) const {
  if (replay.empty()) return Status();
  if (replay.size() != ids.size() * routing_numbers()) {
    return Status::format(Code::bad_argument, "the routing to replay has {} experts; {} tokens need {} each",
                          replay.size(), ids.size(), routing_numbers());
  }
  return check_replay(content.model->config, replay);
}

Status Engine::score_rows(std::span<const int32_t> ids, const ScoreOptions& score,
                          void (*row)(void*, int64_t, std::span<const float>), void* user) const {
  std::shared_lock weights(weights_mutex_);
  PENSEE_TRY(require_weights());
  PENSEE_TRY(check_ids(ids));
  PENSEE_TRY(check_replay_of(ids, score.replay));
  const auto count = static_cast<int64_t>(ids.size());
  if (count > context_max) {
    return Status::format(Code::context_full, "{} tokens are more than the context of {}", count, context_max);
  }
  const auto vocab = static_cast<size_t>(content.model->config.vocab_size);
  CacheSequence cache(content.model->cache_shape, budget);
  constexpr int64_t chunk = 64;  // rows whose logits lie in memory together
  const auto most = static_cast<size_t>(std::min(chunk, count));
  std::vector<float> logits(most * vocab);
  std::vector<int32_t> positions(most), rows_of_chunk(most);
  std::iota(rows_of_chunk.begin(), rows_of_chunk.end(), 0);
  const size_t numbers = routing_numbers();
  if (score.routing) {
    score.routing->ids.resize(ids.size() * numbers);
    score.routing->weights.resize(ids.size() * numbers);
  }
  // All that may fail happens before the first row is given away, so that a failing call writes nothing.
  PENSEE_TRY(cache.reserve(count));
  for (int64_t first = 0; first < count; first += chunk) {
    const auto rows = static_cast<int32_t>(std::min(chunk, count - first));
    std::iota(positions.begin(), positions.end(), static_cast<int32_t>(first));
    const Run run = {&cache, 0, rows, static_cast<int32_t>(first)};
    Batch batch;
    batch.runs = std::span(&run, 1);
    batch.token_ids = ids.subspan(static_cast<size_t>(first), static_cast<size_t>(rows));
    batch.positions = std::span(positions).first(static_cast<size_t>(rows));
    batch.rows_with_logits = std::span(rows_of_chunk).first(static_cast<size_t>(rows));
    const size_t expert = static_cast<size_t>(first) * numbers;
    if (!score.replay.empty()) batch.replay.expert_ids = score.replay.data() + expert;
    if (score.routing) batch.trace = {score.routing->ids.data() + expert, score.routing->weights.data() + expert};
    if (score.progress && !score.progress(score.progress_user, static_cast<float>(first) / static_cast<float>(count))) {
      return Status(Code::cancelled, "scoring was cancelled by the progress callback");
    }
    PENSEE_TRY(scheduler_->run_pass(batch, count, MutableView(logits.data(), rows, static_cast<int64_t>(vocab))));
    cache.set_length(first + rows);
    for (int32_t i = 0; i < rows; ++i) {
      row(user, first + i, std::span<const float>(logits).subspan(static_cast<size_t>(i) * vocab, vocab));
    }
  }
  return Status();
}

}  // namespace pensee
