// Scoring at the border.
#include "api/api.h"

using namespace pensee;
using namespace pensee::api;

namespace {

// The caller's arrays are written when nothing can fail any more.
Status score_tokens(const Engine& engine, std::span<const int32_t> ids, const ScoreOptions& options, float* logprobs) {
  std::vector<float> room, found(ids.size(), 0.0f);
  PENSEE_TRY(engine.score(ids, options, [&](int64_t i, std::span<const float> row) {
    const auto next = static_cast<size_t>(i) + 1;
    if (next < ids.size()) {
      found[next] = row[static_cast<size_t>(ids[next])] - log_sum_exp(row, engine.kernels, room);
    }
  }));
  if (!ids.empty()) std::memcpy(logprobs, found.data(), ids.size() * sizeof(float));
  return Status();
}

}  // namespace

extern "C" {

pensee_status pensee_logits(const pensee_model* model, const int32_t* ids, size_t count, float* logits,
                            pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!model) return null_argument("model");
    if (!ids && count > 0) return null_argument("ids");
    if (!logits && count > 0) return null_argument("logits");
    return model->engine->score(std::span(ids, count), {}, [&](int64_t i, std::span<const float> row) {
      std::memcpy(logits + static_cast<size_t>(i) * row.size(), row.data(), row.size_bytes());
    });
  });
}

pensee_status pensee_logprobs(const pensee_model* model, const int32_t* ids, size_t count, float* logprobs,
                              pensee_error* error) {
  return pensee_score(model, ids, count, nullptr, logprobs, error);
}

pensee_status pensee_score(const pensee_model* model, const int32_t* ids, size_t count,
                           const pensee_score_options* options, float* logprobs, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!model) return null_argument("model");
    if (!ids && count > 0) return null_argument("ids");
    if (!logprobs && count > 0) return null_argument("logprobs");
    pensee_score_options raw = PENSEE_SCORE_OPTIONS_INIT;
    PENSEE_TRY(read_struct(options, "pensee_score_options", raw));
    const Engine& engine = *model->engine;
    const size_t numbers = count * engine.routing_numbers();
    ScoreOptions score;
    if (raw.expert_ids) score.replay = std::span(raw.expert_ids, numbers);
    ExpertRow routing;
    if (raw.expert_ids_out || raw.expert_weights_out) score.routing = &routing;
    if (raw.progress) {
      score.progress = [](void* user, float fraction) {
        const auto& o = *static_cast<const pensee_score_options*>(user);
        return o.progress(o.progress_user, fraction) == 0;
      };
      score.progress_user = &raw;
    }
    PENSEE_TRY(score_tokens(engine, std::span(ids, count), score, logprobs));
    if (raw.expert_ids_out) std::copy(routing.ids.begin(), routing.ids.end(), raw.expert_ids_out);
    if (raw.expert_weights_out) std::copy(routing.weights.begin(), routing.weights.end(), raw.expert_weights_out);
    return Status();
  });
}

}  // extern "C"
